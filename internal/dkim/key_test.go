package dkim

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/seal"
)

func TestGenerateAndMarshal(t *testing.T) {
	for _, k := range testKeys(t) {
		der, err := k.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseKey(k.Domain, k.Selector, der)
		if err != nil {
			t.Fatal(err)
		}
		first, err1 := k.Record()
		second, err2 := back.Record()
		if err1 != nil || err2 != nil || first != second || back.Algorithm != k.Algorithm {
			t.Errorf("%s came back as %s: %v, %v", k, back, err1, err2)
		}
	}
}

func TestGenerateFromGivenRandomness(t *testing.T) {
	seed := bytes.NewReader(make([]byte, 32))
	k, err := Generate("cust.example", "s", Ed25519, seed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := k.Record()
	if err != nil || r.Value != "v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=" {
		t.Errorf("got %v, %v", r, err)
	}
	_, err = Generate("cust.example", "s", Ed25519, seed)
	if !fault.Is(err, fault.Internal) {
		t.Errorf("an empty source gave %v", err)
	}
}

func TestGenerateRefuses(t *testing.T) {
	cases := map[string]struct {
		domain    mail.Domain
		selector  string
		algorithm Algorithm
	}{
		"algorithm":     {"cust.example", "s", "dsa"},
		"no domain":     {"", "s", Ed25519},
		"literal":       {"[192.0.2.1]", "s", Ed25519},
		"no selector":   {"cust.example", "", Ed25519},
		"selector form": {"cust.example", "a b", Ed25519},
		"upper case":    {"cust.example", "A", Ed25519},
		"too long":      {mail.Domain(strings.Repeat("a.", 120) + "example"), "selector", Ed25519},
	}
	for name, c := range cases {
		_, err := Generate(c.domain, c.selector, c.algorithm, rand.Reader)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestKeyPrintsNoSecret(t *testing.T) {
	for _, k := range testKeys(t) {
		want := k.Selector + "._domainkey.cust.example (" + string(k.Algorithm) + ")"
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, k); got != want {
				t.Errorf("%s prints %s", verb, got)
			}
		}
	}
}

func TestRecord(t *testing.T) {
	for _, k := range testKeys(t) {
		r, err := k.Record()
		if err != nil {
			t.Fatal(err)
		}
		if r.Name != k.Selector+"._domainkey.cust.example" || !strings.HasPrefix(r.Value, "v=DKIM1; k="+string(k.Algorithm)+"; p=") {
			t.Errorf("got %+v", r)
		}
		parts := r.Strings()
		for _, s := range parts {
			if len(s) > 255 || s == "" {
				t.Errorf("a string of %d octets", len(s))
			}
		}
		if strings.Join(parts, "") != r.Value {
			t.Error("the strings do not make the value")
		}
		want := r.Name + `. IN TXT "` + strings.Join(parts, `" "`) + `"`
		if r.ZoneLine() != want {
			t.Errorf("got %s, want %s", r.ZoneLine(), want)
		}
		if k.Algorithm == RSA && len(parts) != 2 {
			t.Errorf("an RSA record in %d strings", len(parts))
		}
	}
}

// TestSealedKey: a sealed key opens under its name alone, and for signing alone.
func TestSealedKey(t *testing.T) {
	s, err := seal.New(bytes.Repeat([]byte{1}, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range testKeys(t) {
		sealed, err := k.Seal(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := OpenKey(s, k.Domain, k.Selector, sealed)
		if err != nil {
			t.Fatal(err)
		}
		der, _ := k.Marshal()
		again, _ := back.Marshal()
		if !bytes.Equal(der, again) {
			t.Error("another key came back")
		}
		for name, c := range map[string]struct {
			domain   mail.Domain
			selector string
		}{
			"other domain":   {"other.example", k.Selector},
			"other selector": {k.Domain, "other"},
		} {
			_, err := OpenKey(s, c.domain, c.selector, sealed)
			if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "the key "+c.selector+" of "+c.domain.String()+" cannot be opened") {
				t.Errorf("%s: got %v", name, err)
			}
		}
		other, err := s.Seal(seal.ACME, seal.DKIMName(k.Domain.String(), k.Selector), der)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKey(s, k.Domain, k.Selector, other); !fault.Is(err, fault.Corrupt) {
			t.Errorf("a key that was sealed for certificates signs mail: %v", err)
		}
	}
}
