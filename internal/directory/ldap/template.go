package ldap

import (
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"countersign/internal/directory"
)

// names are what templates know of a user.
type names struct{ login, local, domain, dn string }

func namesOf(login string) names {
	a, err := directory.Normal(login)
	if err != nil { // a name that is no address may be one here
		return names{login: login, local: login}
	}
	return names{login: a.String(), local: a.Local, domain: string(a.Domain)}
}

// inFilter fills a template of a filter (RFC 4515 section 3).
func (n names) inFilter(template string) string { return n.into(template, goldap.EscapeFilter) }

// inDN fills a template of a DN (RFC 4514 section 2.4).
func (n names) inDN(template string) string { return n.into(template, goldap.EscapeDN) }

// into fills a template in one pass, so that braces in a login mean nothing.
func (n names) into(template string, escape func(string) string) string {
	return strings.NewReplacer(
		"{login}", escape(n.login), "{local}", escape(n.local), "{domain}", escape(n.domain), "{dn}", escape(n.dn),
	).Replace(template)
}
