package dkim

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
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

func TestSealer(t *testing.T) {
	ours, err := NewSealer(bytes.Repeat([]byte{1}, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := NewSealer(bytes.Repeat([]byte{2}, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range testKeys(t) {
		sealed, err := ours.Seal(k)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ours.Open(k.Domain, k.Selector, sealed)
		if err != nil {
			t.Fatal(err)
		}
		der, _ := k.Marshal()
		again, _ := back.Marshal()
		if !bytes.Equal(der, again) {
			t.Error("another key came back")
		}
		if bytes.Contains(sealed, der[len(der)-16:]) {
			t.Error("the key can be read")
		}
		cases := map[string]struct {
			s        *Sealer
			domain   mail.Domain
			selector string
			sealed   []byte
			want     string
		}{
			"other key file": {theirs, k.Domain, k.Selector, sealed, "another key file: " + ours.ID() + ", this one is " + theirs.ID()},
			"other domain":   {ours, "other.example", k.Selector, sealed, "damaged or belongs to another name"},
			"other selector": {ours, k.Domain, "other", sealed, "damaged or belongs to another name"},
			"bit flipped":    {ours, k.Domain, k.Selector, flip(sealed, len(sealed)-1), "damaged or belongs to another name"},
			"nonce flipped":  {ours, k.Domain, k.Selector, flip(sealed, 10), "damaged or belongs to another name"},
			"cut":            {ours, k.Domain, k.Selector, sealed[:20], "damaged: 20 octets"},
			"empty":          {ours, k.Domain, k.Selector, nil, "damaged: 0 octets"},
			"version":        {ours, k.Domain, k.Selector, flip(sealed, 0), "unknown version"},
		}
		for name, c := range cases {
			_, err := c.s.Open(c.domain, c.selector, c.sealed)
			if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q", name, err, c.want)
			}
		}
	}
	_, err = NewSealer(make([]byte, 31), rand.Reader)
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("a short key: %v", err)
	}
}

// flip returns b with one bit of octet i changed.
func flip(b []byte, i int) []byte {
	out := bytes.Clone(b)
	out[i] ^= 0x10
	return out
}

func TestLoadOrCreateSealer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dkim.key")
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			s, err := LoadOrCreateSealer(path, rand.Reader)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = s.ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("several keys were made: %v", ids)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(string(text), "\n"))
	if err != nil || len(key) != 32 {
		t.Errorf("the file holds %d octets, %v", len(key), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLoadOrCreateSealerRefuses(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(make([]byte, 32))
	cases := map[string]struct {
		content string
		mode    os.FileMode
		kind    fault.Kind
	}{
		"empty":            {"", 0o600, fault.Corrupt},
		"not base64":       {"hello!", 0o600, fault.Corrupt},
		"too short":        {good[:20], 0o600, fault.Corrupt},
		"readable by all":  {good, 0o644, fault.Invalid},
		"readable by some": {good, 0o640, fault.Invalid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dkim.key")
			err := os.WriteFile(path, []byte(c.content), c.mode)
			if err != nil {
				t.Fatal(err)
			}
			err = os.Chmod(path, c.mode)
			if err != nil {
				t.Fatal(err)
			}
			_, err = LoadOrCreateSealer(path, rand.Reader)
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := LoadOrCreateSealer(filepath.Join(t.TempDir(), "no", "dkim.key"), rand.Reader)
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("no folder: %v", err)
	}
}
