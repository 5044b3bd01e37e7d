package subject

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // of nothing

func TestCertificate(t *testing.T) {
	colons := strings.ToUpper(sum[:2])
	for i := 2; i < len(sum); i += 2 {
		colons += ":" + strings.ToUpper(sum[i:i+2])
	}
	for in, out := range map[string]string{
		"sha256:" + sum:            "sha256:" + sum,
		"sha256:" + colons:         "sha256:" + sum,
		"sha256:" + sum[2:]:        "",
		"sha256:" + sum + "00":     "",
		"sha256:" + sum[2:] + "xx": "",
		"sha256:":                  "",
		"sha1:" + sum[:40]:         "",
		"SHA256:" + sum:            "",
		sum:                        "",
		"":                         "",
		"email:Ann@Example.ORG":    "email:ann@example.org",
		"email:a@bücher.example":   "email:a@xn--bcher-kva.example",
		"email:ann":                "",
		"email:":                   "",
		"cn:Ann Example":           "cn:Ann Example",
		"cn:bücher":                "cn:bücher",
		"cn:":                      "",
		"cn: x":                    "",
		"cn:x ":                    "",
		"cn:a\nb":                  "",
		"cn:a\x00b":                "",
		"cn:a\u2028b":              "",
		"cn:\xff":                  "",
		"cn:" + repeat("é", 64):    "cn:" + repeat("é", 64),
		"cn:" + repeat("é", 65):    "",
		"ou:somewhere":             "",
	} {
		got, err := Certificate(in)
		if got != out || (err == nil) != (out != "") || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q became %q (%v), want %q", in, got, err, out)
		}
	}
	if got := Fingerprint(nil); got != "sha256:"+sum {
		t.Errorf("got %q", got)
	}
	if got := Email(mail.Address{Local: "A", Domain: "b.example"}); got != "email:a@b.example" {
		t.Errorf("got %q", got)
	}
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

func TestOAuth(t *testing.T) {
	for in, out := range map[string]string{
		"example 1234":                 "example 1234",
		"https://id.example user name": "https://id.example user name",
		"example Ann@Example.org":      "example Ann@Example.org",
		"example":                      "",
		"example ":                     "",
		" user":                        "",
		"":                             "",
		"example  user":                "", // which of the two would be meant?
		"exam\tple user":               "",
		"example us\ner":               "",
		"example \xff":                 "",
		"example " + repeat("u", 255):  "example " + repeat("u", 255),
		"example " + repeat("u", 256):  "",
		repeat("i", 255) + " u":        repeat("i", 255) + " u",
		repeat("i", 256) + " u":        "",
	} {
		got, err := OAuth(in)
		if got != out || (err == nil) != (out != "") || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q became %q (%v), want %q", in, got, err, out)
		}
	}
	if User("two words", "x") != "" || User("one", "two words") != "one two words" {
		t.Error("the issuer's name ends at the first space")
	}
}

func TestNetwork(t *testing.T) {
	for in, c := range map[string]struct{ narrow, wide string }{
		"192.0.2.7/24":         {"192.0.2.0/24", "192.0.2.0/24"},
		"192.0.2.7/32":         {"192.0.2.7/32", "192.0.2.7/32"},
		"2001:db8::1/64":       {"2001:db8::/64", "2001:db8::/64"},
		"::ffff:192.0.2.7/120": {"192.0.2.0/24", "192.0.2.0/24"},
		"::ffff:192.0.2.7/128": {"192.0.2.7/32", "192.0.2.7/32"},
		"::ffff:192.0.2.7/95":  {"", ""},
		"::ffff:192.0.2.7/96":  {"", "0.0.0.0/0"},
		"0.0.0.0/0":            {"", "0.0.0.0/0"},
		"10.0.0.0/0":           {"", "0.0.0.0/0"},
		"::/0":                 {"", "::/0"},
	} {
		for wide, want := range map[bool]string{false: c.narrow, true: c.wide} {
			got, err := Network(netip.MustParsePrefix(in), wide)
			if want == "" && !fault.Is(err, fault.Invalid) || want != "" && (err != nil || got.String() != want) {
				t.Errorf("%s, wide %v: became %v (%v), want %q", in, wide, got, err, want)
			}
		}
	}
	if _, err := Network(netip.Prefix{}, true); !fault.Is(err, fault.Invalid) {
		t.Errorf("no network at all: %v", err)
	}
}

// TestContaining: a network's canonical form is among the subjects of each of its
// addresses, in whatever form these come.
func TestContaining(t *testing.T) {
	for addr, c := range map[string]struct {
		n       int
		network string
	}{
		"192.0.2.7":        {33, "192.0.2.0/24"},
		"::ffff:192.0.2.7": {33, "192.0.2.7/32"},
		"2001:db8::7":      {129, "2001:db8::/33"},
		"fe80::1%eth0":     {129, "fe80::/10"},
	} {
		list := Containing(netip.MustParseAddr(addr))
		if len(list) != c.n || !slices.Contains(list, c.network) {
			t.Errorf("%s is in %d networks: %v", addr, len(list), list)
		}
		for i, text := range list {
			p := netip.MustParsePrefix(text)
			canonical, err := Network(p, true)
			if err != nil || canonical.String() != text || p.Bits() != c.n-1-i || !p.Contains(netip.MustParseAddr(addr).Unmap().WithZone("")) {
				t.Errorf("%s: %s is no network of it in its one form (%v)", addr, text, err)
			}
		}
	}
	if list := Containing(netip.Addr{}); len(list) != 0 {
		t.Errorf("no address is in %v", list)
	}
}

// FuzzSubjects: what is accepted is in its one form.
func FuzzSubjects(f *testing.F) {
	for _, s := range []string{"sha256:" + sum, "email:a@b.example", `email:"a b"@b.example`, "cn:x y", "issuer user", "", "cn:\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, canonical := range []func(string) (string, error){Certificate, OAuth} {
			once, err := canonical(text)
			if err != nil {
				continue
			}
			if twice, err := canonical(once); err != nil || twice != once {
				t.Errorf("%q became %q, then %q (%v)", text, once, twice, err)
			}
			if strings.ContainsAny(once, "\n\r\x00") || len(once) > 600 {
				t.Errorf("%q became %q", text, once)
			}
		}
	})
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"email:a@example.org": "a@example.org", "cn:B@Example.org": "B@example.org", "cn:somebody": "", "sha256:00ff": "", "login a@example.org": "", "": "", "email:": "",
	} {
		a, ok := Address(text)
		if got := a.String(); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
	}
}
