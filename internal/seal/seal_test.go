package seal

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"countersign/internal/fault"
)

func newSealer(t *testing.T, octet byte) *Sealer {
	t.Helper()
	s, err := New(bytes.Repeat([]byte{octet}, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealer(t *testing.T) {
	ours, theirs := newSealer(t, 1), newSealer(t, 2)
	const name = "mx.example"
	secret := []byte("-----BEGIN PRIVATE KEY----- and so on")
	sealed, err := ours.Seal(ACME, name, secret)
	if err != nil {
		t.Fatal(err)
	}
	if len(sealed) != len(secret)+Overhead {
		t.Errorf("%d octets became %d", len(secret), len(sealed))
	}
	if back, err := ours.Open(ACME, name, sealed); err != nil || !bytes.Equal(back, secret) {
		t.Errorf("came back as %q, %v", back, err)
	}
	if bytes.Contains(sealed, secret[:8]) {
		t.Error("the secret can be read")
	}
	if again, err := ours.Seal(ACME, name, secret); err != nil || bytes.Equal(again, sealed) {
		t.Errorf("the nonce is used twice (%v)", err)
	}
	for what, c := range map[string]struct {
		s       *Sealer
		purpose Purpose
		name    string
		sealed  []byte
		kind    fault.Kind
		want    string
	}{
		"other key file": {theirs, ACME, name, sealed, fault.Unavailable, "another key file: " + ours.ID() + ", this one is " + theirs.ID()},
		"other purpose":  {ours, DKIM, name, sealed, fault.Corrupt, "damaged or belongs to another name"},
		"other name":     {ours, ACME, "other", sealed, fault.Corrupt, "damaged or belongs to another name"},
		"bit flipped":    {ours, ACME, name, flip(sealed, len(sealed)-1), fault.Corrupt, "damaged or belongs to another name"},
		"nonce flipped":  {ours, ACME, name, flip(sealed, 10), fault.Corrupt, "damaged or belongs to another name"},
		"cut":            {ours, ACME, name, sealed[:20], fault.Corrupt, "damaged: 20 octets"},
		"empty":          {ours, ACME, name, nil, fault.Corrupt, "damaged: 0 octets"},
		"version":        {ours, ACME, name, flip(sealed, 0), fault.Corrupt, "unknown version"},
		"not sealed":     {ours, ACME, name, append(secret, secret...), fault.Corrupt, "not sealed"},
	} {
		_, err := c.s.Open(c.purpose, c.name, c.sealed)
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", what, err, c.want)
		}
	}
	_, err = New(make([]byte, 31), rand.Reader)
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("a short key: %v", err)
	}
	broken, err := New(make([]byte, 32), strings.NewReader("short"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broken.Seal(ACME, name, secret); !fault.Is(err, fault.Internal) {
		t.Errorf("without randomness: %v", err)
	}
}

// TestPurposesAreApart: for no two purposes is the same thing bound, whatever
// the names.
func TestPurposesAreApart(t *testing.T) {
	s := newSealer(t, 1)
	for _, p := range Purposes() {
		sealed, err := s.Seal(p, "n", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range Purposes() {
			if _, err := s.Open(q, "n", sealed); (err == nil) != (p == q) {
				t.Errorf("sealed for %q, opened for %q: %v", p, q, err)
			}
		}
		if strings.Contains(string(p), "\x00") || p == "" {
			t.Errorf("purpose %q can be mistaken for one with a name", p)
		}
	}
}

// flip returns b with one bit of octet i changed.
func flip(b []byte, i int) []byte {
	out := bytes.Clone(b)
	out[i] ^= 0x10
	return out
}

// TestKeyOf: what is sealed tells which key opens it, and nothing else does.
func TestKeyOf(t *testing.T) {
	s := newSealer(t, 1)
	sealed, err := s.Seal(DKIM, "n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := KeyOf(sealed); got != s.ID() {
		t.Errorf("got %q, want %q", got, s.ID())
	}
	for _, other := range [][]byte{nil, sealed[:len(sealed)-1], flip(sealed, 0), []byte("-----BEGIN CERTIFICATE-----, or anything else that is long enough")} {
		if got := KeyOf(other); got != "" {
			t.Errorf("%x is sealed with %q", other, got)
		}
	}
}
