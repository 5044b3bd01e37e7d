package oauth

import (
	"slices"
	"strings"
)

// Advice is what a client without a good token may be told, so that it gets one.
type Advice struct {
	// Scope are the scopes to ask for, with spaces between, "" for any.
	Scope string
	// Configuration is the address of the issuer's configuration (RFC 7628 section 3.2.2),
	// "" where no issuer is meant.
	Configuration string
}

// Advise tells where accounts of a domain, in any form, get their tokens; the domain is
// "" where the client named no login. It depends on the configuration alone, not on
// what was wrong with a token nor on whether there is such an account. Of several
// issuers that may speak for the domain it is the first that does so by name.
func (v *Verifier) Advise(domain string) Advice {
	var general *issuer
	for _, i := range v.issuers {
		if len(i.domains) > 0 && i.speaksFor(domain) {
			return i.advice()
		}
		if general == nil && (len(i.domains) == 0 || domain == "" && len(v.issuers) == 1) {
			general = i
		}
	}
	if general == nil {
		return Advice{}
	}
	return general.advice()
}

func (i *issuer) advice() Advice {
	return Advice{Scope: strings.Join(i.Scopes, " "), Configuration: i.discovery.address()}
}

// SpeaksFor reports whether some issuer may speak for the accounts of a domain. It asks nobody.
func (v *Verifier) SpeaksFor(domain string) bool {
	return slices.ContainsFunc(v.issuers, func(i *issuer) bool { return i.speaksFor(domain) })
}
