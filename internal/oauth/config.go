package oauth

import (
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"time"

	"countersign/internal/fault"
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
		o.Normalise = ofASCII
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

// ofASCII is Options.Normalise where none is given.
func ofASCII(domain string) (string, error) { return lowerASCII(domain), nil }

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
