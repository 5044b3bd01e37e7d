package oauth

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"countersign/internal/fault"
	"countersign/internal/oauth/fetch"
	"countersign/internal/oauth/keyset"
)

// Bounds and defaults of what is configured.
const (
	// MaxIssuers is how many issuers there may be.
	MaxIssuers = 1000
	// DefaultLeeway and MaxLeeway are of Issuer.Leeway.
	DefaultLeeway, MaxLeeway = 30 * time.Second, 5 * time.Minute
	// DefaultKeep and MaxKeep are of Introspection.Keep.
	DefaultKeep, MaxKeep = time.Minute, 5 * time.Minute
	// maxList bounds each list of an Issuer but its domains, maxDomains those, maxText
	// each text, in octets.
	maxList, maxDomains, maxText = 32, 10_000, 2048
)

// Issuer configures one identity provider.
type Issuer struct {
	// Name is what the record and the operator call it. It is needed, and unique.
	Name string
	// URL is the issuer as it stands in its tokens ("iss"), to the letter, a slash at
	// the end included. It is needed, unique, and https; http is for loopback addresses.
	URL string
	// JWKSURI or JWKSFile say where its keys are; with neither, discovery at URL does.
	JWKSURI, JWKSFile string
	// Algorithms are those that its tokens may be signed with; none means RS256, ES256,
	// PS256 and EdDSA. There is no "none" and no HMAC.
	Algorithms []string
	// Audiences are those of which a token must name one. At least one is needed unless
	// every token is asked about.
	Audiences []string
	// Scopes are those that a token must all have; none for any.
	Scopes []string
	// Claim is the name of the claim that names the user; "" means "email".
	Claim string
	// RequireVerified refuses an "email" that the token does not call verified. Without
	// it a token may be silent about that, but not deny it.
	RequireVerified bool
	// AccessTokensOnly refuses JWTs that are not of type at+jwt (RFC 9068 section 2.1),
	// ID tokens among them. Few providers set it.
	AccessTokensOnly bool
	// Leeway is how far the clocks may differ; 0 means DefaultLeeway, at most MaxLeeway.
	Leeway time.Duration
	// Domains are those that the issuer may speak for, in lower-case A-labels; none means
	// all, which is right only for a provider that the operator runs.
	Domains []string
	// Introspection asks the issuer about opaque tokens; nil refuses them.
	Introspection *Introspection
	// CAFile names PEM certificates that the provider's must be issued under; "" for
	// those of the system.
	CAFile string
}

// Introspection configures how an issuer is asked about a token (RFC 7662).
type Introspection struct {
	// Endpoint is the address; "" for the one that discovery names, which must then be
	// at the issuer's own host.
	Endpoint string
	// ClientID is who asks. SecretFile holds the secret on one line; its group may read it,
	// nobody else. Both are needed.
	ClientID, SecretFile string
	// All asks about each token of the issuer, JWTs included, so that one that was
	// revoked is refused before its time is over. Its keys are not needed then.
	All bool
	// Keep is how long an answer is kept, at most until the token's end; 0 means
	// DefaultKeep, at most MaxKeep. A revoked token is good for as long.
	Keep time.Duration
}

// Options are what every issuer shares. The zero value will do.
type Options struct {
	// Now is the clock, nil for the system's; Random makes the key under which tokens are
	// remembered, nil for crypto/rand.
	Now    func() time.Time
	Random io.Reader
	// Transport takes the place of the network; nil for the network.
	Transport http.RoundTripper
	// Normalise returns a domain in lower-case A-labels; nil knows ASCII alone, and then
	// addresses in domains with other letters are foreign to every issuer with Domains.
	Normalise func(domain string) (string, error)
	// Timeout bounds a request; 0 means 5 s, at most 30 s.
	Timeout time.Duration
	// KeyRefresh is the age at which keys are got anew, 0 means 15 min; KeyStale is for how
	// long they are used while the provider is away, 0 means 6 h, at most 72 h; KeyInterval
	// is the least time between two requests for keys that are not there, 0 means 30 s.
	KeyRefresh, KeyStale, KeyInterval time.Duration
	// Remembered is how many good answers about tokens are kept at most, shared out among
	// the issuers that are asked, at least 16 for each; 0 means 100,000, at most a million.
	// Of refusals it is a quarter as many. Each takes a kilobyte at most.
	Remembered int
}

// algorithms are those that may be allowed.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// defaultAlgorithms are those that are, where nothing is configured.
var defaultAlgorithms = []string{"RS256", "ES256", "PS256", "EdDSA"}

// withDefaults fills in what is left out and judges the rest.
func (o Options) withDefaults() (Options, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Normalise == nil {
		o.Normalise = func(domain string) (string, error) { return lowerASCII(domain), nil }
	}
	for _, d := range []struct {
		name           string
		value          *time.Duration
		standard, most time.Duration
	}{
		{"Timeout", &o.Timeout, 5 * time.Second, 30 * time.Second}, {"KeyRefresh", &o.KeyRefresh, 15 * time.Minute, 24 * time.Hour},
		{"KeyStale", &o.KeyStale, 6 * time.Hour, 72 * time.Hour}, {"KeyInterval", &o.KeyInterval, 30 * time.Second, time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.standard
		}
		if *d.value < 0 || *d.value > d.most {
			return o, fault.New(opNew, fault.Invalid, "%s is %v, it must be at most %v", d.name, *d.value, d.most)
		}
	}
	if o.KeyStale <= o.KeyRefresh || o.KeyInterval > o.KeyRefresh {
		return o, fault.New(opNew, fault.Invalid, "KeyInterval (%v) must be at most KeyRefresh (%v), and that less than KeyStale (%v)", o.KeyInterval, o.KeyRefresh, o.KeyStale)
	}
	if o.Remembered == 0 {
		o.Remembered = 100_000
	}
	if o.Remembered < 0 || o.Remembered > 1_000_000 {
		return o, fault.New(opNew, fault.Invalid, "Remembered is %d, it must be between 1 and 1000000", o.Remembered)
	}
	return o, nil
}

// keyBounds returns what the key sets are told.
func (o Options) keyBounds() keyset.Bounds {
	// Discovery may come before the keys.
	return keyset.Bounds{Refresh: o.KeyRefresh, Stale: o.KeyStale, Interval: o.KeyInterval, Timeout: 2 * o.Timeout}
}

// lowerASCII lowers A to Z alone. Other letters that have one of these as their lower
// case, like the Kelvin sign, stay what they are.
func lowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// judge fills in what an issuer leaves out and returns its URL.
func (i *Issuer) judge(normalise func(string) (string, error)) (*url.URL, error) {
	if i.Name == "" || len(i.Name) > 64 || !printable(i.Name) {
		return nil, fault.New(opNew, fault.Invalid, "an issuer has no name of 1 to 64 printable octets")
	}
	wrong := func(format string, args ...any) error {
		return fault.New(opNew, fault.Invalid, "issuer %s: %s", i.Name, fmt.Sprintf(format, args...))
	}
	base, err := fetch.CheckURL(i.URL, nil)
	if err != nil {
		return nil, wrong("URL: %v", err)
	}
	if i.Leeway == 0 {
		i.Leeway = DefaultLeeway
	}
	if i.Leeway < 0 || i.Leeway > MaxLeeway {
		return nil, wrong("Leeway is %v, it must be at most %v", i.Leeway, MaxLeeway)
	}
	if i.Claim == "" {
		i.Claim = "email"
	}
	if !printable(i.Claim) || len(i.Claim) > 128 {
		return nil, wrong("Claim is no name of a claim")
	}
	if i.RequireVerified && i.Claim != "email" {
		return nil, wrong("RequireVerified is for the claim \"email\", the user is named by %q", i.Claim)
	}
	for _, step := range []func(wrong problem) error{
		i.judgeAlgorithms, i.judgeLists,
		func(wrong problem) error { return i.judgeDomains(normalise, wrong) },
		func(wrong problem) error { return i.judgeKeys(base, wrong) },
		func(wrong problem) error { return i.judgeIntrospection(base, wrong) },
	} {
		if err := step(wrong); err != nil {
			return nil, err
		}
	}
	return base, nil
}

// problem makes an error that names the issuer.
type problem func(format string, args ...any) error

func (i *Issuer) judgeAlgorithms(wrong problem) error {
	if len(i.Algorithms) == 0 {
		i.Algorithms = slices.Clone(defaultAlgorithms)
	}
	for _, name := range i.Algorithms {
		if !slices.Contains(algorithms, name) {
			return wrong("the algorithm %q is not possible; those are: %s", name, strings.Join(algorithms, ", "))
		}
	}
	return nil
}

func (i *Issuer) judgeLists(wrong problem) error {
	if len(i.Audiences) == 0 && (i.Introspection == nil || !i.Introspection.All) {
		return wrong("Audiences must name whom a token has to be made for; without that, every token that any application of this provider gets would do")
	}
	for _, list := range []struct {
		name   string
		values []string
	}{{"Algorithms", i.Algorithms}, {"Audiences", i.Audiences}, {"Scopes", i.Scopes}} {
		if len(list.values) > maxList {
			return wrong("%s has more than %d entries", list.name, maxList)
		}
		for _, value := range list.values {
			if value == "" || len(value) > maxText || !printable(value) {
				return wrong("%s has an entry that is empty, too long or not printable", list.name)
			}
		}
	}
	for _, scope := range i.Scopes {
		if strings.Contains(scope, " ") { // RFC 6749 section 3.3
			return wrong("the scope %q has a space: each is an entry of its own", scope)
		}
	}
	return nil
}

func (i *Issuer) judgeDomains(normalise func(string) (string, error), wrong problem) error {
	if len(i.Domains) > maxDomains {
		return wrong("Domains has more than %d entries", maxDomains)
	}
	for _, domain := range i.Domains {
		normal, err := normalise(domain)
		if err != nil || normal != domain || domain == "" || len(domain) > 253 || strings.ContainsAny(domain, "@ *") {
			return wrong("the domain %q is not in lower-case A-labels", domain)
		}
	}
	return nil
}

func (i *Issuer) judgeKeys(base *url.URL, wrong problem) error {
	if i.JWKSURI != "" && i.JWKSFile != "" {
		return wrong("JWKSURI and JWKSFile are both there; one will do")
	}
	if i.JWKSURI == "" {
		return nil
	}
	_, err := fetch.CheckURL(i.JWKSURI, base)
	if err != nil {
		return wrong("JWKSURI: %v", err)
	}
	return nil
}

func (i *Issuer) judgeIntrospection(base *url.URL, wrong problem) error {
	if i.Introspection == nil {
		return nil
	}
	own := *i.Introspection // the caller's stays what it was
	i.Introspection = &own
	if own.ClientID == "" || len(own.ClientID) > 256 || !printable(own.ClientID) || own.SecretFile == "" {
		return wrong("Introspection needs ClientID and SecretFile")
	}
	if own.Endpoint != "" {
		_, err := fetch.CheckURL(own.Endpoint, base)
		if err != nil {
			return wrong("Introspection.Endpoint: %v", err)
		}
	}
	if own.Keep == 0 {
		i.Introspection.Keep = DefaultKeep
	}
	if own.Keep < 0 || own.Keep > MaxKeep {
		return wrong("Introspection.Keep is %v, it must be at most %v", own.Keep, MaxKeep)
	}
	return nil
}
