package account_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

func TestAddAndRemoveGrants(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	a := account.Account{Address: at("a@acme.example")}
	shop := account.Granted{Grant: grant(t, "shop@acme.example"), Manner: account.SendAs, Until: now.Add(time.Hour)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.AddGrant(shop, now))
	behalf := shop
	behalf.Manner = account.SendOnBehalf
	must(a.AddGrant(behalf, now))
	again := shop
	again.Grant, again.Until = grant(t, "SHOP@acme.example"), time.Time{}
	if err := a.AddGrant(again, shop.Until.Add(-1)); !fault.Is(err, fault.Conflict) {
		t.Error("it has it twice:", err)
	}
	must(a.AddGrant(again, shop.Until)) // as the other has ended
	if len(a.Grants) != 2 || a.Grants[1].String() != "send-as SHOP@acme.example" || !a.Grants[1].Until.IsZero() {
		t.Errorf("grants %v", a.Grants)
	}
	if err := a.RemoveGrant(grant(t, "@acme.example"), account.SendAs); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	must(a.RemoveGrant(grant(t, "shop@acme.example"), account.SendAs))
	if len(a.Grants) != 1 || a.Grants[0].Manner != account.SendOnBehalf {
		t.Errorf("grants %v", a.Grants)
	}
	for i := range account.MaxGrants - 1 {
		must(a.AddGrant(account.Granted{Grant: grant(t, fmt.Sprintf("x%d@acme.example", i)), Manner: account.SendAs}, now))
	}
	if err := a.AddGrant(shop, now); !fault.Is(err, fault.Conflict) {
		t.Error("there is no end to grants:", err)
	}
}

func TestWhatIsNoGrant(t *testing.T) {
	fine := account.Granted{Grant: grant(t, "@acme.example"), Manner: account.SendAs, Because: strings.Repeat("x", account.MaxBecause)}
	if err := fine.Check(); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*account.Granted){
		func(g *account.Granted) { g.Manner = "send" },
		func(g *account.Granted) { g.Domain = "" },
		func(g *account.Granted) { g.Address = at("x@acme.example") },
		func(g *account.Granted) { g.Because += "x" },
		func(g *account.Granted) { g.Because = "a\nb" },
		func(g *account.Granted) { g.By = "a\rb" },
	} {
		g := fine
		change(&g)
		if err := g.Check(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", g, err)
		}
	}
	if _, err := account.ParseManner("Send-As"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := account.ParseSenderMode("loose"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// TestRecallGrant: what was sent under one of the addresses that are left, alone, is spared; a
// credential that could not be used for the grant is left alone.
func TestRecallGrant(t *testing.T) {
	a := account.Account{
		Address: at("a@acme.example"), Aliases: []mail.Address{at("alias@acme.example")}, Revision: 4,
		Grants: []account.Granted{
			{Grant: grant(t, "team@acme.example"), Manner: account.SendAs}, {Grant: grant(t, "boss@acme.example"), Manner: account.SendOnBehalf},
		},
	}
	for name, senders := range map[string][]string{
		"open": nil, "of others": {"alias@acme.example"}, "of it": {"gone@second.example", "team@acme.example", "boss@acme.example"}, "of one in it": {"x@second.example"}, "of more": {"@second.example"},
	} {
		c := account.Credential{Name: name, Recall: account.Recall{All: 2}}
		for _, s := range senders {
			c.Envelope.Senders = append(c.Envelope.Senders, grant(t, s))
		}
		a.Credentials = append(a.Credentials, c)
	}
	before := slices.Clone(a.Credentials)
	check := func(of string, want map[string]string) {
		t.Helper()
		acc := a
		acc.RecallGrant(grant(t, of), 5)
		for i, c := range acc.Credentials {
			var spared []string
			for _, g := range c.Recall.Spared {
				spared = append(spared, g.String())
			}
			got := "-"
			if c.Recall.Some == 5 {
				got = strings.Join(spared, " ")
			}
			if got != want[c.Name] || c.Recall.All != 2 {
				t.Errorf("%s, %s: spared is %q, want %q; %+v", of, c.Name, got, want[c.Name], c.Recall)
			}
			if a.Credentials[i].Recall.Some != before[i].Recall.Some {
				t.Error("the account that was given has changed")
			}
		}
	}
	all := "a@acme.example alias@acme.example team@acme.example"
	check("gone@second.example", map[string]string{"open": all, "of others": "-", "of it": "team@acme.example", "of one in it": "-", "of more": ""})
	check("@second.example", map[string]string{"open": all, "of others": "-", "of it": "team@acme.example", "of one in it": "", "of more": ""})
}
