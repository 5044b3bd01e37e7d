package phc

import (
	"strings"
	"testing"

	"countersign/internal/fault"
)

func TestHashThatAnotherProgramMade(t *testing.T) {
	// Made with the reference implementation's command:
	// echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h, err := Parse(phc)
	if err != nil || h.String() != phc {
		t.Fatalf("%s reads as %s (%v)", phc, h, err)
	}
	if h.Params != (Params{MemoryKiB: 65536, Iterations: 2, Parallelism: 1}) || string(h.Salt) != "somesalt" {
		t.Errorf("read as %+v", h)
	}
	for password, want := range map[string]bool{"password": true, "passwore": false, "": false} {
		if same := h.Matches(h.Params.Derive([]byte(password), h.Salt, KeyLength)); same != want {
			t.Errorf("%q: %v", password, same)
		}
	}
}

func TestParamsReadWhatTheyWrite(t *testing.T) {
	want := Params{MemoryKiB: 262144, Iterations: 16, Parallelism: 16}
	if want.String() != "m=262144,t=16,p=16" {
		t.Errorf("written as %s", want)
	}
	if p, err := ParseParams(want.String()); err != nil || p != want {
		t.Errorf("read as %s (%v)", p, err)
	}
	if p, err := ParseParams("m=262144,t=17,p=16"); err == nil {
		t.Errorf("out of bounds, and read as %s", p)
	}
}

func TestStrictPHC(t *testing.T) {
	const good = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if _, err := Parse(good); err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) string {
		changed := strings.Replace(good, old, new, 1)
		if changed == good {
			t.Fatalf("%q is not in the good hash", old)
		}
		return changed
	}
	for name, phc := range map[string]string{
		"empty":              "",
		"another algorithm":  change("argon2id", "argon2i"),
		"version":            change("v=19", "v=16"),
		"no version":         change("$v=19", ""),
		"order":              change("m=64,t=1", "t=1,m=64"),
		"more parameters":    change("p=1", "p=1,data=AAAA"),
		"leading zero":       change("m=64", "m=064"),
		"sign":               change("m=64", "m=+64"),
		"memory over cap":    change("m=64", "m=262145"),
		"memory overflow":    change("m=64", "m=4294967360"),
		"memory under lanes": change("m=64", "m=7"),
		"passes over cap":    change("t=1", "t=17"),
		"no pass":            change("t=1", "t=0"),
		"lanes over cap":     change("m=64,t=1,p=1", "m=256,t=1,p=17"),
		"lanes overflow":     change("p=1", "p=257"),
		"no lane":            change("p=1", "p=0"),
		"padding":            change("c29tZXNhbHQ", "c29tZXNhbHQ="),
		"newline":            change("c29tZXNhbHQ", "c29tZX\nNhbHQ"),
		"stray bits":         change("c29tZXNhbHQ", "c29tZXNhbHR"),
		"short salt":         change("c29tZXNhbHQ", "c29t"),
		"short key":          change("$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "$CTFh"),
		"more":               good + "$",
		"before":             "x" + good,
		"too long":           good + strings.Repeat("A", 500),
	} {
		_, err := Parse(phc)
		if !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "CTFh") {
			t.Errorf("%s: the error repeats the hash: %v", name, err)
		}
	}
}
