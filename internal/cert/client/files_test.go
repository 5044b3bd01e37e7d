package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/testkit"
)

func sha256Of(c tls.Certificate) [32]byte { return sha256.Sum256(c.Certificate[0]) }

func TestRevocation(t *testing.T) {
	p := newPlace(t)
	root, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
	below := root.Below("department")
	testkit.WriteCertificates(t, p.ca, root, below, other)
	good, bad := root.Client("good", nil), root.Client("bad", nil)
	goodBelow, badBelow := below.Client("good", nil), below.Client("bad", nil)
	strange := other.Client("no list", nil)
	soon := today.Add(time.Hour)
	testkit.WriteCRLs(t, p.crl, root.CRL(soon.Add(time.Hour), nil, bad), below.CRL(soon, nil, badBelow))
	v := p.open(true)
	want(t, v, chain(good), "")
	want(t, v, chain(bad), "revoked")
	want(t, v, chain(goodBelow), "") // the file has the one between
	want(t, v, chain(goodBelow, below), "")
	want(t, v, chain(badBelow, below), "revoked")
	want(t, v, chain(strange), "crl-missing")

	// What is between is revoked as well, and all below it with it.
	testkit.WriteCRLs(t, p.crl, root.CRL(soon, nil, tls.Certificate{Leaf: below.Certificate()}), below.CRL(soon, nil))
	v.Poll()
	want(t, v, chain(goodBelow, below), "revoked")
	want(t, v, chain(good), "")

	// One that the file does not name has no list.
	unknown := root.Below("new department")
	want(t, v, chain(unknown.Client("good", nil), unknown), "crl-missing")
}

// TestRevokesWhatWasJudged: a path that was judged once is known again by a list, also in a later
// run of the program, which only has its text; and by no list of another authority.
func TestRevokesWhatWasJudged(t *testing.T) {
	p := newPlace(t)
	root, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
	below := root.Below("department")
	testkit.WriteCertificates(t, p.ca, root, below, other)
	soon := today.Add(time.Hour)
	lists := func(ofRoot, ofBelow, ofOther []tls.Certificate) {
		t.Helper()
		testkit.WriteCRLs(t, p.crl, root.CRL(soon, nil, ofRoot...), below.CRL(soon, nil, ofBelow...), other.CRL(soon, nil, ofOther...))
	}
	lists(nil, nil, nil)
	told := 0
	v, err := Open(Options{CAFile: p.ca, CRLFile: p.crl, Names: Names(), Now: p.clock.Now, Revoked: func() { told++ }})
	if err != nil || told != 0 {
		t.Fatal(err, told)
	}
	path := func(c tls.Certificate, behind ...*testkit.Authority) string {
		t.Helper()
		id, err := v.Judge(chain(c, behind...))
		if err != nil {
			t.Fatal(err)
		}
		return id.Path()
	}
	here, deep, sameNumber := root.Client("here", nil), below.Client("deep", nil), other.Client("there", nil)
	pathHere, pathDeep := path(here), path(deep, below)
	if strings.Count(pathHere, " ") != 0 || strings.Count(pathDeep, " ") != 1 || len(pathDeep) > 200 {
		t.Errorf("the paths are %q and %q", pathHere, pathDeep)
	}
	// Numbers are an authority's own.
	sameNumber.Leaf = &x509.Certificate{SerialNumber: here.Leaf.SerialNumber}
	for _, c := range []struct {
		what                     string
		ofRoot, ofBelow, ofOther []tls.Certificate
		here, deep               bool
		told                     int
	}{
		{"the number of another authority", nil, nil, []tls.Certificate{sameNumber}, false, false, 1},
		{"the certificate", []tls.Certificate{here}, nil, nil, true, false, 2},
		{"nothing new", []tls.Certificate{here}, nil, nil, true, false, 2},
		{"one below", []tls.Certificate{here}, []tls.Certificate{deep}, nil, true, true, 3},
		{"nothing any more", nil, nil, nil, false, false, 3},
		{"the authority between", []tls.Certificate{{Leaf: below.Certificate()}}, nil, nil, false, true, 4},
	} {
		lists(c.ofRoot, c.ofBelow, c.ofOther)
		v.Poll()
		again := p.open(true)
		for _, v := range []*Verifier{v, again} {
			if v.Revokes(pathHere) != c.here || v.Revokes(pathDeep) != c.deep {
				t.Errorf("%s: %v and %v", c.what, v.Revokes(pathHere), v.Revokes(pathDeep))
			}
		}
		if told != c.told {
			t.Errorf("%s: told %d times, want %d", c.what, told, c.told)
		}
	}
	for _, text := range []string{"", " ", "/", "x", "x/y", "//", pathHere[:32], pathHere[:32] + "/zz", pathHere + "0"} {
		if v.Revokes(text) {
			t.Errorf("%q is revoked", text)
		}
	}
	told = 0
	if _, err := Open(Options{CAFile: p.ca, CRLFile: p.crl, Names: Names(), Now: p.clock.Now, Revoked: func() { told++ }}); err != nil || told != 1 {
		t.Errorf("at the start it is told %d times, %v", told, err)
	}
}

func TestStaleListLetsNobodyIn(t *testing.T) {
	p := newPlace(t)
	ours := testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, ours)
	good, bad := ours.Client("good", nil), ours.Client("bad", nil)
	testkit.ReplaceFile(t, p.crl, ours.CRL(today.Add(time.Hour), nil, bad)) // DER
	v := p.open(true)
	var log bytes.Buffer
	v.opt.Logger = slog.New(slog.NewTextHandler(&log, nil))
	id, err := v.Judge(chain(good))
	if err != nil || v.Health() != nil {
		t.Fatal(err, v.Health())
	}
	p.clock.Move(time.Hour)
	want(t, v, chain(good), "crl-stale")
	want(t, v, chain(bad), "revoked")
	if got := Cause(v.Recheck(id)); got != "crl-stale" {
		t.Errorf("an open session is judged %q", got)
	}
	v.Poll()
	v.Poll()
	if err := v.Health(); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), p.crl) {
		t.Errorf("health says %v", err)
	}
	if n := strings.Count(log.String(), "past its next update"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
	testkit.ReplaceFile(t, p.crl, ours.CRL(today.Add(24*time.Hour), nil, bad))
	v.Poll()
	want(t, v, chain(good), "")
	if err := v.Recheck(id); err != nil || v.Health() != nil {
		t.Errorf("after a new list: %v, health %v", err, v.Health())
	}
}

// TestFilesChangeWhileRunning: what is new is in force, and what cannot be used changes
// nothing but the health.
func TestFilesChangeWhileRunning(t *testing.T) {
	p := newPlace(t)
	first, second := testkit.NewAuthority(t), testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, first)
	testkit.WriteCRLs(t, p.crl, first.CRL(today.Add(time.Hour), nil))
	v := p.open(true)
	c := first.Client("printer", nil)
	id, err := v.Judge(chain(c))
	if err != nil {
		t.Fatal(err)
	}
	before := v.trust.Load()
	v.Poll()
	if v.trust.Load() != before {
		t.Error("files that have not changed were read again")
	}

	for _, broken := range []func(){
		func() { testkit.ReplaceFile(t, p.crl, []byte("half a li")) },
		func() { testkit.WriteCRLs(t, p.crl, second.CRL(today.Add(time.Hour), nil, c)) },
		func() { must(t, os.Remove(p.crl)) },
		func() { testkit.ReplaceFile(t, p.ca, []byte("nothing")) },
	} {
		broken()
		v.Poll()
		if v.Health() == nil {
			t.Error("health knows nothing of a broken file")
		}
		want(t, v, chain(c), "")
	}

	testkit.WriteCertificates(t, p.ca, first, second)
	testkit.WriteCRLs(t, p.crl, first.CRL(today.Add(time.Hour), nil, c), second.CRL(today.Add(time.Hour), nil))
	v.Poll()
	want(t, v, chain(c), "revoked")
	want(t, v, chain(second.Client("printer", nil)), "")
	if got := Cause(v.Recheck(id)); got != "revoked" {
		t.Errorf("an open session is judged %q", got)
	}
	if err := v.Health(); err != nil {
		t.Error(err)
	}
}

// TestFileComesBack: one that was away for a moment, and is as it was, heals what was
// wrong.
func TestFileComesBack(t *testing.T) {
	p := newPlace(t)
	testkit.WriteCertificates(t, p.ca, testkit.NewAuthority(t))
	v := p.open(false)
	must(t, os.Rename(p.ca, p.ca+".away"))
	v.Poll()
	if v.Health() == nil {
		t.Error("health does not miss the file")
	}
	must(t, os.Rename(p.ca+".away", p.ca))
	v.Poll()
	if err := v.Health(); err != nil {
		t.Error(err)
	}
}

func TestWatch(t *testing.T) {
	p := newPlace(t)
	first, second := testkit.NewAuthority(t), testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, first)
	v := p.open(false)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.Watch(ctx)
	}()
	before := v.trust.Load()
	testkit.WriteCertificates(t, p.ca, second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(10 * time.Second)
	for v.trust.Load() == before {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("the change was not seen")
		}
	}
	want(t, v, chain(second.Client("printer", nil)), "")
	cancel()
	<-done
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnusableFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		testkit.ReplaceFile(t, path, content)
		return path
	}
	ours, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
	ca := filepath.Join(dir, "ca.pem")
	testkit.WriteCertificates(t, ca, ours)
	next := today.Add(time.Hour)
	extension := func(critical bool) pkix.Extension {
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: critical, Value: []byte{2, 1, 1}}
	}
	delta := func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{extension(true)} }
	indirect := func(l *x509.RevocationList) {
		l.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{extension(true)}
	}
	key, err := x509.MarshalPKCS8PrivateKey(ours.Client("x", nil).PrivateKey)
	must(t, err)
	many := bytes.Repeat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.Certificate().Raw}), maxAuthorities+1)
	good := ours.CRL(next, nil)
	tampered := bytes.Clone(good)
	tampered[len(tampered)-1] ^= 1
	tests := map[string]struct{ ca, crl, want string }{
		"no file":             {filepath.Join(dir, "none"), "", "cannot be read: no such file"},
		"a folder":            {dir, "", "is not a file"},
		"empty":               {file("empty", nil), "", "has no readable certificate"},
		"too large":           {file("large", make([]byte, maxCAFile+1)), "", "is larger than"},
		"a key":               {file("key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})), "", "holds a PRIVATE KEY"},
		"half a certificate":  {file("half", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.Certificate().Raw[:100]})), "", "cannot be read"},
		"too many":            {file("many", many), "", "too many authorities"},
		"no list":             {ca, ca, "no list of revocations"},
		"half a list":         {ca, file("halflist", good[:60]), "list 1 of"},
		"a tampered list":     {ca, file("tampered", tampered), "is not signed by"},
		"of another":          {ca, file("other", other.CRL(next, nil)), "is not signed by"},
		"a list of changes":   {ca, file("delta", ours.CRL(next, delta)), "2.5.29.27"},
		"an indirect list":    {ca, file("indirect", ours.CRL(next, indirect, ours.Client("x", nil))), "entry that is not understood"},
		"the list is missing": {ca, filepath.Join(dir, "none"), "cannot be read: no such file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Open(Options{CAFile: tt.ca, CRLFile: tt.crl, Names: Names()})
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			_, wrongCA, wrongCRL := Check(tt.ca, tt.crl)
			if (wrongCA != nil) == (wrongCRL != nil) || (wrongCRL != nil) != (tt.crl != "") {
				t.Errorf("Check says %v of the one, %v of the other", wrongCA, wrongCRL)
			}
		})
	}
	until, wrongCA, wrongCRL := Check(ca, file("good", good))
	if wrongCA != nil || wrongCRL != nil || !until.Equal(next) {
		t.Errorf("good files: %v, %v, %v", until, wrongCA, wrongCRL)
	}
}

// TestListOfOneThatMayNot: whoever signs lists has to be an authority that is made for
// it (RFC 5280 section 4.2.1.3), and what is trusted for itself is not.
func TestListOfOneThatMayNot(t *testing.T) {
	p := newPlace(t)
	trusted := testkit.SelfSigned(t, "printer", nil)
	testkit.ReplaceFile(t, p.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Leaf.Raw}))
	want(t, p.open(false), chain(trusted), "")
	pretended := *trusted.Leaf
	pretended.KeyUsage, pretended.SubjectKeyId = x509.KeyUsageCRLSign, []byte{1}
	signer := testkit.Issuer(t, tls.Certificate{Leaf: &pretended, PrivateKey: trusted.PrivateKey})
	testkit.ReplaceFile(t, p.crl, signer.CRL(today.Add(time.Hour), nil))
	if _, _, err := Check(p.ca, p.crl); err == nil || !strings.Contains(err.Error(), "is not signed by an authority") {
		t.Errorf("got %v", err)
	}
}

// TestNewestListCounts, wherever it stands in the file.
func TestNewestListCounts(t *testing.T) {
	p := newPlace(t)
	ours := testkit.NewAuthority(t)
	testkit.WriteCertificates(t, p.ca, ours)
	c := ours.Client("printer", nil)
	older, newer := ours.CRL(today.Add(time.Hour), nil), ours.CRL(today.Add(2*time.Hour), nil, c)
	for _, lists := range [][][]byte{{older, newer}, {newer, older}} {
		testkit.WriteCRLs(t, p.crl, lists...)
		want(t, p.open(true), chain(c), "revoked")
	}
}

// TestSameNameOtherKey: the list of an authority says nothing of one that has only its
// name.
func TestSameNameOtherKey(t *testing.T) {
	p := newPlace(t)
	first, second := testkit.NewAuthority(t), testkit.NewAuthority(t) // both "test authority"
	testkit.WriteCertificates(t, p.ca, first, second)
	testkit.WriteCRLs(t, p.crl, first.CRL(today.Add(time.Hour), nil))
	v := p.open(true)
	want(t, v, chain(first.Client("printer", nil)), "")
	want(t, v, chain(second.Client("printer", nil)), "crl-missing")
}
