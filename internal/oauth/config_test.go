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
		{func(i *Issuer) { i.Name = "" }, ": name: it must have 1 to 64 printable octets"},
		{func(i *Issuer) { i.Name = "a\nb" }, ": name: it must have 1 to 64 printable octets"},
		{func(i *Issuer) { i.Name, i.URL = "50%d", "" }, `issuer 50%d: url: "" is not a URL with a host`},
		{func(i *Issuer) { i.URL = "http://id.example.org" }, "must begin with https://; http:// is for a provider on a loopback address alone"},
		{func(i *Issuer) { i.URL = "http://127.0.0.1.example.org" }, "must begin with https://"},
		{func(i *Issuer) { i.URL = "https://u:p@id.example.org" }, `issuer id: url: the URL of host "id.example.org" must have no user, no password`},
		{func(i *Issuer) { i.URL = issuerURL + "?x" }, "must have no query"},
		{func(i *Issuer) { i.URL = issuerURL + "#x" }, "no fragment"},
		{func(i *Issuer) { i.Leeway = 6 * time.Minute }, "issuer id: leeway: it is 6m0s and must be at most 5m0s"},
		{func(i *Issuer) { i.Leeway = -1 }, "leeway"},
		{func(i *Issuer) { i.Claim = "e\x00" }, "issuer id: claim: it is no name of a claim"},
		{func(i *Issuer) { i.Claim, i.RequireVerified = "sub", true }, `require_verified: it is for the claim "email", and the user is named by "sub"`},
		{func(i *Issuer) { i.Algorithms = []string{"none"} }, `issuer id: algorithms: "none" is not possible; those are: RS256`},
		{func(i *Issuer) { i.Algorithms = []string{"RS256", "HS256"} }, `"HS256" is not possible`},
		{func(i *Issuer) { i.Audiences = nil }, "audiences: they must name whom a token has to be made for"},
		{func(i *Issuer) { i.Audiences = []string{""} }, "audiences: one of them is empty"},
		{func(i *Issuer) { i.Audiences = make([]string, 33) }, "audiences: there are more than 32"},
		{func(i *Issuer) { i.Scopes = []string{"a b"} }, `scopes: "a b" has a space: each is an entry of its own`},
		{func(i *Issuer) { i.Domains = []string{"Example.org"} }, `domains[0]: "Example.org" is not in lower-case A-labels`},
		{func(i *Issuer) { i.Domains = []string{"*.example.org"} }, "is not in lower-case A-labels"},
		{func(i *Issuer) { i.Domains = make([]string, 10_001) }, "domains: there are more than 10000"},
		{func(i *Issuer) { i.JWKSURI, i.JWKSFile = "https://x.example", "x" }, "jwks_file: its keys are at jwks_url already; one will do"},
		{func(i *Issuer) { i.JWKSURI = "http://127.0.0.1/keys" }, "issuer id: jwks_url: "},
		{func(i *Issuer) { i.JWKSFile = "/nonexistent" }, "issuer id: jwks_file: /nonexistent cannot be read: no such file"},
		{func(i *Issuer) { i.JWKSFile = write(t, `{"keys":[]}`, 0o600) }, "issuer id: jwks_file: the key set has no key"},
		{func(i *Issuer) { i.JWKSFile = t.TempDir() }, "is not a file of at most"},
		{func(i *Issuer) { i.Introspection = &Introspection{SecretFile: secret} }, "issuer id: client_id: it must have 1 to 256 printable octets"},
		{func(i *Issuer) { i.Introspection = &Introspection{ClientID: "gate"} }, "client_secret_file: it is needed beside client_id"},
		{introspection(func(i *Introspection) { i.Endpoint = "http://id.example.org/x" }), "issuer id: introspection_url: "},
		{introspection(func(i *Introspection) { i.Keep = time.Hour }), "introspection_keep: it is 1h0m0s and must be at most 5m0s"},
		{introspection(func(i *Introspection) { i.SecretFile = "/nonexistent" }), "issuer id: client_secret_file: /nonexistent cannot be read: "},
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
		// What is asked beforehand is what would be refused.
		if found := Check([]Issuer{config}, nil); len(found) == 0 || !strings.HasSuffix(err.Error(), ": "+found[0].Option+": "+found[0].Err.Error()) {
			t.Errorf("beforehand: %v\nlater: %v", found, err)
		}
	}
	if found := Check([]Issuer{standard(), asking(t)}, nil); len(found) > 0 {
		t.Errorf("of what is right: %v", found)
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
		{func(_, b *Issuer) { b.Domains = nil }, "issuer b: domains: it is asked about opaque tokens, as others are, and has no domains"},
		{func(a, b *Issuer) { b.Domains = a.Domains }, "issuer b: domains: issuer id is asked about opaque tokens too and has the domain a.example"},
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
		if found := Check([]Issuer{a, b}, nil); a.Name != b.Name && a.URL != b.URL && (len(found) > 0) != (err != nil) {
			t.Errorf("beforehand: %v; later: %v", found, err)
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
