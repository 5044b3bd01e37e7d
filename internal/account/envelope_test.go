package account_test

import (
	"net/netip"
	"testing"

	"countersign/internal/account"
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
	caps := account.Envelope{MaxRecipients: 1, MaxMessageBytes: 1, MaxMessages: 1, Expires: clock()}
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
