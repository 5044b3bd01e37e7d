package ldap

import (
	"strings"
	"testing"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
)

func TestTemplates(t *testing.T) {
	n := namesOf("Shop@B\u00fccher.example")
	n.dn = "uid=a (x),dc=b"
	if got := n.inFilter("(&(mail={login})(uid={local})(o={domain})(m={dn}))"); got != `(&(mail=shop@xn--bcher-kva.example)(uid=shop)(o=xn--bcher-kva.example)(m=uid=a \28x\29,dc=b))` {
		t.Errorf("%s", got)
	}
	if got := namesOf("Shop").inDN("uid={local},ou={domain},mail={login}"); got != "uid=Shop,ou=,mail=Shop" {
		t.Errorf("%s", got)
	}
	if got := namesOf("{domain}{local}").inDN("uid={local}"); got != "uid={domain}{local}" {
		t.Errorf("%s", got)
	}
}

// FuzzTemplates: whatever the login is, a filter keeps its form, a DN its length, and
// both hold the login as it is.
func FuzzTemplates(f *testing.F) {
	for _, seed := range []string{"shop@example.org", "*", "a)(b=*", `\2a`, "a,b+c=d;e", " a ", "#a", "a\x00b", "{local}", `"a\"b"@example.org`, "\u00fc", "a\\", `a\ `, "=", "<>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, login string) {
		if !utf8.ValidString(login) || login == "" { // which Ask refuses
			return
		}
		n := namesOf(login)
		text := n.inFilter("(&(objectClass=person)(mail={login}))")
		filter, err := goldap.CompileFilter(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if len(filter.Children) != 2 || filter.Children[1].Tag != goldap.FilterEqualityMatch {
			t.Fatalf("%q is another filter", text)
		}
		if got := filter.Children[1].Children[1].Data.String(); got != n.login {
			t.Errorf("%q asks for %q", text, got)
		}
		text = n.inDN("uid={local},ou=people,dc=example")
		dn, err := goldap.ParseDN(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if len(dn.RDNs) != 3 || len(dn.RDNs[0].Attributes) != 1 || dn.RDNs[0].Attributes[0].Value != n.local {
			t.Errorf("%q names %q", text, dn.RDNs[0].Attributes[0].Value)
		}
		if strings.Count(text, "ou=people") < 1 {
			t.Errorf("%q", text)
		}
	})
}
