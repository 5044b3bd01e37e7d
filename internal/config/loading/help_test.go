package loading

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestHelpURL: what clients are to open leads to one place, safely, and has room in a reply.
func TestHelpURL(t *testing.T) {
	const listens = "\n[web]\nlisten = [\"127.0.0.1:0\"]\n"
	for _, c := range []struct{ url, more, want string }{
		{"https://mail.example.net/help", "", ""},
		{"https://mail.example.net/help/", "", ""},
		{"https://mail.example.net:8443", "", ""},
		{"http://localhost:8080/help", "", ""},
		{"http://[::1]:8080/help", "", ""},
		{"http://127.0.0.1:0/help", listens, ""},
		{"http://127.0.0.1:0/help", "", "port 0"},
		{"https://mail.example.net:0/help", listens, "port 0"},
		{"http://mail.example.net/help", "", "not https://"},
		{"ftp://mail.example.net/help", "", "not https://"},
		{"javascript:alert(1)", "", "not a URL"},
		{"mail.example.net/help", "", "not a URL"},
		{"https://mail.example.net/a b", "", "not a URL"},
		{"https://mail.example.net/hülfe", "", "not a URL"},
		{"https://u:p@mail.example.net/help", "", "more in it"},
		{"https://mail.example.net/help?", "", "more in it"},
		{"https://mail.example.net/help#x", "", "more in it"},
		{"https://mail.example.net/" + strings.Repeat("x", 176), "", "at most 200"},
		{"https://mail.example.net/" + strings.Repeat("x", 175), "", ""},
	} {
		cfg, _, err := Load(writeFile(t, t.TempDir(), "countersign.toml", small+fmt.Sprintf("\n[help]\nurl = %q\n", c.url)+c.more))
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.url, err)
		}
		if err == nil && strings.HasSuffix(cfg.Help.URL, "/") {
			t.Errorf("%s became %s", c.url, cfg.Help.URL)
		}
	}
}

// TestHelpOfItsOwn: a URL that leads to the gate itself has to end where it serves the pages; with another host
// or port a server in front may be meant.
func TestHelpOfItsOwn(t *testing.T) {
	for _, c := range []struct {
		url, listen string
		warns       bool
	}{
		{"https://mail.example.net:8443", ":8443", true},
		{"https://mail.example.net:8443/x/help", "0.0.0.0:8443", true},
		{"https://MAIL.example.net/support", "[::]:443", true},
		{"https://192.0.2.1:8443/support", "192.0.2.1:8443", true},
		{"http://localhost:8080/support", "127.0.0.1:8080", true},
		{"http://127.0.0.1/support", ":80", true},
		{"https://mail.example.net:8443/help", ":8443", false},
		{"https://mail.example.net:8443/help/", ":8443", false},
		{"https://mail.example.net/support", ":8443", false},
		{"https://help.example.net:8443/support", ":8443", false},
		{"https://mail.example.net:8443/support", "127.0.0.1:8443", false},
		{"https://192.0.2.2:8443/support", "192.0.2.1:8443", false},
		{"http://127.0.0.1:8080/support", "192.0.2.1:8080", false},
	} {
		text := small + fmt.Sprintf("\n[help]\nurl = %q\n[web]\nlisten = [%q]\n", c.url, c.listen)
		_, warnings, err := Load(writeFile(t, t.TempDir(), "countersign.toml", text))
		warned := slices.ContainsFunc(warnings, func(w Warning) bool {
			return strings.Contains(w.String(), "help.url") && strings.Contains(w.String(), "/help/")
		})
		if err != nil || warned != c.warns {
			t.Errorf("%s at %s: %v, %v", c.url, c.listen, warnings, err)
		}
	}
}
