package examine

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/internal/config"
	"countersign/internal/config/value"
	"countersign/internal/fault"
	"countersign/internal/testkit"
)

// provider is an issuer with a key set, at its URL.
func provider(t *testing.T, keys ...jose.JSONWebKey) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		self := "http://" + r.Host
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": self, "jwks_uri": self + "/keys", "introspection_endpoint": self + "/introspect"})
		case "/keys":
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: keys})
		case "/introspect":
			if _, secret, _ := r.BasicAuth(); secret != "right" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]bool{"active": false})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// panel is a directory over HTTP that knows nobody.
func panel(t *testing.T, name, result string) config.Directory {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"result": result})
	}))
	t.Cleanup(s.Close)
	return config.Directory{
		Name: name, Kind: "http", URL: s.URL, KeyFile: write(t, strings.Repeat("k", 64)),
		Timeout: value.Duration(5 * time.Second), Connections: 1, Failures: 1, Pause: value.Duration(time.Second),
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConnect(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer := func(name, url, secret string) config.Issuer {
		i := config.Issuer{Name: name, URL: url, Audiences: []string{"countersign"}, Claim: "email", Algorithms: []string{"EdDSA"}, Domains: []string{name + ".example"}}
		if secret != "" {
			i.ClientID, i.ClientSecretFile, i.IntrospectionKeep = "countersign", write(t, secret), value.Duration(time.Minute)
		}
		return i
	}
	good := provider(t, jose.JSONWebKey{Key: public, KeyID: "1", Algorithm: "EdDSA", Use: "sig"}).URL
	other := provider(t, jose.JSONWebKey{Key: public, KeyID: "1", Algorithm: "EdDSA", Use: "sig"}).URL
	dead := panel(t, "dead", "unknown")
	dead.URL = "http://127.0.0.1:1/"
	cfg := &config.Config{
		Directories: []config.Directory{panel(t, "well", "unknown"), panel(t, "odd", "found"), dead},
		Issuers:     []config.Issuer{issuer("good", good, "right"), issuer("wrong", other, "guessed"), issuer("empty", provider(t).URL, ""), issuer("away", "http://127.0.0.1:1", "")},
	}
	all, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ what, says string }{
		{"directory well (http)", ""}, {"directory odd (http)", "which nobody has"}, {"directory dead (http)", "refused"},
		{"issuer good", ""}, {"issuer wrong", "401"}, {"issuer empty", "key"}, {"issuer away", "refused"},
	}
	if len(all) != len(want) {
		t.Fatalf("%+v", all)
	}
	for i, o := range all {
		text := ""
		if o.Err != nil {
			text = o.Err.Error()
		}
		if o.What != want[i].what || (o.Err == nil) != (want[i].says == "") || !strings.Contains(text, want[i].says) || strings.Contains(text, "guessed") {
			t.Errorf("%+v, want %+v", o, want[i])
		}
	}
	if all[0].Answer != "answers" || all[3].Answer != "usable keys: 1; answers about tokens" {
		t.Errorf("%+v", all)
	}
}

// What keeps a server from starting is an error.
func TestConnectUnopened(t *testing.T) {
	d := panel(t, "panel", "unknown")
	d.KeyFile = filepath.Join(t.TempDir(), "none")
	if _, err := Connect(t.Context(), &config.Config{Directories: []config.Directory{d}}); err == nil || !strings.Contains(err.Error(), `directory "panel"`) {
		t.Error(err)
	}
	if all, err := Connect(t.Context(), &config.Config{}); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// The term that customers are told to put into their records is looked at first.
func TestConnectTerm(t *testing.T) {
	d := testkit.NewDNS(t)
	d.Add(`spf.example.net. 60 IN TXT "v=spf1 ip4:192.0.2.10 -all"`)
	cfg := &config.Config{
		Hostname: "gate.example.net",
		DNS:      config.DNS{Servers: []config.Resolver{{AddrPort: d.Addr()}}, Timeout: value.Duration(5 * time.Second)},
	}
	for term, want := range map[string]string{
		"include:spf.example.net": "", "include:none.example.net": "include:none.example.net does not allow 192.0.2.10: the SPF record includes none.example.net, which has none",
	} {
		cfg.Alignment = config.Alignment{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.10")}, SPFTerm: term}
		all, err := Connect(t.Context(), cfg)
		if err != nil || len(all) != 1 || all[0].What != "alignment.spf_term" {
			t.Fatalf("%+v, %v", all, err)
		}
		if got := fault.DetailOf(all[0].Err, fault.Invalid); got != want || (all[0].Err == nil) != (want == "") {
			t.Errorf("%s: %q, want %q", term, got, want)
		}
	}
	cfg.Alignment.Addresses = nil
	if all, err := Connect(t.Context(), cfg); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}
