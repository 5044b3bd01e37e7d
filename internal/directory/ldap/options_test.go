package ldap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/fault"
)

// sound are options that will do, for the way that searches and binds.
func sound() Options {
	return Options{
		Name: "panel", URL: "ldaps://ldap.example.org", BindDN: "cn=gate,dc=example,dc=org", PasswordFile: "/etc/x", Base: "dc=example,dc=org",
		Filter: "(mail={login})", Attributes: Attributes{Login: "mail"}, Connections: 1,
	}
}

func TestOptions(t *testing.T) {
	asUser := func(o *Options) {
		o.UserDN, o.BindDN, o.PasswordFile, o.Base, o.Filter = "uid={local},dc=example", "", "", "", ""
	}
	for name, change := range map[string]func(*Options){
		"search": func(*Options) {}, "no account": func(o *Options) { o.BindDN, o.PasswordFile = "", "" }, "bind": asUser,
		"StartTLS": func(o *Options) { o.URL, o.StartTLS = "ldap://ldap.example.org:3389/", true }, "loopback": func(o *Options) { o.URL = "ldap://127.0.0.1" },
		"loopback 6": func(o *Options) { o.URL = "ldap://[::1]:389" }, "socket": func(o *Options) { o.URL = "ldapi://%2Frun%2Fslapd%2Fldapi" },
		"hash":   func(o *Options) { o.Attributes.Hash = "userPassword" },
		"groups": func(o *Options) { o.GroupBase, o.GroupFilter, o.Plans = "ou=g", "(member={dn})", []Plan{{"cn=a", "b"}} },
	} {
		opt := sound()
		change(&opt)
		d, err := New(opt)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d.Close()
	}
	for part, change := range map[string]func(*Options){
		"StartTLS; without": nil, "must be ldaps": func(o *Options) { o.URL = "ldap://ldap.example.org" }, "127.0.0.1": func(o *Options) { o.URL = "ldap://localhost" },
		"no StartTLS":       func(o *Options) { o.StartTLS = true },
		"%2Fpath":           func(o *Options) { o.URL = "ldapi://run" },
		"begin with":        func(o *Options) { o.URL = "http://ldap.example.org" },
		"host:port":         func(o *Options) { o.URL = "ldaps:///" },
		"ldaps://host":      func(o *Options) { o.URL = "ldaps://ldap.example.org/dc=example" },
		"holds a user":      func(o *Options) { o.URL = "ldaps://u:s3cret@ldap.example.org" },
		"cannot be read":    func(o *Options) { o.URL = "ldaps://u:s3cret@h:x:y" },
		"no certificate":    func(o *Options) { o.Authority = "options_test.go" },
		"no such file":      func(o *Options) { o.Authority = "nothing" },
		"attribute":         func(o *Options) { o.Attributes.Login = "" },
		"connection":        func(o *Options) { o.Connections = 0 },
		"a DN and":          func(o *Options) { o.PasswordFile = "" },
		"base and a":        func(o *Options) { o.Base = "" },
		"a filter to":       func(o *Options) { o.Filter = "" },
		"nothing is":        func(o *Options) { o.UserDN = "uid={local}" },
		"the same":          func(o *Options) { o.Filter = "(mail={domain})" },
		"everybody would":   func(o *Options) { asUser(o); o.UserDN = "uid=x" },
		"user is no DN":     func(o *Options) { asUser(o); o.UserDN = "{login}" },
		"base is no DN":     func(o *Options) { o.Base = "example.org" },
		"decoy is no":       func(o *Options) { o.Decoy = "{decoy}=x" },
		"filter is none":    func(o *Options) { o.Filter = "(mail={login}" },
		"braces":            func(o *Options) { o.Filter = "(&(mail={login})(a={user}))" },
		"disabled accounts": func(o *Options) { o.Disabled = "disabled" },
		"a base and":        func(o *Options) { o.GroupBase = "ou=g" },
		"be in them":        func(o *Options) { o.GroupBase, o.GroupFilter = "ou=g", "(a=b)" },
		"plans by group":    func(o *Options) { o.Plans = []Plan{{"a", "b"}} },
		"none has":          func(o *Options) { o.GroupBase, o.GroupFilter = "ou=g", "(member={dn})" },
	} {
		if change == nil {
			change, part = func(o *Options) { o.URL = "ldap://192.0.2.1" }, "so it must"
		}
		opt := sound()
		change(&opt)
		_, err := New(opt)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", part, err)
		}
	}
}

// TestPasswordFile: the first line is the password.
func TestPasswordFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	for text, want := range map[string]string{"a b \r\nx": "a b ", "x": "x", "\nx": "", "": "", strings.Repeat("x", maxFile+1): ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readPassword(file)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%.20q: %.20q, %v", text, got, err)
		}
	}
}
