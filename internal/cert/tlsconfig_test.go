package cert

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

// rsaOnly is a client that cannot verify ECDSA.
func rsaOnly(name string) *tls.Config {
	return &tls.Config{
		ServerName: name, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	}
}

func TestChoice(t *testing.T) {
	dir := t.TempDir()
	m := open(t, Options{},
		made{kind: "rsa", hosts: []string{"mx.one.example", "mx.shared.example"}}.files(t, dir, "one-rsa"),
		made{hosts: []string{"mx.one.example"}}.files(t, dir, "one-ecdsa"),
		made{kind: "ed25519", hosts: []string{"mx.one.example"}}.files(t, dir, "one-ed25519"),
		made{hosts: []string{"*.two.example"}}.files(t, dir, "two"),
		made{hosts: []string{"mx.three.example"}}.files(t, dir, "three"),
	)
	listener := tlsConfig(t, m, "one-rsa", "one-ecdsa", "one-ed25519", "two")
	modern := func(name string) *tls.Config { return &tls.Config{ServerName: name, InsecureSkipVerify: true} }
	for name, c := range map[string]struct {
		server, client *tls.Config
		host           string
		algorithm      x509.PublicKeyAlgorithm
	}{
		"ECDSA first":            {listener, modern("mx.one.example"), "mx.one.example", x509.ECDSA},
		"RSA where needed":       {listener, rsaOnly("mx.one.example"), "mx.one.example", x509.RSA},
		"only RSA for the name":  {listener, modern("mx.shared.example"), "mx.shared.example", x509.RSA},
		"upper case":             {listener, modern("MX.Two.EXAMPLE"), "x.two.example", x509.ECDSA},
		"wildcard":               {listener, modern("smtp.two.example"), "x.two.example", x509.ECDSA},
		"no name":                {listener, modern(""), "mx.one.example", x509.ECDSA},
		"no name, RSA client":    {listener, rsaOnly(""), "mx.one.example", x509.RSA},
		"unknown name":           {listener, modern("other.example"), "mx.one.example", x509.ECDSA},
		"unknown name, RSA":      {listener, rsaOnly("other.example"), "mx.one.example", x509.RSA},
		"not for this listener":  {listener, modern("mx.three.example"), "mx.one.example", x509.ECDSA},
		"another default":        {tlsConfig(t, m, "three", "two"), modern("other.example"), "mx.three.example", x509.ECDSA},
		"all where none is told": {tlsConfig(t, m), modern("mx.three.example"), "mx.three.example", x509.ECDSA},
	} {
		t.Run(name, func(t *testing.T) {
			st, err := handshake(t, c.server, c.client)
			if err != nil {
				t.Fatal(err)
			}
			got := st.PeerCertificates[0]
			if got.VerifyHostname(c.host) != nil || got.PublicKeyAlgorithm != c.algorithm {
				t.Errorf("got %v certificate for %v", got.PublicKeyAlgorithm, got.DNSNames)
			}
		})
	}
}

// TestChoiceAvoidsExpired: between two for the same name, one that is still
// valid wins, even if the other is cheaper.
func TestChoiceAvoidsExpired(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	m := open(t, Options{Now: func() time.Time { return now }},
		made{hosts: []string{"mx.example"}, life: time.Hour}.files(t, dir, "short"),
		made{kind: "rsa", hosts: []string{"mx.example"}}.files(t, dir, "long"))
	c := tlsConfig(t, m)
	if got := leaf(t, c, "mx.example"); got.PublicKeyAlgorithm != x509.ECDSA {
		t.Fatalf("at first %v", got.PublicKeyAlgorithm)
	}
	now = now.Add(2 * time.Hour)
	if got := leaf(t, c, "mx.example"); got.PublicKeyAlgorithm != x509.RSA {
		t.Errorf("after the end of one %v", got.PublicKeyAlgorithm)
	}
	if err := m.Health(); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "short") || strings.Contains(err.Error(), "long") {
		t.Errorf("health: %v", err)
	}
}

func TestVersionsAndSuites(t *testing.T) {
	m := open(t, Options{}, made{kind: "rsa", hosts: []string{"mx.example"}}.files(t, t.TempDir(), "mail"))
	server := tlsConfig(t, m)
	only13, err := m.TLSConfig(nil, tls.VersionTLS13)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		server *tls.Config
		client *tls.Config
		ok     bool
	}{
		"TLS 1.3":         {server, &tls.Config{MinVersion: tls.VersionTLS13}, true},
		"TLS 1.2":         {server, &tls.Config{MaxVersion: tls.VersionTLS12}, true},
		"TLS 1.1":         {server, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
		"TLS 1.2 refused": {only13, &tls.Config{MaxVersion: tls.VersionTLS12}, false},
		"TLS 1.3 asked":   {only13, &tls.Config{}, true},
		"CBC":             {server, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}}, false},
		"RSA key exchange": {server, &tls.Config{MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, false},
		"ChaCha20": {server, &tls.Config{MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}}, true},
		"post-quantum": {server, &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.client.InsecureSkipVerify = true
			if _, err := handshake(t, c.server, c.client); (err == nil) != c.ok {
				t.Errorf("handshake: %v", err)
			}
		})
	}
	if _, err := m.TLSConfig(nil, tls.VersionTLS11); !fault.Is(err, fault.Invalid) {
		t.Errorf("TLS 1.1 as minimum: %v", err)
	}
	if _, err := m.TLSConfig([]string{"mail", "none"}, 0); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `"none"`) {
		t.Errorf("unknown name: %v", err)
	}
	if _, err := open(t, Options{}).TLSConfig(nil, 0); !fault.Is(err, fault.Invalid) {
		t.Errorf("no certificate at all: %v", err)
	}
}

// TestServerNameIsBounded: a name that is none costs no memory.
func TestServerNameIsBounded(t *testing.T) {
	m := open(t, Options{DataDir: t.TempDir()}, Spec{Name: "own", Source: SourceSelfSigned, Hosts: []string{"localhost"}})
	server := tlsConfig(t, m)
	for _, tt := range []struct {
		length int
		taken  bool
	}{{255, true}, {256, false}, {60_000, false}} {
		_, err := handshake(t, server, &tls.Config{ServerName: strings.Repeat("x", tt.length), InsecureSkipVerify: true})
		if (err == nil) != tt.taken {
			t.Errorf("a name of %d octets: %v", tt.length, err)
		}
	}
}
