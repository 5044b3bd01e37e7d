package client

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/testkit"
)

// today is what the clock of these tests says.
var today = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// place is a folder with the files of a Verifier.
type place struct {
	t       *testing.T
	ca, crl string
	clock   *testkit.Clock
}

func newPlace(t *testing.T) *place {
	dir := t.TempDir()
	return &place{t: t, ca: filepath.Join(dir, "ca.pem"), crl: filepath.Join(dir, "ca.crl"), clock: testkit.NewClock(today)}
}

// open opens a Verifier, without lists unless crl is set.
func (p *place) open(crl bool) *Verifier {
	p.t.Helper()
	opt := Options{CAFile: p.ca, Names: Names(), Now: p.clock.Now, PollEvery: time.Millisecond}
	if crl {
		opt.CRLFile = p.crl
	}
	v, err := Open(opt)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// chain returns a certificate as crypto/tls would, with those of authorities behind it.
func chain(c tls.Certificate, behind ...*testkit.Authority) []*x509.Certificate {
	list := []*x509.Certificate{c.Leaf}
	for _, a := range behind {
		list = append(list, a.Certificate())
	}
	return list
}

// want fails unless the certificate is refused for a cause, "" for not at all.
func want(t *testing.T, v *Verifier, presented []*x509.Certificate, cause string) {
	t.Helper()
	id, err := v.Judge(presented)
	switch {
	case cause == "" && err != nil:
		t.Errorf("refused: %v", err)
	case cause != "" && (Cause(err) != cause || !fault.Is(err, fault.Unauthenticated) || fault.ReasonOf(err) != reasonFailed || id != nil):
		t.Errorf("got %v, %v (cause %q), want cause %q", id, err, Cause(err), cause)
	}
}

func TestJudge(t *testing.T) {
	p := newPlace(t)
	ours, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
	below := ours.Below("department")
	testkit.WriteCertificates(t, p.ca, ours)
	v := p.open(false)
	use := func(usage ...x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = usage }
	}
	for name, c := range map[string]struct {
		presented []*x509.Certificate
		cause     string
	}{
		"ours":                   {chain(ours.Client("printer", nil)), ""},
		"with its root":          {chain(ours.Client("printer", nil), ours), ""},
		"of an authority below":  {chain(below.Client("printer", nil), below), ""},
		"the one below missing":  {chain(below.Client("printer", nil)), "foreign"},
		"any usage":              {chain(ours.Client("printer", use(x509.ExtKeyUsageAny))), ""},
		"no usage":               {chain(ours.Client("printer", use())), ""},
		"several usages":         {chain(ours.Client("printer", use(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth))), ""},
		"none":                   {nil, "absent"},
		"expired":                {chain(ours.Client("printer", func(c *x509.Certificate) { c.NotAfter = today.Add(-time.Second) })), "expired"},
		"not yet":                {chain(ours.Client("printer", func(c *x509.Certificate) { c.NotBefore = today.Add(time.Second) })), "not-yet"},
		"foreign":                {chain(other.Client("printer", nil), other), "foreign"},
		"signed by itself":       {chain(testkit.SelfSigned(t, "printer", nil)), "foreign"},
		"named like our own":     {chain(testkit.SelfSigned(t, "test authority", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })), "foreign"},
		"for servers":            {chain(ours.Client("printer", use(x509.ExtKeyUsageServerAuth))), "usage"},
		"for mail":               {chain(ours.Client("printer", use(x509.ExtKeyUsageEmailProtection))), "usage"},
		"a key for no signature": {chain(ours.Client("printer", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })), "usage"},
		"a long chain":           {slices.Repeat(chain(ours.Client("printer", nil)), 11), "too-large"},
		"a large chain": {chain(ours.Client("printer", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, maxPresentedBytes)}}
		})), "too-large"},
		"a critical extension": {chain(ours.Client("printer", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		})), "foreign"},
	} {
		t.Run(name, func(t *testing.T) { want(t, v, c.presented, c.cause) })
	}
}

// TestIssuedByALeaf: who has a certificate of ours makes no others with it.
func TestIssuedByALeaf(t *testing.T) {
	p := newPlace(t)
	ours := testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, ours)
	leaf := ours.Client("mallory", nil)
	forged := testkit.Issuer(t, leaf).Client("printer", nil)
	want(t, p.open(false), []*x509.Certificate{forged.Leaf, leaf.Leaf}, "foreign")
}

func TestTimePasses(t *testing.T) {
	t.Run("without lists", func(t *testing.T) { timePasses(t, false) })
	t.Run("with a list that lasts longer", func(t *testing.T) { timePasses(t, true) })
}

func timePasses(t *testing.T, crl bool) {
	p := newPlace(t)
	ours := testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, ours)
	testkit.WriteCRLs(t, p.crl, ours.CRL(today.Add(1000*time.Hour), nil))
	v := p.open(crl)
	c := chain(ours.Client("printer", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = today.Add(-time.Hour), today.Add(time.Hour)
	}))
	id, err := v.Judge(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		by    time.Duration
		cause string
	}{{0, ""}, {59 * time.Minute, ""}, {2 * time.Minute, "expired"}, {-3 * time.Hour, "not-yet"}, {2 * time.Hour, ""}} {
		p.clock.Move(step.by)
		if got := Cause(v.Recheck(id)); got != step.cause {
			t.Errorf("at %v an identity is judged %q, want %q", p.clock.Now(), got, step.cause)
		}
		want(t, v, c, step.cause)
	}
}

func TestSubjects(t *testing.T) {
	p := newPlace(t)
	ours := testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, ours)
	leaf := ours.Client("Printer 7", func(c *x509.Certificate) {
		c.EmailAddresses = []string{"Shop@Example.ORG", "not an address", "shop@example.org", "boss@xn--bcher-kva.example", "\x00@example.org"}
		c.DNSNames = []string{"admin.example.org"}
		c.URIs = []*url.URL{{Scheme: "mailto", Opaque: "admin@example.org"}}
	})
	print := fmt.Sprintf("sha256:%x", sha256Of(leaf))
	emails := []string{"email:shop@example.org", "email:boss@xn--bcher-kva.example"}
	for _, tt := range []struct {
		names []Name
		want  []string
	}{
		{Names(), slices.Concat([]string{print}, emails, []string{"cn:Printer 7"})},
		{[]Name{Email, Fingerprint}, slices.Concat([]string{print}, emails)},
		{[]Name{CommonName}, []string{"cn:Printer 7"}},
		{[]Name{Email}, emails},
	} {
		v, err := Open(Options{CAFile: p.ca, Names: tt.names, Now: p.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		id, err := v.Judge(chain(leaf))
		if err != nil || !slices.Equal(id.Subjects, tt.want) {
			t.Errorf("by %v: %q, %v; want %q", tt.names, id.Subjects, err, tt.want)
		}
	}
	v, err := Open(Options{CAFile: p.ca, Names: []Name{Email}, Now: p.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	want(t, v, chain(ours.Client("printer", nil)), "nameless")
}

func TestSubjectsAreBounded(t *testing.T) {
	p := newPlace(t)
	ours := testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, ours)
	v := p.open(false)
	leaf := ours.Client("printer", func(c *x509.Certificate) {
		for i := range 100 {
			c.EmailAddresses = append(c.EmailAddresses, fmt.Sprintf("u%d@example.org", i))
		}
	})
	id, err := v.Judge(chain(leaf))
	if err != nil || len(id.Subjects) != maxSubjects || id.Subjects[1] != "email:u0@example.org" {
		t.Errorf("%d subjects, %v", len(id.Subjects), err)
	}
}

// TestDoubtfulCommonNames are no subjects: two of them, a long one, and one that cannot
// be shown.
func TestDoubtfulCommonNames(t *testing.T) {
	ours := testkit.NewAuthority(t)
	two := ours.Client("", func(c *x509.Certificate) {
		id := asn1.ObjectIdentifier{2, 5, 4, 3}
		c.Subject = pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: id, Value: "printer"}, {Type: id, Value: "boss"}}}
	})
	for _, leaf := range []tls.Certificate{two, ours.Client(strings.Repeat("x", 65), nil), ours.Client("prin\nter", nil), ours.Client("", nil)} {
		if got := subjects(leaf.Leaf, []Name{CommonName}); len(got) != 0 {
			t.Errorf("%q counts as %q", leaf.Leaf.Subject, got)
		}
	}
}

func TestDescribe(t *testing.T) {
	ours := testkit.NewAuthority(t)
	for _, tt := range []struct{ name, want string }{
		{"printer", "CN=printer"},
		{"dru\u0308\x00cker\n", `CN=dru??cker?`},
		{strings.Repeat("x", 1000), "CN=" + strings.Repeat("x", 125)},
	} {
		c := ours.Client(tt.name, nil)
		if got, print := Describe(chain(c)); got != tt.want || print != fmt.Sprintf("sha256:%x", sha256Of(c)) {
			t.Errorf("%q is recorded as %q, %s, want %q", tt.name, got, print, tt.want)
		}
	}
	if got, print := Describe(nil); got != "" || print != "" {
		t.Errorf("no certificate is %q, %s", got, print)
	}
}

func TestCauseOfOtherErrors(t *testing.T) {
	if got := Cause(errors.New("x")) + Cause(nil); got != "" {
		t.Errorf("another error has cause %q", got)
	}
	seen := map[string]bool{}
	for _, c := range causes() {
		if got := Cause(unfit(c, errors.New("detail"))); got != c.Error() || seen[got] {
			t.Errorf("%v has cause %q", c, got)
		}
		seen[c.Error()] = true
	}
}
