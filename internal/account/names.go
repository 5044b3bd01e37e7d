package account

import (
	"strings"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// maxName is the longest name of a plan, customer or credential, that of a DNS label.
const maxName = 63

// CheckName refuses names that are awkward in commands, logs and URLs: fault.Invalid.
// what says what is named: "plan".
func CheckName(what, name string) error {
	const op = "account.name"
	if name == "" || len(name) > maxName {
		return fault.New(op, fault.Invalid, "the name of a %s has 1 to %d characters", what, maxName)
	}
	for i, c := range name {
		plain := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !plain && (i == 0 || c != '-' && c != '_' && c != '.') {
			return fault.New(op, fault.Invalid, "%q cannot name a %s: use a-z and 0-9, then also - _ and .", name, what)
		}
	}
	return nil
}

// CheckDomain refuses what cannot be a sender domain: fault.Invalid.
func CheckDomain(name mail.Domain) error {
	if _, literal := name.Literal(); literal || !strings.Contains(name.String(), ".") {
		return fault.New("account.domain", fault.Invalid, "%q cannot be a sender domain: a full domain name is needed, such as example.org", name)
	}
	return nil
}

// ForeignDomain is the refusal to let an account of a customer use what is in a domain
// of another, the owner.
func ForeignDomain(what string, domain mail.Domain, owner, customer string) error {
	return fault.New("account.set", fault.Invalid, "%s: domain %s belongs to customer %s, the account to customer %s; an account may only use addresses of its own customer, unless it is granted across customers", what, domain, owner, customer)
}
