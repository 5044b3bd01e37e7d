package oauth

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/oauth/fetch"
)

// Mistake is what is wrong with one option of an issuer, as far as that can be seen without
// asking anybody.
type Mistake struct {
	// Issuer is its place in the list.
	Issuer int
	// Option is what the configuration calls it, as "jwks_url", or "domains[0]" for one of
	// several.
	Option string
	// Err says what is wrong with it, and shows nothing that may be a secret.
	Err error
}

// Check says what New would refuse, all at once: of each issuer, of its files, and of those
// that are asked about tokens together. normalise is Options.Normalise, nil for its default.
func Check(issuers []Issuer, normalise func(string) (string, error)) (all []Mistake) {
	if normalise == nil {
		normalise = ofASCII
	}
	for n, c := range issuers {
		if n == MaxIssuers {
			return append(all, Mistake{n, "name", fmt.Errorf("there are more than %d issuers", MaxIssuers)})
		}
		_, wrong := c.judge(normalise)
		for _, m := range append(wrong, c.judgeFiles()...) {
			m.Issuer = n
			all = append(all, m)
		}
	}
	return append(all, judgeTogether(issuers)...)
}

// first turns the first mistake of the issuers into an error; nil where there is none.
func first(issuers []Issuer, wrong []Mistake) error {
	if len(wrong) == 0 {
		return nil
	}
	m := wrong[0]
	return fault.New(opNew, fault.Invalid, "issuer %s: %s: %v", issuers[m.Issuer].Name, m.Option, m.Err)
}

// problem notes what is wrong with an option.
type problem func(option, format string, args ...any)

// judge fills in what an issuer leaves out and returns its URL, and what is wrong.
func (i *Issuer) judge(normalise func(string) (string, error)) (base *url.URL, all []Mistake) {
	wrong := func(option, format string, args ...any) {
		all = append(all, Mistake{Option: option, Err: fmt.Errorf(format, args...)})
	}
	if i.Name == "" || len(i.Name) > 64 || !printable(i.Name) {
		wrong("name", "it must have 1 to 64 printable octets")
	}
	base, err := fetch.CheckURL(i.URL, nil)
	if err != nil {
		wrong("url", "%v", err)
	}
	if i.Leeway == 0 {
		i.Leeway = DefaultLeeway
	}
	if i.Leeway < 0 || i.Leeway > MaxLeeway {
		wrong("leeway", "it is %v and must be at most %v", i.Leeway, MaxLeeway)
	}
	if i.Claim == "" {
		i.Claim = "email"
	}
	if !printable(i.Claim) || len(i.Claim) > 128 {
		wrong("claim", "it is no name of a claim")
	}
	if i.RequireVerified && i.Claim != "email" {
		wrong("require_verified", "it is for the claim \"email\", and the user is named by %q", i.Claim)
	}
	i.judgeAlgorithms(wrong)
	i.judgeLists(wrong)
	i.judgeDomains(normalise, wrong)
	i.judgeKeys(base, wrong)
	i.judgeIntrospection(base, wrong)
	return base, all
}

func (i *Issuer) judgeAlgorithms(wrong problem) {
	if len(i.Algorithms) == 0 {
		i.Algorithms = slices.Clone(defaultAlgorithms)
	}
	for _, name := range i.Algorithms {
		if !slices.Contains(algorithms, name) {
			wrong("algorithms", "%q is not possible; those are: %s", bounded(name), strings.Join(algorithms, ", "))
		}
	}
}

func (i *Issuer) judgeLists(wrong problem) {
	if len(i.Audiences) == 0 && (i.Introspection == nil || !i.Introspection.All) {
		wrong("audiences", "they must name whom a token has to be made for; without that, every token that any application of this provider gets would do")
	}
	for _, list := range []struct {
		option string
		values []string
	}{{"algorithms", i.Algorithms}, {"audiences", i.Audiences}, {"scopes", i.Scopes}} {
		if len(list.values) > maxList {
			wrong(list.option, "there are more than %d", maxList)
			continue
		}
		for _, value := range list.values {
			if value == "" || len(value) > maxText || !printable(value) {
				wrong(list.option, "one of them is empty, too long or not printable")
				break
			}
		}
	}
	for _, scope := range i.Scopes {
		if strings.Contains(scope, " ") { // RFC 6749 section 3.3
			wrong("scopes", "%q has a space: each is an entry of its own", bounded(scope))
		}
	}
}

func (i *Issuer) judgeDomains(normalise func(string) (string, error), wrong problem) {
	if len(i.Domains) > maxDomains {
		wrong("domains", "there are more than %d", maxDomains)
		return
	}
	for n, domain := range i.Domains {
		normal, err := normalise(domain)
		if err != nil || normal != domain || domain == "" || len(domain) > 253 || strings.ContainsAny(domain, "@ *") {
			wrong(fmt.Sprintf("domains[%d]", n), "%q is not in lower-case A-labels", bounded(domain))
		}
	}
}

// judgeKeys judges where the keys are; base is nil where the issuer's own URL is none.
func (i *Issuer) judgeKeys(base *url.URL, wrong problem) {
	if i.JWKSURI != "" && i.JWKSFile != "" {
		wrong("jwks_file", "its keys are at jwks_url already; one will do")
	}
	if i.JWKSURI == "" || base == nil {
		return
	}
	if _, err := fetch.CheckURL(i.JWKSURI, base); err != nil {
		wrong("jwks_url", "%v", err)
	}
}

func (i *Issuer) judgeIntrospection(base *url.URL, wrong problem) {
	if i.Introspection == nil {
		return
	}
	own := *i.Introspection // the caller's stays what it was
	i.Introspection = &own
	if own.ClientID == "" || len(own.ClientID) > 256 || !printable(own.ClientID) {
		wrong("client_id", "it must have 1 to 256 printable octets")
	}
	if own.SecretFile == "" {
		wrong("client_secret_file", "it is needed beside client_id")
	}
	if own.Endpoint != "" && base != nil {
		if _, err := fetch.CheckURL(own.Endpoint, base); err != nil {
			wrong("introspection_url", "%v", err)
		}
	}
	if own.Keep == 0 {
		i.Introspection.Keep = DefaultKeep
	}
	if own.Keep < 0 || own.Keep > MaxKeep {
		wrong("introspection_keep", "it is %v and must be at most %v", own.Keep, MaxKeep)
	}
}

// judgeFiles reads the files that an issuer names.
func (i *Issuer) judgeFiles() (all []Mistake) {
	if _, err := fetch.ReadRoots(i.CAFile); err != nil {
		all = append(all, Mistake{Option: "ca_file", Err: err})
	}
	if err := i.readKeyFile(); err != nil {
		all = append(all, Mistake{Option: "jwks_file", Err: err})
	}
	if i.Introspection != nil && i.Introspection.SecretFile != "" {
		if _, err := readSecret(i.Introspection.SecretFile); err != nil {
			all = append(all, Mistake{Option: "client_secret_file", Err: err})
		}
	}
	return all
}

// judgeTogether sees that it is always clear whom an opaque token is shown. An issuer
// that is shown another's could use it itself.
func judgeTogether(issuers []Issuer) (all []Mistake) {
	owner := make(map[string]string)
	asked := 0
	for _, i := range issuers {
		if i.Introspection != nil {
			asked++
		}
	}
	for n, i := range issuers {
		if i.Introspection == nil {
			continue
		}
		if len(i.Domains) == 0 && asked > 1 {
			all = append(all, Mistake{n, "domains", fmt.Errorf("it is asked about opaque tokens, as others are, and has no domains: they would be shown its tokens, or it theirs; give each its domains")})
		}
		for _, domain := range i.Domains {
			if other, taken := owner[domain]; taken {
				all = append(all, Mistake{n, "domains", fmt.Errorf("issuer %s is asked about opaque tokens too and has the domain %s; such a token can be shown to one of them", other, bounded(domain))})
				break
			}
			owner[domain] = i.Name
		}
	}
	return all
}

// bounded shortens a text for an error.
func bounded(text string) string { return text[:min(len(text), 200)] }
