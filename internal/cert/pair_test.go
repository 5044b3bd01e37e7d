package cert

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

// TestBadPairs: each way in which two files do not make a certificate is told
// by Check and by Open, with both names and the reason.
func TestBadPairs(t *testing.T) {
	good := made{hosts: []string{"mx.example"}}
	chain, key := good.pems(t)
	_, otherKey := good.pems(t)
	expired, expiredKey := made{from: time.Now().Add(-48 * time.Hour), life: time.Hour}.pems(t)
	future, futureKey := made{from: time.Now().Add(time.Hour)}.pems(t)
	weak, weakKey := made{kind: "rsa", bits: 1024}.pems(t)
	text := func(b []byte) *[]byte { return &b }
	for name, c := range map[string]struct {
		chain, key *[]byte // nil for no file
		mode       os.FileMode
		want       string
	}{
		"no certificate file": {nil, &key, 0o600, "no such file"},
		"no key file":         {&chain, nil, 0o600, "no such file"},
		"mismatch":            {&chain, &otherKey, 0o600, "does not match"},
		"expired":             {&expired, &expiredKey, 0o600, "expired at 2"},
		"not yet valid":       {&future, &futureKey, 0o600, "not valid before"},
		"weak key":            {&weak, &weakKey, 0o600, "1024 bits"},
		"swapped":             {&key, &chain, 0o600, "PEM"},
		"not PEM":             {text([]byte("hello")), &key, 0o600, "PEM"},
		"empty":               {text(nil), &key, 0o600, "PEM"},
		"too large":           {text(bytes.Repeat([]byte("#"), maxPEM+1)), &key, 0o600, "larger than"},
		"encrypted key":       {&chain, text([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")), 0o600, "passphrase"},
		"key for everybody":   {&chain, &key, 0o644, "make it 0600"},
		"writable key":        {&chain, &key, 0o602, "make it 0600"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := Spec{Name: "mail", Source: SourceFiles, CertFile: filepath.Join(dir, "a.pem"), KeyFile: filepath.Join(dir, "b.key")}
			if c.chain != nil {
				write(t, s.CertFile, *c.chain, 0o644)
			}
			if c.key != nil {
				write(t, s.KeyFile, *c.key, c.mode)
			}
			problems := Check([]Spec{s}, Options{})
			if len(problems) != 1 || problems[0].Certificate != "mail" {
				t.Fatalf("Check: %v", problems)
			}
			_, err := Open(t.Context(), []Spec{s}, Options{})
			for _, err := range []error{problems[0].Err, err} {
				if !fault.Is(problems[0].Err, fault.Invalid) {
					t.Errorf("kind of %v", err)
				}
				for _, want := range []string{c.want, s.CertFile, s.KeyFile, "certificate mail"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q does not say %q", err, want)
					}
				}
			}
		})
	}
	t.Run("folder", func(t *testing.T) {
		s := good.files(t, t.TempDir(), "mail")
		s.CertFile = filepath.Dir(s.CertFile)
		if _, err := Open(t.Context(), []Spec{s}, Options{}); err == nil || !strings.Contains(err.Error(), "is not a file") {
			t.Errorf("%v", err)
		}
	})
}

func TestCovers(t *testing.T) {
	chain, key := made{hosts: []string{"MX.example", "*.mail.example"}}.pems(t)
	p, err := newPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"mx.example": true, "a.mail.example": true,
		"": false, "example": false, "mail.example": false, "a.b.mail.example": false,
		"x.mx.example": false, "*.mail.example": true, ".mail.example": true,
	} {
		// The last two are not server names that a TLS client can send.
		if got := p.covers(name); got != want {
			t.Errorf("covers(%q) = %v", name, got)
		}
	}
}

func TestCheckSpecs(t *testing.T) {
	dir := t.TempDir()
	files := made{hosts: []string{"mx.example"}}.files(t, dir, "ok")
	acme := Spec{Name: "acme", Source: SourceACME, Hosts: []string{"mx.example"}, ACME: ACMEOptions{
		DirectoryURL: "https://acme.example/directory", AgreeTerms: true, Challenge: ChallengeHTTP, HTTPListen: ":80",
	}}
	with := func(s Spec, change func(*Spec)) Spec { change(&s); return s }
	self := Spec{Name: "self", Source: SourceSelfSigned, Hosts: []string{"localhost", "127.0.0.1", "::1", "*.bücher.example"}}
	o := Options{DataDir: dir, Cache: &memoryCache{}, Sealer: testSealer(t)}
	noCache := Options{DataDir: dir, Sealer: testSealer(t)}
	noSealer := Options{DataDir: dir, Cache: &memoryCache{}}
	for name, c := range map[string]struct {
		specs []Spec
		o     Options
		want  string // "" for none
	}{
		"good":            {[]Spec{files, acme, self}, o, ""},
		"bad name":        {[]Spec{with(files, func(s *Spec) { s.Name = "../x" })}, o, "the name must be"},
		"empty name":      {[]Spec{with(files, func(s *Spec) { s.Name = "" })}, o, "the name must be"},
		"twice":           {[]Spec{files, files}, o, "given twice"},
		"no source":       {[]Spec{with(files, func(s *Spec) { s.Source = "" })}, o, "is not one of"},
		"no key file":     {[]Spec{with(files, func(s *Spec) { s.KeyFile = "" })}, o, "both needed"},
		"no hosts":        {[]Spec{with(self, func(s *Spec) { s.Hosts = nil })}, o, "at least one host"},
		"bad host":        {[]Spec{with(self, func(s *Spec) { s.Hosts = []string{"a b"} })}, o, "not a domain name"},
		"no data dir":     {[]Spec{self}, Options{}, "data directory"},
		"no cache":        {[]Spec{acme}, noCache, "needs a store"},
		"no sealer":       {[]Spec{acme}, noSealer, "a key that seals"},
		"plain directory": {[]Spec{with(acme, func(s *Spec) { s.ACME.DirectoryURL = "http://acme.example" })}, o, "not an https URL"},
		"terms":           {[]Spec{with(acme, func(s *Spec) { s.ACME.AgreeTerms = false })}, o, "terms of service"},
		"challenge":       {[]Spec{with(acme, func(s *Spec) { s.ACME.Challenge = "dns-01" })}, o, "dns-01"},
		"no listen":       {[]Spec{with(acme, func(s *Spec) { s.ACME.Challenge = ChallengeTLSALPN })}, o, "address to listen on"},
		"wildcard":        {[]Spec{with(acme, func(s *Spec) { s.Hosts = []string{"*.example.org"} })}, o, "DNS-01"},
		"ip by acme":      {[]Spec{with(acme, func(s *Spec) { s.Hosts = []string{"192.0.2.1"} })}, o, "IP address"},
		"short host":      {[]Spec{with(acme, func(s *Spec) { s.Hosts = []string{"localhost"} })}, o, "full domain names"},
		"same host":       {[]Spec{acme, with(acme, func(s *Spec) { s.Name = "other"; s.Hosts = []string{"MX.example"} })}, o, `already obtained by certificate "acme"`},
		"roots missing":   {[]Spec{with(acme, func(s *Spec) { s.ACME.RootCAsFile = filepath.Join(dir, "none") })}, o, "no such file"},
		"roots empty":     {[]Spec{with(acme, func(s *Spec) { s.ACME.RootCAsFile = files.KeyFile })}, o, "no certificate in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			err := join(Check(c.specs, c.o))
			if c.want == "" && err != nil {
				t.Fatal(err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v does not say %q", err, c.want)
			}
		})
	}
	all := Check([]Spec{with(files, func(s *Spec) { s.KeyFile = "" }), self, with(acme, func(s *Spec) { s.Hosts = nil })}, o)
	if len(all) != 2 || all[0].Certificate != "ok" || all[1].Certificate != "acme" {
		t.Errorf("not every problem is told: %v", all)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("Check wrote something: %v", left)
	}
}
