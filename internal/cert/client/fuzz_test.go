package client

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"countersign/internal/testkit"
)

// FuzzJudge: whatever a client presents, the answer is a refusal or a few subjects, and
// what is recorded of it fits on a line.
func FuzzJudge(f *testing.F) {
	dir := f.TempDir()
	ca, crl := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.crl")
	ours := testkit.NewAuthority(f)
	testkit.WriteCertificates(f, ca, ours)
	good := ours.Client("printer", func(c *x509.Certificate) { c.EmailAddresses = []string{"shop@example.org"} })
	testkit.WriteCRLs(f, crl, ours.CRL(today.Add(time.Hour), nil))
	v, err := Open(Options{CAFile: ca, CRLFile: crl, Names: Names(), Now: testkit.NewClock(today).Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Certificate[0], ours.Certificate().Raw)
	f.Add(ours.Certificate().Raw, good.Certificate[0])
	f.Fuzz(func(t *testing.T, first, second []byte) {
		leaf, err := x509.ParseCertificate(first)
		if err != nil {
			return
		}
		presented := []*x509.Certificate{leaf}
		if next, err := x509.ParseCertificate(second); err == nil {
			presented = append(presented, next)
		}
		if text, _ := Describe(presented); len(text) > maxDescribed || !utf8.ValidString(text) {
			t.Errorf("recorded as %q", text)
		}
		id, err := v.Judge(presented)
		switch {
		case err != nil && Cause(err) == "":
			t.Errorf("refused without a cause: %v", err)
		case err == nil && (len(id.Subjects) == 0 || len(id.Subjects) > maxSubjects):
			t.Errorf("%d subjects", len(id.Subjects))
		case err == nil && string(first) != string(good.Certificate[0]) && string(first) != string(ours.Certificate().Raw):
			t.Errorf("a certificate that nobody has issued holds: %x", first)
		}
	})
}

// FuzzFiles: whatever stands in the files, it is taken as a whole or refused.
func FuzzFiles(f *testing.F) {
	dir := f.TempDir()
	ca, crl := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.crl")
	ours := testkit.NewAuthority(f)
	testkit.WriteCertificates(f, ca, ours)
	testkit.WriteCRLs(f, crl, ours.CRL(today.Add(time.Hour), nil, ours.Client("printer", nil)))
	for _, file := range []string{ca, crl} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add(ours.CRL(today.Add(time.Hour), nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		if list, err := parseAuthorities("file", text); (err == nil) != (len(list) > 0) {
			t.Errorf("%d authorities, %v", len(list), err)
		}
		lists, err := parseRevocations("file", text, []*x509.Certificate{ours.Certificate()})
		if (err == nil) != (len(lists) > 0) {
			t.Errorf("%d lists, %v", len(lists), err)
		}
	})
}
