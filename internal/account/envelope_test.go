package account_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// TestForbids says which change of an envelope takes something away.
func TestForbids(t *testing.T) {
	networks := func(texts ...string) (e account.Envelope) {
		for _, text := range texts {
			e.Networks = append(e.Networks, netip.MustParsePrefix(text))
		}
		return e
	}
	senders := func(texts ...string) (e account.Envelope) {
		for _, text := range texts {
			e.Senders = append(e.Senders, grant(t, text))
		}
		return e
	}
	mechanisms := func(names ...string) account.Envelope { return account.Envelope{Mechanisms: names} }
	caps := account.Envelope{MaxRecipients: 1, MaxMessageBytes: 1, MaxMessages: 1, Expires: time.Unix(1_800_000_000, 0)}
	for name, c := range map[string]struct {
		before, now  account.Envelope
		all, senders bool
	}{
		"nothing":                      {},
		"caps and an end":              {account.Envelope{}, caps, false, false},
		"a network":                    {account.Envelope{}, networks("192.0.2.0/24"), true, false},
		"the same networks":            {networks("192.0.2.0/24", "2001:db8::/32"), networks("2001:db8::/32", "192.0.2.0/24"), false, false},
		"one network less":             {networks("192.0.2.0/24", "2001:db8::/32"), networks("192.0.2.0/24"), true, false},
		"one network more":             {networks("192.0.2.0/24"), networks("192.0.2.0/24", "2001:db8::/32"), false, false},
		"a wider network":              {networks("192.0.2.0/24"), networks("192.0.2.0/23"), false, false},
		"a narrower network":           {networks("192.0.2.0/24"), networks("192.0.2.0/25"), true, false},
		"any network":                  {networks("192.0.2.0/24"), account.Envelope{}, false, false},
		"one mechanism less":           {mechanisms("PLAIN", "LOGIN"), mechanisms("LOGIN"), true, false},
		"one mechanism more":           {mechanisms("PLAIN"), mechanisms("LOGIN", "PLAIN"), false, false},
		"any mechanism":                {mechanisms("PLAIN"), account.Envelope{}, false, false},
		"a sender":                     {account.Envelope{}, senders("a@acme.example"), false, true},
		"a sender in other letters":    {senders("A@acme.example"), senders("a@acme.example"), false, false},
		"another sender":               {senders("a@acme.example"), senders("b@acme.example"), false, true},
		"a domain in place of one":     {senders("a@acme.example"), senders("@acme.example"), false, false},
		"one in place of a domain":     {senders("@acme.example"), senders("a@acme.example"), false, true},
		"another domain":               {senders("@acme.example"), senders("@other.example"), false, true},
		"any sender":                   {senders("a@acme.example"), account.Envelope{}, false, false},
		"other networks and senders":   {account.Envelope{}, account.Envelope{Networks: networks("192.0.2.0/24").Networks, Senders: senders("a@acme.example").Senders}, true, true},
		"wider here and narrower here": {networks("192.0.2.0/24"), senders("a@acme.example"), false, true},
	} {
		if all, senders := c.before.Forbids(&c.now); all != c.all || senders != c.senders {
			t.Errorf("%s: %v, %v", name, all, senders)
		}
	}
	c := account.Credential{ID: "1", Name: "x", Kind: account.AppPassword}
	c.RecallBut(3, []account.Grant{{Address: mail.Address{Local: "a\n", Domain: "acme.example"}}})
	if c.Check() == nil {
		t.Error("a sender that is none is spared")
	}
}

// TestEnvelopeAdmits holds each bound of an envelope.
func TestEnvelopeAdmits(t *testing.T) {
	now := time.Unix(1000, 0)
	open, bound := account.Envelope{}, account.Envelope{
		Networks: prefixes("192.0.2.0/24", "2001:db8::/32"), Mechanisms: []string{"PLAIN"}, Expires: now.Add(time.Second),
		Senders: []account.Grant{grant(t, "Shop@acme.example"), grant(t, "@second.example")},
	}
	for _, c := range []struct {
		client, mechanism string
		after             time.Duration
		admits            bool
	}{
		{"192.0.2.7", "PLAIN", 0, true}, {"::ffff:192.0.2.7", "PLAIN", 0, true}, {"2001:db8::1", "PLAIN", 0, true},
		{"192.0.3.7", "PLAIN", 0, false}, {"2001:db9::1", "PLAIN", 0, false},
		{"192.0.2.7", "LOGIN", 0, false}, {"192.0.2.7", "", 0, false},
		{"192.0.2.7", "PLAIN", time.Second - 1, true}, {"192.0.2.7", "PLAIN", time.Second, false},
	} {
		if got := bound.Admits(addr(c.client), c.mechanism, now.Add(c.after)); got != c.admits {
			t.Errorf("%+v: %v", c, got)
		}
		if !open.Admits(addr(c.client), c.mechanism, now.Add(c.after)) {
			t.Errorf("%+v: an open envelope bounds", c)
		}
	}
	for sender, want := range map[string]bool{"shop@acme.example": true, "a@acme.example": false, "x@second.example": true, "x@sub.second.example": false} {
		if bound.Covers(at(sender)) != want || !open.Covers(at(sender)) {
			t.Errorf("%s is covered: %v", sender, !want)
		}
	}
}

// TestMayUse: an account may be bounded to what is its own.
func TestMayUse(t *testing.T) {
	a := account.Account{
		Address: at("a@acme.example"), Aliases: []mail.Address{at("alias@second.example")},
		Grants: []account.Granted{{Grant: grant(t, "@third.example"), Manner: account.SendAs}, {Grant: grant(t, "shop@acme.example"), Manner: account.SendOnBehalf}},
	}
	for text, want := range map[string]bool{
		"A@acme.example": true, "alias@second.example": true, "shop@acme.example": true, "any@third.example": true, "@third.example": true,
		"b@acme.example": false, "@acme.example": false, "@second.example": false, "any@second.example": false,
	} {
		if a.MayUse(grant(t, text)) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

func TestGrantForms(t *testing.T) {
	for in, out := range map[string]string{
		"@Example.org": "@example.org", "a@example.org": "a@example.org", "@bücher.example": "@xn--bcher-kva.example",
		"example.org": "", "@": "", "": "", "@[192.0.2.1": "",
	} {
		g, err := account.ParseGrant(in)
		if out == "" {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v, %v", in, g, err)
			}
		} else if err != nil || g.String() != out {
			t.Errorf("%q: %v, %v", in, g, err)
		}
	}
}

func grant(t *testing.T, s string) account.Grant {
	t.Helper()
	g, err := account.ParseGrant(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func at(s string) mail.Address {
	local, domain, _ := strings.Cut(s, "@")
	return mail.Address{Local: local, Domain: mail.Domain(domain)}
}
