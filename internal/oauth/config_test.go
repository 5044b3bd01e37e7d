package oauth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

// write makes a file and returns its path.
func write(t testing.TB, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWrongConfiguration: each mistake is named, with its issuer.
func TestWrongConfiguration(t *testing.T) {
	secret := secretFile(t)
	introspection := func(change func(*Introspection)) func(*Issuer) {
		return func(i *Issuer) {
			i.Introspection = &Introspection{ClientID: "gate", SecretFile: secret}
			change(i.Introspection)
		}
	}
	for _, c := range []struct {
		change func(*Issuer)
		want   string
	}{
		{func(i *Issuer) { i.Name = "" }, "an issuer has no name of 1 to 64 printable octets"},
		{func(i *Issuer) { i.Name = "a\nb" }, "an issuer has no name of 1 to 64 printable octets"},
		{func(i *Issuer) { i.Name, i.URL = "50%d", "" }, `issuer 50%d: URL: "" is not a URL with a host`},
		{func(i *Issuer) { i.URL = "http://id.example.org" }, "must begin with https://; http:// is for a provider on a loopback address alone"},
		{func(i *Issuer) { i.URL = "http://127.0.0.1.example.org" }, "must begin with https://"},
		{func(i *Issuer) { i.URL = "https://u:p@id.example.org" }, `issuer id: URL: the URL of host "id.example.org" must have no user, no password`},
		{func(i *Issuer) { i.URL = issuerURL + "?x" }, "must have no query"},
		{func(i *Issuer) { i.URL = issuerURL + "#x" }, "no fragment"},
		{func(i *Issuer) { i.Leeway = 6 * time.Minute }, "issuer id: Leeway is 6m0s, it must be at most 5m0s"},
		{func(i *Issuer) { i.Leeway = -1 }, "Leeway"},
		{func(i *Issuer) { i.Claim = "e\x00" }, "issuer id: Claim is no name of a claim"},
		{func(i *Issuer) { i.Claim, i.RequireVerified = "sub", true }, `RequireVerified is for the claim "email", the user is named by "sub"`},
		{func(i *Issuer) { i.Algorithms = []string{"none"} }, `issuer id: the algorithm "none" is not possible; those are: RS256`},
		{func(i *Issuer) { i.Algorithms = []string{"RS256", "HS256"} }, `the algorithm "HS256" is not possible`},
		{func(i *Issuer) { i.Audiences = nil }, "Audiences must name whom a token has to be made for"},
		{func(i *Issuer) { i.Audiences = []string{""} }, "Audiences has an entry that is empty"},
		{func(i *Issuer) { i.Audiences = make([]string, 33) }, "Audiences has more than 32 entries"},
		{func(i *Issuer) { i.Scopes = []string{"a b"} }, `the scope "a b" has a space: each is an entry of its own`},
		{func(i *Issuer) { i.Domains = []string{"Example.org"} }, `the domain "Example.org" is not in lower-case A-labels`},
		{func(i *Issuer) { i.Domains = []string{"*.example.org"} }, "is not in lower-case A-labels"},
		{func(i *Issuer) { i.Domains = make([]string, 10_001) }, "Domains has more than 10000 entries"},
		{func(i *Issuer) { i.JWKSURI, i.JWKSFile = "https://x.example", "x" }, "JWKSURI and JWKSFile are both there; one will do"},
		{func(i *Issuer) { i.JWKSURI = "http://127.0.0.1/keys" }, "issuer id: JWKSURI: "},
		{func(i *Issuer) { i.JWKSFile = "/nonexistent" }, "issuer id: JWKSFile: stat /nonexistent"},
		{func(i *Issuer) { i.JWKSFile = write(t, `{"keys":[]}`, 0o600) }, "issuer id: JWKSFile: the key set has no key"},
		{func(i *Issuer) { i.JWKSFile = t.TempDir() }, "is not a file of at most"},
		{func(i *Issuer) { i.Introspection = &Introspection{SecretFile: secret} }, "issuer id: Introspection needs ClientID and SecretFile"},
		{func(i *Issuer) { i.Introspection = &Introspection{ClientID: "gate"} }, "Introspection needs ClientID and SecretFile"},
		{introspection(func(i *Introspection) { i.Endpoint = "http://id.example.org/x" }), "issuer id: Introspection.Endpoint: "},
		{introspection(func(i *Introspection) { i.Keep = time.Hour }), "Introspection.Keep is 1h0m0s, it must be at most 5m0s"},
		{introspection(func(i *Introspection) { i.SecretFile = "/nonexistent" }), "issuer id: "},
		{introspection(func(i *Introspection) { i.SecretFile = write(t, "x", 0o644) }), "may be read or changed by others: its mode is 0644, make it 0600 or 0640"},
		{introspection(func(i *Introspection) { i.SecretFile = write(t, "\n", 0o600) }), "must hold the secret, on one line"},
		{introspection(func(i *Introspection) { i.SecretFile = write(t, "a\nb\n", 0o600) }), "must hold the secret, on one line"},
		{introspection(func(i *Introspection) { i.SecretFile = write(t, strings.Repeat("x", 5000), 0o600) }), "is not a file of at most 4096 octets"},
	} {
		config := standard()
		c.change(&config)
		_, err := New([]Issuer{config}, Options{Transport: newProvider()})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"Timeout is 31s, it must be at most 30s": {Timeout: 31 * time.Second}, "Timeout is -1ns": {Timeout: -1},
		"KeyStale is 73h0m0s, it must be at most 72h0m0s":    {KeyStale: 73 * time.Hour},
		"KeyInterval (30s) must be at most KeyRefresh (10s)": {KeyRefresh: 10 * time.Second},
		"and that less than KeyStale (15m0s)":                {KeyStale: 15 * time.Minute},
		"Remembered is -1":                                   {Remembered: -1}, "Remembered is 1000001": {Remembered: 1_000_001},
	} {
		_, err := New(nil, o)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestIssuersTogether: what is right for each may be wrong for two.
func TestIssuersTogether(t *testing.T) {
	for _, c := range []struct {
		change func(a, b *Issuer)
		want   string
	}{
		{func(a, b *Issuer) { b.Name = a.Name }, "there is another with the same Name or URL"},
		{func(a, b *Issuer) { b.URL = a.URL }, "issuer b: there is another with the same Name or URL"},
		{func(_, b *Issuer) { b.Domains = nil }, "issuer b: it has Introspection and no Domains"},
		{func(a, b *Issuer) { b.Domains = a.Domains }, "issuers id and b: both have Introspection and the domain a.example"},
		{func(_, _ *Issuer) {}, ""},
	} {
		a, b := asking(t), asking(t)
		a.Domains = []string{"a.example"}
		b.Name, b.URL, b.Domains = "b", "https://b.example", []string{"b.example"}
		c.change(&a, &b)
		_, err := New([]Issuer{a, b}, Options{Transport: newProvider()})
		if (err == nil) != (c.want == "") || err != nil && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	if _, err := New(make([]Issuer, MaxIssuers+1), Options{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

// TestConfigurationIsCopied: what the caller changes later changes nothing.
func TestConfigurationIsCopied(t *testing.T) {
	config := standard()
	config.Domains = []string{"example.org"}
	v, _ := verifier(t, config)
	config.Audiences[0], config.Scopes[0], config.Domains[0] = "x", "x", "x"
	verify(t, v, rsaKey(), nil)
}

// TestSystemDefaults: New needs nothing but issuers, and asks nobody.
func TestSystemDefaults(t *testing.T) {
	v, err := New([]Issuer{standard()}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if got := fmt.Sprint(v.Health()); !strings.Contains(got, "untried") {
		t.Error(got)
	}
}

// TestShare: memory for answers does not grow with the number of issuers.
func TestShare(t *testing.T) {
	asked := func(n int) []Issuer {
		all := make([]Issuer, n)
		for i := range all {
			all[i].Introspection = &Introspection{}
		}
		return append(all, Issuer{})
	}
	for n, want := range map[int]int{0: 1000, 1: 1000, 10: 100, 100: 16} {
		if got := share(1000, asked(n)); got != want {
			t.Errorf("%d issuers: %d each, want %d", n, got, want)
		}
	}
}
