package loading

import (
	"fmt"
	"strings"
	"testing"
)

// TestAddressesThatExclude pairs addresses of two listeners.
func TestAddressesThatExclude(t *testing.T) {
	cases := []struct {
		a, b  string
		clash bool
	}{
		{":587", ":587", true},
		{":587", "127.0.0.1:587", true},
		{"[::1]:587", ":587", true},
		{":587", ":465", false},
		{":0", ":0", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"127.0.0.1:587", "127.0.0.1:587", true},
		{"127.0.0.1:587", "192.0.2.1:587", false},
		{"0.0.0.0:587", "192.0.2.1:587", true},
		{"192.0.2.1:587", "0.0.0.0:587", true},
		{"0.0.0.0:587", "[::]:587", false},
		{"[::]:587", "[2001:db8::1]:587", true},
		{"[::ffff:192.0.2.1]:587", "192.0.2.1:587", true},
	}
	for _, c := range cases {
		text := strings.Replace(small, "127.0.0.1:0", c.a, 1) + fmt.Sprintf("\n[[listener]]\nname = \"other\"\nkind = \"submissions\"\naddress = [%q]\n", c.b)
		_, _, err := Load(writeFile(t, t.TempDir(), "countersign.toml", text))
		if (err != nil) != c.clash || err != nil && !strings.Contains(err.Error(), "is taken already") {
			t.Errorf("%s and %s: %v", c.a, c.b, err)
		}
	}
}

// TestChallengesShare: certificates answer challenges at one address together,
// of the same kind only, and not where mail is taken.
func TestChallengesShare(t *testing.T) {
	acme := func(name, extra string) string {
		return fmt.Sprintf("\n[[certificate]]\nname = %q\nsource = \"acme\"\nterms_agreed = true\n%s\n", name, extra)
	}
	cases := map[string]struct {
		text, want string
	}{
		"same kind":    {acme("a", "") + acme("b", ""), ""},
		"not in use":   {acme("a", `http_listen = ":443"`), ""},
		"both at once": {acme("a", `challenge = "http-01"`) + acme("b", `tls_listen = ":80"`), "certificate.tls_listen"},
		"metrics":      {"\n[metrics]\nlisten = \"127.0.0.1:443\"\n" + acme("a", ""), "certificate.tls_listen"},
		"no metrics":   {"\n[metrics]\nlisten = \"\"\n" + acme("a", ""), ""},
	}
	for name, c := range cases {
		_, _, err := Load(writeFile(t, t.TempDir(), "countersign.toml", small+c.text))
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
