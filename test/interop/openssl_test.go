package interop

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"countersign/test/harness"
)

// tlsGate is a gate with certificates of three names, of which mx.example has
// two, and three listeners that use them differently.
type tlsGate struct {
	*harness.Gate
	t *testing.T
	// dir holds the certificates as name.crt and name.key.
	dir string
	// all offers every certificate, mx.example first; strict only
	// other.example's, by TLS 1.3; starttls all, after STARTTLS.
	all, strict, starttls string
}

func newTLSGate(t *testing.T) *tlsGate {
	t.Helper()
	s := &tlsGate{t: t, dir: t.TempDir(), all: harness.FreePort(t), strict: harness.FreePort(t), starttls: harness.FreePort(t)}
	var extra strings.Builder
	for _, c := range [][3]string{
		{"mx-rsa", "mx.example", "rsa:2048"}, {"mx-ecdsa", "mx.example", "ec"}, {"other", "other.example", "ec"},
	} {
		s.pair(c[0], c[1], c[2])
		fmt.Fprintf(&extra, "[[certificate]]\nname = %q\nsource = \"files\"\ncert_file = %q\nkey_file = %q\n", c[0], s.file(c[0], "crt"), s.file(c[0], "key"))
	}
	const names = `["mx-rsa", "mx-ecdsa", "other"]`
	fmt.Fprintf(&extra, "[[listener]]\nname = \"all\"\nkind = \"submissions\"\naddress = [%q]\ncertificates = %s\n", s.all, names)
	fmt.Fprintf(&extra, "[[listener]]\nname = \"strict\"\nkind = \"submissions\"\naddress = [%q]\ncertificates = [\"other\"]\nmin_tls = \"1.3\"\n", s.strict)
	fmt.Fprintf(&extra, "[[listener]]\nname = \"starttls\"\nkind = \"submission\"\naddress = [%q]\ncertificates = %s\n", s.starttls, names)
	s.Gate = harness.Serve(t, "127.0.0.1:1", extra.String())
	return s
}

func (s *tlsGate) file(name, ending string) string { return filepath.Join(s.dir, name+"."+ending) }

// pair has openssl make a certificate and puts it in place, key first.
func (s *tlsGate) pair(name, host, kind string) {
	s.t.Helper()
	args := []string{"req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + host,
		"-newkey", kind, "-keyout", s.file(name, "new-key"), "-out", s.file(name, "new-crt")}
	if kind == "ec" {
		args = append(args, "-pkeyopt", "ec_paramgen_curve:P-256")
	}
	if out, err := exec.CommandContext(s.t.Context(), "openssl", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("openssl req: %v\n%s", err, out)
	}
	for _, ending := range []string{"key", "crt"} {
		if err := os.Rename(s.file(name, "new-"+ending), s.file(name, ending)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// seen is what openssl says of a handshake.
type seen struct {
	// cert is nil where there was none.
	cert *x509.Certificate
	// session is "New" or "Reused", protocol for example "TLSv1.3".
	session, protocol string
	text              string
}

var (
	handshakeLine = regexp.MustCompile(`(?m)^(New|Reused), (TLSv1\.[23]), Cipher is (\S+)`)
	peerPEM       = regexp.MustCompile(`(?s)-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----`)
)

// connect runs openssl s_client for one session, which ends with QUIT.
func (s *tlsGate) connect(address string, args ...string) seen {
	s.t.Helper()
	args = append([]string{"s_client", "-connect", address, "-nocommands", "-ign_eof"}, args...)
	cmd := exec.CommandContext(s.t.Context(), "openssl", args...)
	cmd.Stdin = strings.NewReader("QUIT\r\n")
	out, _ := cmd.CombinedOutput() // a refused handshake shows in the text
	got := seen{text: string(out)}
	if m := handshakeLine.FindStringSubmatch(got.text); m != nil && m[3] != "(NONE)" {
		got.session, got.protocol = m[1], m[2]
	}
	if block, _ := pem.Decode([]byte(peerPEM.FindString(got.text))); block != nil {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			s.t.Fatal(err)
		}
		got.cert = cert
	}
	return got
}

// TestOpenSSLHandshakes: which certificate openssl gets, on which listener, by
// which version and cipher suite, and what it is refused.
func TestOpenSSLHandshakes(t *testing.T) {
	s := newTLSGate(t)
	rsaOnly := []string{"-tls1_2", "-cipher", "aRSA"}
	weak := []string{"-tls1_2", "-servername", "mx.example", "-cipher"}
	for name, c := range map[string]struct {
		address string
		args    []string
		// cert is the certificate's name, "" for no handshake.
		cert, protocol string
	}{
		"newest":              {s.all, []string{"-servername", "mx.example"}, "mx-ecdsa", "TLSv1.3"},
		"TLS 1.2":             {s.all, []string{"-servername", "mx.example", "-tls1_2"}, "mx-ecdsa", "TLSv1.2"},
		"RSA client":          {s.all, append([]string{"-servername", "mx.example"}, rsaOnly...), "mx-rsa", "TLSv1.2"},
		"RSA by 1.3":          {s.all, []string{"-servername", "mx.example", "-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"}, "mx-rsa", "TLSv1.3"},
		"other name":          {s.all, []string{"-servername", "other.example"}, "other", "TLSv1.3"},
		"no name":             {s.all, []string{"-noservername"}, "mx-ecdsa", "TLSv1.3"},
		"unknown name":        {s.all, []string{"-servername", "unknown.example"}, "mx-ecdsa", "TLSv1.3"},
		"TLS 1.1":             {s.all, []string{"-tls1_1", "-cipher", "ALL@SECLEVEL=0"}, "", ""},
		"TLS 1.0":             {s.all, []string{"-tls1", "-cipher", "ALL@SECLEVEL=0"}, "", ""},
		"CBC":                 {s.all, append(weak, "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA256"), "", ""},
		"no forward secrecy":  {s.all, append(weak, "AES128-GCM-SHA256:AES256-SHA"), "", ""},
		"no authentication":   {s.all, append(weak, "aNULL:eNULL@SECLEVEL=0"), "", ""},
		"strict":              {s.strict, []string{"-servername", "other.example"}, "other", "TLSv1.3"},
		"strict, not its own": {s.strict, []string{"-servername", "mx.example"}, "other", "TLSv1.3"},
		"strict, TLS 1.2":     {s.strict, []string{"-servername", "other.example", "-tls1_2"}, "", ""},
		"STARTTLS":            {s.starttls, []string{"-starttls", "smtp", "-servername", "mx.example"}, "mx-ecdsa", "TLSv1.3"},
		"STARTTLS, TLS 1.1":   {s.starttls, []string{"-starttls", "smtp", "-tls1_1", "-cipher", "ALL@SECLEVEL=0"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.connect(c.address, c.args...)
			if got.protocol != c.protocol {
				t.Fatalf("%q, want %q:\n%s", got.protocol, c.protocol, got.text)
			}
			if c.cert != "" && (got.cert == nil || got.cert.Subject.CommonName != c.cert) {
				t.Errorf("not the certificate %s:\n%s", c.cert, got.text)
			}
			if c.cert == "" && !strings.Contains(got.text, "alert") {
				t.Errorf("not refused by the gate:\n%s", got.text)
			}
		})
	}
}

// TestOpenSSLResumes: a session is resumed, also after its certificate was
// replaced on disk, which new sessions get; on another listener it is not.
func TestOpenSSLResumes(t *testing.T) {
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			s := newTLSGate(t)
			ticket := filepath.Join(s.dir, "ticket")
			args := []string{"-servername", "other.example", version}
			first := s.connect(s.all, append(args, "-sess_out", ticket)...)
			if first.session != "New" || first.cert == nil {
				t.Fatalf("no session:\n%s", first.text)
			}
			s.pair("other", "other.example", "ec")
			harness.WaitFor(t, "the new certificate", func() bool {
				now := s.connect(s.all, args...)
				return now.cert != nil && !now.cert.Equal(first.cert)
			})
			if got := s.connect(s.all, append(args, "-sess_in", ticket)...); got.session != "Reused" {
				t.Errorf("not resumed:\n%s", got.text)
			}
			if got := s.connect(s.starttls, append(args, "-starttls", "smtp", "-sess_in", ticket)...); got.session != "New" {
				t.Errorf("resumed on another listener:\n%s", got.text)
			}
		})
	}
}
