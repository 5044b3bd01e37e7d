package sender

import (
	"fmt"
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
)

// Reason says in one word by which rule an address may be sent under, or why it may not.
type Reason string

// The rules that let an address be used.
const (
	OwnAddress   Reason = "own-address"
	Alias        Reason = "alias"
	SendAs       Reason = "send-as"
	SendOnBehalf Reason = "send-on-behalf"
	// NullSender is the empty envelope sender of an account that may use it.
	NullSender Reason = "null-sender"
)

// The reasons why an address may not be used.
const (
	// NotTheirs: no rule is about it.
	NotTheirs Reason = "not-theirs"
	// GrantEnded: a grant was.
	GrantEnded Reason = "grant-ended"
	// DomainStopped: its domain is suspended, gone, or another customer's.
	DomainStopped Reason = "domain-stopped"
	// AnotherCustomer: it is not theirs, and in a domain of another customer of this gate.
	AnotherCustomer Reason = "another-customer"
	// CredentialBound: the account may use it, but not with this credential.
	CredentialBound Reason = "credential-bound"
	// OnBehalfPlace: it is granted on behalf alone, which is good for From and no other place.
	OnBehalfPlace Reason = "on-behalf-not-here"
	// OnBehalfSender: it is granted on behalf, and Sender does not name an address that is
	// the account's own.
	OnBehalfSender Reason = "on-behalf-without-sender"
	// NoNullSender: the account may not use the empty envelope sender.
	NoNullSender Reason = "no-null-sender"
)

// Meaning is one row of the list of reasons.
type Meaning struct {
	Reason Reason
	// Text says in a few words what it means.
	Text string
}

// Reasons lists all reasons with their meanings, the rules first.
func Reasons() []Meaning {
	return []Meaning{
		{OwnAddress, "it is the account's own address"},
		{Alias, "it is an alias of the account"},
		{SendAs, "the account was granted to send as it"},
		{SendOnBehalf, "the account was granted to send on behalf of it"},
		{NullSender, "the account may send with an empty sender"},
		{NotTheirs, "it is no address of the account, and was not granted to it"},
		{GrantEnded, "it was granted to the account, and the grant has ended"},
		{DomainStopped, "its domain is suspended, is gone, or is another customer's"},
		{AnotherCustomer, "it is in a domain of another customer"},
		{CredentialBound, "the credential may not send under it"},
		{OnBehalfPlace, "it was granted on behalf, which is good for From alone"},
		{OnBehalfSender, "it was granted on behalf, and Sender names no address that is the account's own"},
		{NoNullSender, "the account may not send with an empty sender"},
	}
}

// Theirs reports whether the reason is a rule that lets an address be used.
func (r Reason) Theirs() bool {
	return slices.Contains([]Reason{OwnAddress, Alias, SendAs, SendOnBehalf, NullSender}, r)
}

// String says in a few words what it means.
func (r Reason) String() string {
	for _, m := range Reasons() {
		if m.Reason == r {
			return m.Text
		}
	}
	return string(r)
}

// MailFrom is the place of the envelope sender; the others are names of header fields, as
// message.Identity has them.
const MailFrom = "MAIL FROM"

// Finding is what is found of one address in one place.
type Finding struct {
	// Place is MailFrom or the name of a header field.
	Place   string
	Address mail.Address
	// Shown says that a name or comment of the field shows it, and no more.
	Shown  bool
	Reason Reason
	// Grant is the one that lets it be used, or would but for the reason; nil for none.
	Grant *account.Granted
	// at is message.Identity.At.
	at int
}

// String is a finding for the record: "From ceo@bank.example: not-theirs".
func (f *Finding) String() string {
	address := f.Address.String()
	if address == "" {
		address = "<>"
	}
	return fmt.Sprintf("%s %s: %s", f.Place, address, string(f.Reason))
}

// Of says by which rule an account may use an address, wherever a sender is named, or why it may
// not. SendOnBehalf is a rule too: what it is good for is judged by place.
func Of(s *account.Sender, a mail.Address, now time.Time) (Reason, *account.Granted) {
	own := a.Same(s.Account.Address)
	alias := slices.ContainsFunc(s.Account.Aliases, a.Same)
	switch {
	case own && s.Domains[a.Domain]:
		return OwnAddress, nil
	case alias && s.Domains[a.Domain]:
		return Alias, nil
	case own || alias:
		return DomainStopped, nil
	}
	best, by := NotTheirs, (*account.Granted)(nil)
	for i := range s.Account.Grants {
		g := &s.Account.Grants[i]
		if !g.Covers(a) {
			continue
		}
		if r := byGrant(s, g, a.Domain, now); by == nil || better(r, best) {
			best, by = r, g
		}
	}
	return best, by
}

// byGrant says what a grant that covers an address of a domain is good for.
func byGrant(s *account.Sender, g *account.Granted, domain mail.Domain, now time.Time) Reason {
	switch {
	case !s.Domains[domain] && !(g.Across && s.Lent[domain]):
		return DomainStopped
	case g.Ended(now):
		return GrantEnded
	case g.Manner == account.SendAs:
		return SendAs
	}
	return SendOnBehalf
}

// better reports whether one reason of a grant goes before another.
func better(a, b Reason) bool {
	order := []Reason{SendAs, SendOnBehalf, GrantEnded, DomainStopped, NotTheirs}
	return slices.Index(order, a) < slices.Index(order, b)
}
