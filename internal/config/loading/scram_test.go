package loading

import (
	"strings"
	"testing"
)

// Where SCRAM is offered to accounts of a directory that cannot use it, or is left out although
// it is asked for, a warning says so; it is left out only where a directory that cannot may
// know everybody.
func TestScramBesideDirectories(t *testing.T) {
	const panel = "[[directory]]\nname = \"panel\"\nkind = \"http\"\nurl = \"https://panel.example\"\nkey_file = \"KEY\"\ncustomer = \"x\"\n"
	const boxes = "[[directory]]\nname = \"boxes\"\nkind = \"dovecot\"\nurl = \"/run/x\"\ncustomer = \"x\"\n"
	const some = "domains = [\"example.org\"]\n"
	for name, c := range map[string]struct {
		text string
		vain bool
		warn string
	}{
		"no directory":                 {"", false, ""},
		"all domains":                  {panel, true, ""},
		"all domains, asked for":       {"[auth]\nmechanisms = [\"SCRAM-SHA-256\", \"PLAIN\"]\n" + panel, true, "SCRAM is not offered"},
		"some domains":                 {panel + some, false, `accounts of directory "panel" cannot use it`},
		"some domains, not offered":    {"[auth]\nmechanisms = [\"PLAIN\"]\n" + panel + some, false, ""},
		"a Dovecot":                    {boxes, false, ""},
		"a Dovecot for some domains":   {boxes + some + panel, false, `accounts of directory "panel" cannot use it`},
		"all domains, after a Dovecot": {boxes + panel, false, `accounts of directory "panel" cannot use it`},
	} {
		folder := t.TempDir()
		key := writeFile(t, folder, "key", strings.Repeat("k", 64)+"\n")
		conf, warnings, err := Load(writeFile(t, folder, "c.toml", small+strings.ReplaceAll(c.text, "KEY", key)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var said []string
		for _, w := range warnings {
			if strings.Contains(w.String(), "SCRAM") {
				said = append(said, w.String())
			}
		}
		text := strings.Join(said, "\n")
		if conf.ScramIsVain() != c.vain || (text != "") != (c.warn != "") || !strings.Contains(text, c.warn) {
			t.Errorf("%s: vain %v, warned of %q", name, conf.ScramIsVain(), text)
		}
	}
}

// What a Dovecot would be asked without a password, and is not, is warned of.
func TestUselessOptionsOfADovecot(t *testing.T) {
	const boxes = "[[directory]]\nname = \"boxes\"\nkind = \"dovecot\"\nurl = \"/run/x\"\ncustomer = \"x\"\n"
	const nothing, nobody = "nothing is asked by it", "no listener asks for certificates"
	for text, want := range map[string]string{
		"":                  "",
		"external = true\n": "",
		"external = true\nask_standing = false\n":                          nothing,
		"external = true\nask_standing = false\ncertificates = \"name\"\n": nobody,
		"external = true\ncertificates = \"name\"\n":                       nobody,
	} {
		_, warnings, err := Load(writeFile(t, t.TempDir(), "c.toml", small+boxes+text))
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, w := range warnings {
			if strings.Contains(w.String(), "of no use") {
				said = append(said, w.String())
			}
		}
		if all := strings.Join(said, "\n"); (all != "") != (want != "") || !strings.Contains(all, want) {
			t.Errorf("%q: warned of %q, want %q", text, all, want)
		}
	}
}

// Where a directory has hashes and nothing was said of them, and where what was said costs much, a warning
// says so.
func TestWhatIsSaidOfHashes(t *testing.T) {
	const base = "[[directory]]\nname = \"base\"\nkind = \"sql\"\nurl = \"postgres://gate@127.0.0.1/mail\"\nquery = \"SELECT login, password FROM t WHERE login = :login\"\n"
	const people = "[[directory]]\nname = \"people\"\nkind = \"ldap\"\nurl = \"ldaps://ldap.example\"\nlogin_attribute = \"mail\"\nsearch_base = \"o=x\"\nsearch_filter = \"(mail={login})\"\n"
	const panel = "[[directory]]\nname = \"panel\"\nkind = \"http\"\nurl = \"https://panel.example\"\nkey_file = \"KEY\"\n"
	const boxes = "[[directory]]\nname = \"boxes\"\nkind = \"dovecot\"\nurl = \"/run/x\"\n"
	const unset = "can be told by time"
	for text, want := range map[string]string{
		base: unset,
		base + "hashes = [\"bcrypt:10\", \"SHA512-CRYPT\"]\n": "",
		base + "hashes = [\"bcrypt:14\"]\n":                   "keeps a core for about 820ms",
		people:                                                "",
		people + "password_attribute = \"userPassword\"\n":    unset,
		people + "password_attribute = \"userPassword\"\nhashes = [\"SSHA\"]\n": "",
		panel:                            unset,
		panel + "send_password = true\n": "",
		panel + "send_password = true\nhashes = [\"bcrypt:12\", \"bcrypt:13\"]\n": "keeps a core for about 610ms",
		boxes: "",
	} {
		folder := t.TempDir()
		key := writeFile(t, folder, "key", strings.Repeat("k", 64)+"\n")
		_, warnings, err := Load(writeFile(t, folder, "c.toml", small+strings.ReplaceAll(text, "KEY", key)))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var said []string
		for _, w := range warnings {
			if strings.Contains(w.String(), "directory.hashes") {
				said = append(said, w.String())
			}
		}
		if told := strings.Join(said, "\n"); (told != "") != (want != "") || !strings.Contains(told, want) || len(said) > 1 {
			t.Errorf("%s: warned of %q, want %q", text, told, want)
		}
	}
}
