package mail

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseAddress(t *testing.T) {
	long64, long65 := strings.Repeat("a", 64), strings.Repeat("a", 65)
	tests := []struct {
		in, local, domain, out string // out "" means that in is refused
	}{
		{"a@example.org", "a", "example.org", "a@example.org"},
		{"A.b@EXAMPLE.Org", "A.b", "example.org", "A.b@example.org"},
		{`"a b"@example.org`, "a b", "example.org", `"a b"@example.org`},
		{`"a\"\\b"@example.org`, `a"\b`, "example.org", `"a\"\\b"@example.org`},
		{`"plain"@example.org`, "plain", "example.org", "plain@example.org"},
		{`"a@b"@example.org`, "a@b", "example.org", `"a@b"@example.org`},
		{"jürgen@bücher.example", "jürgen", "xn--bcher-kva.example", "jürgen@xn--bcher-kva.example"},
		{"a@[192.0.2.1]", "a", "[192.0.2.1]", "a@[192.0.2.1]"},
		{"a@[ipv6:2001:DB8::1]", "a", "[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"},
		{long64 + "@example.org", long64, "example.org", long64 + "@example.org"},
		{in: long65 + "@example.org"},
		{in: ""}, {in: "a"}, {in: "@example.org"}, {in: "a@"}, {in: "a@b@c"},
		{in: ".a@example.org"}, {in: "a.@example.org"}, {in: "a..b@example.org"},
		{in: "a b@example.org"}, {in: `"a@example.org`}, {in: `""@example.org`},
		{in: "\"a\x00\"@example.org"}, {in: "a\x80@example.org"}, {in: "a@example.org."},
		{in: "a@exa_mple.org"}, {in: "a@-example.org"}, {in: "a@[192.0.2.1"}, {in: "a@[x]"},
		{in: "a@[IPv6:192.0.2.1]"}, {in: "a@[2001:db8::1]"}, {in: "a@[IPv6:fe80::1%eth0]"},
		{in: "a@" + strings.Repeat("b.", 130) + "org"}, {in: long64 + "@" + strings.Repeat("ü.", 36) + "example"}, {in: "(c)a@example.org"}, {in: "a@example.org>"},
	}
	for _, tt := range tests {
		a, err := ParseAddress(tt.in)
		if tt.out == "" {
			if !errors.Is(err, ErrAddress) {
				t.Errorf("ParseAddress(%q) = %v, %v; want ErrAddress", tt.in, a, err)
			}
			continue
		}
		if err != nil || a.Local != tt.local || string(a.Domain) != tt.domain || a.String() != tt.out {
			t.Errorf("ParseAddress(%q) = %q %q, prints %q, %v", tt.in, a.Local, a.Domain, a, err)
		}
	}
}

func TestAddressKeyIsTheSameForTheSameMailbox(t *testing.T) {
	for _, pair := range [][2]string{
		{"Info@Example.org", "info@EXAMPLE.ORG"},
		{`"info"@example.org`, "info@example.org"},
		{"a@bücher.example", "a@XN--BCHER-KVA.example"},
	} {
		a, err1 := ParseAddress(pair[0])
		b, err2 := ParseAddress(pair[1])
		if err1 != nil || err2 != nil || a.Key() != b.Key() {
			t.Errorf("keys of %q and %q: %q and %q (%v, %v)", pair[0], pair[1], a.Key(), b.Key(), err1, err2)
		}
	}
}

func TestDomainForms(t *testing.T) {
	d, err := ParseDomain("Bücher.Example")
	if err != nil || d != "xn--bcher-kva.example" || d.Unicode() != "bücher.example" {
		t.Errorf("got %q, %q, %v", d, d.Unicode(), err)
	}
	lit, err := ParseDomain("[IPv6:::1]")
	ip, ok := lit.Literal()
	if err != nil || !ok || !ip.IsLoopback() {
		t.Errorf("literal: %q %v %v %v", lit, ip, ok, err)
	}
	if _, ok := Domain("example.org").Literal(); ok {
		t.Error("a name counts as a literal")
	}
}

func TestNullAddress(t *testing.T) {
	if !(Address{}).IsNull() || (Address{}).String() != "" {
		t.Error("the zero Address is not the null reverse-path")
	}
	if (Address{Local: "ü", Domain: "example.org"}).IsASCII() {
		t.Error("ü counts as ASCII")
	}
}

func TestNotifyDefaultsToFailure(t *testing.T) {
	for n, want := range map[Notify]bool{
		NotifyUnset: true, NotifyNever: false, NotifySuccess: false,
		NotifyFailure: true, NotifySuccess | NotifyFailure: true, NotifyDelay: false,
	} {
		if n.OnFailure() != want {
			t.Errorf("Notify %d: OnFailure is %v", n, !want)
		}
	}
}

func TestIDsSortByTimeAndNeverRepeat(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	src := IDSource{Now: func() time.Time { return now }}
	var ids []ID
	for i := range 5000 {
		switch i {
		case 1000, 4000:
			now = now.Add(time.Millisecond)
		case 2000:
			now = now.Add(-time.Hour) // a clock that runs backwards
		}
		ids = append(ids, src.New())
	}
	if !slices.IsSortedFunc(ids, func(a, b ID) int { return strings.Compare(string(a), string(b)) }) {
		t.Error("ids do not sort by the order they were made in")
	}
	if n := len(slices.Compact(ids)); n != 5000 {
		t.Errorf("%d of 5000 ids differ", n)
	}
	for _, id := range ids {
		if !ValidID(string(id)) {
			t.Fatalf("%q is not valid", id)
		}
	}
	if got := ids[0].Time(); !got.Equal(time.UnixMilli(1_800_000_000_000)) {
		t.Errorf("time of the first id is %v", got)
	}
}

func TestIDsSurviveTheLargestRandomness(t *testing.T) {
	src := IDSource{
		Now:  func() time.Time { return time.UnixMilli(1) },
		Rand: bytes.NewReader(bytes.Repeat([]byte{0xff}, 1000)),
	}
	last := src.New()
	for range 50 {
		id := src.New()
		if id <= last {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}

func TestValidID(t *testing.T) {
	for _, s := range []string{"", "x", strings.Repeat("0", 25), "8" + strings.Repeat("0", 25), strings.Repeat("0", 25) + "I", strings.Repeat("0", 25) + "a"} {
		if ValidID(s) {
			t.Errorf("%q counts as an id", s)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"a@b.example", `"a\"b"@[192.0.2.1]`, "ü@ü.example", "a@[IPv6:::1]", `"@"@x.example`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		again, err := ParseAddress(a.String())
		if err != nil || again != a {
			t.Errorf("%q parses to %q, which parses to %q (%v)", s, a, again, err)
		}
	})
}

func TestDomainsAreWrittenAsTheyAreRead(t *testing.T) {
	for _, s := range []string{"exam\u00adple.org", "ｅxample.org", "example\u3002org", "\u212Aelvin.example"} {
		if d, err := ParseDomain(s); err == nil {
			t.Errorf("%q is taken for %s", s, d)
		}
	}
	for _, s := range []string{"Bücher.Example", "XN--bcher-kva.bücher.example", "EXAMPLE.org"} {
		if _, err := ParseDomain(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestLocalPartsHaveNoInvisibleCharacters(t *testing.T) {
	for _, s := range []string{"a\u200b@example.org", "a\u202e@example.org", "a\u009b@example.org", "a\ufeff@example.org"} {
		if a, err := ParseAddress(s); err == nil {
			t.Errorf("%q is taken for %q", s, a)
		}
	}
	kelvin := Address{Local: "\u212A", Domain: "example.org"}
	if kelvin.Key() == "k@example.org" {
		t.Error("the KELVIN SIGN folds to the letter k")
	}
}

func TestKeyOf(t *testing.T) {
	for text, want := range map[string]string{
		"A.B@Example.ORG": "a.b@example.org", "\"A b\"@example.org": "a b@example.org", "a": "", "": "", "a@": "", "a@example.org ": "",
	} {
		key, ok := KeyOf(text)
		if key != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", text, key, ok)
		}
		if got := DomainOf(text); (got == "example.org") != ok || !ok && got != "" {
			t.Errorf("%q: domain %q", text, got)
		}
	}
}

// TestSameIsTheKey: two addresses are the same where their keys are.
func TestSameIsTheKey(t *testing.T) {
	list := []Address{
		{}, {"a", "x.example"}, {"A", "x.example"}, {"a", "y.example"}, {"ab", "x.example"}, {"[", "x.example"}, {"{", "x.example"}, {"@", "x.example"}, {"`", "x.example"},
		{"\u00e4", "x.example"}, {"\u00c4", "x.example"}, {"\u212a", "x.example"}, {"k", "x.example"}, {"K\u00e4", "x.example"}, {"k\u00e4", "x.example"},
	}
	for _, a := range list {
		for _, b := range list {
			if a.Same(b) != (a.Key() == b.Key()) {
				t.Errorf("%q and %q: %v", a.Key(), b.Key(), a.Same(b))
			}
		}
	}
}
