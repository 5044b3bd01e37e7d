package oauth

import "testing"

// TestAdvise: a client is sent to the issuer of its domain.
func TestAdvise(t *testing.T) {
	a, b, c := standard(), standard(), standard()
	a.Domains = []string{"a.example"}
	b.Name, b.URL, b.Scopes = "b", "https://b.example/slash/", []string{"openid", "smtp"}
	c.Name, c.URL, c.Domains = "c", "https://c.example", []string{"c.example"}
	d := standard()
	d.Name, d.URL = "d", "https://d.example"
	atA := Advice{"smtp", issuerURL + "/.well-known/openid-configuration"}
	atB := Advice{"openid smtp", "https://b.example/slash/.well-known/openid-configuration"}
	atC := Advice{"smtp", "https://c.example/.well-known/openid-configuration"}
	for _, x := range []struct {
		issuers []Issuer
		domain  string
		want    Advice
	}{
		{[]Issuer{b, a, c}, "a.example", atA}, {[]Issuer{b, a, c}, "A.Example", atA}, {[]Issuer{a, b, c}, "c.example", atC}, {[]Issuer{a, b, c}, "d.example", atB}, {[]Issuer{a, b, c}, "", atB},
		{[]Issuer{a, b, d}, "d.example", atB}, {[]Issuer{d, b}, "", Advice{"smtp", "https://d.example/.well-known/openid-configuration"}},
		{[]Issuer{a, c}, "", Advice{}}, {[]Issuer{a, c}, "d.example", Advice{}}, {[]Issuer{a}, "", atA}, {[]Issuer{a}, "d.example", Advice{}}, {nil, "", Advice{}},
	} {
		p := newProvider()
		v := start(t, Options{Transport: p}, x.issuers...)
		if got := v.Advise(x.domain); got != x.want || p.count("") != 0 {
			t.Errorf("%d issuers, %q: %+v, want %+v", len(x.issuers), x.domain, got, x.want)
		}
	}
}

// Who speaks for a domain is known without asking anybody.
func TestSpeaksFor(t *testing.T) {
	some, all := standard(), standard()
	some.Domains = []string{"a.example"}
	all.Name, all.URL, all.Domains = "all", "https://all.example", nil
	for domain, want := range map[string][2]bool{"a.example": {true, true}, "A.Example": {true, true}, "b.example": {false, true}, "": {false, true}} {
		for i, issuers := range [][]Issuer{{some}, {some, all}} {
			p := newProvider()
			if got := start(t, Options{Transport: p}, issuers...).SpeaksFor(domain); got != want[i] || p.count("") != 0 {
				t.Errorf("%q of %d issuers: %v", domain, len(issuers), got)
			}
		}
	}
}
