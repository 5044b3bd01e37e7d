package admin_test

import (
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/fault"
)

// TestGrantsAreRecorded gives and takes grants, and wants each to be kept and told as it was
// asked for.
func TestGrantsAreRecorded(t *testing.T) {
	w := newWorld(t)
	with := func(m account.Manner, target string, change func(*account.Granted)) []account.Granted {
		g := account.Granted{Grant: grant(t, target), Manner: m}
		if change != nil {
			change(&g)
		}
		return []account.Granted{g}
	}

	until := time.Date(2030, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 3600))
	for _, c := range []struct {
		change admin.AccountChange
		text   string
	}{
		{admin.AccountChange{AddGrants: with(account.SendOnBehalf, "boss@acme.example", func(g *account.Granted) { g.Until, g.Because = until, "holiday" })},
			"grant send-on-behalf boss@acme.example given until 2030-01-02T02:04:05Z because holiday"},
		{admin.AccountChange{AddGrants: with(account.SendAs, "@other.example", func(g *account.Granted) { g.Across = true })},
			"grant send-as @other.example given across customers, of customer other"},
		{admin.AccountChange{AddGrants: with(account.SendAs, "team@acme.example", func(g *account.Granted) { g.Across = true })},
			"grant send-as team@acme.example given"}, // which crosses nothing
		{admin.AccountChange{RemoveGrants: with(account.SendAs, "team@acme.example", nil), KeepMail: true},
			"grant send-as team@acme.example revoked, mail that waits goes on"},
		{admin.AccountChange{RemoveGrants: with(account.SendAs, "@other.example", nil)},
			"grant send-as @other.example revoked, mail that waits held, but what was sent under another address of the account alone"},
		{admin.AccountChange{SenderMode: ptr(account.Rewrite)}, "mode of senders rewrite"},
		{admin.AccountChange{SenderMode: ptr(account.SenderMode(""))}, "mode of senders: that of the plan"},
	} {
		before := w.stored(t, "a@acme.example")
		if err := w.admin.SetAccount(t.Context(), at("a@acme.example"), c.change); err != nil {
			t.Fatal(err)
		}
		if e := w.lastEvent(); e.Text != c.text {
			t.Errorf("the record says %q, want %q", e.Text, c.text)
		}
		after := w.stored(t, "a@acme.example")
		recalled := after.Credentials[0].Recall.Some == after.Revision
		if want := strings.Contains(c.text, "mail that waits held"); recalled != want {
			t.Errorf("%s: recalled %v", c.text, recalled)
		}
		if len(c.change.AddGrants) == 1 {
			g := after.Grants[len(before.Grants)]
			if g.By != "cli:test" || g.Given.IsZero() || g.Across != (g.Domain == "other.example") || g.Until.Location() != time.UTC && !g.Until.IsZero() {
				t.Errorf("kept is %+v", g)
			}
		}
	}
	for _, c := range []struct {
		change admin.AccountChange
		kind   fault.Kind
		says   string
	}{
		{admin.AccountChange{AddGrants: with(account.SendAs, "x@other.example", nil)}, fault.Invalid, "unless it is granted across customers"},
		{admin.AccountChange{AddGrants: with(account.SendAs, "x@nowhere.example", func(g *account.Granted) { g.Across = true })}, fault.Invalid, "not one of this server's"},
		{admin.AccountChange{AddGrants: with(account.SendAs, "x@acme.example", func(g *account.Granted) { g.Until = time.Unix(1, 0) })}, fault.Invalid, "1970-01-01T00:00:01Z has passed"},
		{admin.AccountChange{AddGrants: with("send", "x@acme.example", nil)}, fault.Invalid, "either send-as or send-on-behalf"},
		{admin.AccountChange{AddGrants: with(account.SendAs, "x@acme.example", func(g *account.Granted) { g.Because = "a\nb" })}, fault.Invalid, "one line"},
		{admin.AccountChange{RemoveGrants: with(account.SendAs, "boss@acme.example", nil)}, fault.NotFound, "has no grant send-as boss@acme.example"},
		{admin.AccountChange{SenderMode: ptr(account.SenderMode("loose"))}, fault.Invalid, "there are enforce, rewrite and shadow"},
	} {
		if err := w.admin.SetAccount(t.Context(), at("a@acme.example"), c.change); !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.change, err, c.says)
		}
	}
	if err := w.admin.SetPlan(t.Context(), "gold", admin.PlanChange{SenderMode: ptr(account.SenderMode("loose"))}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// TestAGrantAcrossCustomersTiesItsDomain: the domain that it reaches neither goes nor moves to a
// third customer, who has not agreed to it.
func TestAGrantAcrossCustomersTiesItsDomain(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	g := account.Granted{Grant: grant(t, "@other.example"), Manner: account.SendOnBehalf, Across: true}
	if err := w.admin.SetAccount(ctx, at("a@acme.example"), admin.AccountChange{AddGrants: []account.Granted{g}}); err != nil {
		t.Fatal(err)
	}
	if err := w.admin.AddCustomer(ctx, "third", ""); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"removed": w.admin.RemoveDomain(ctx, "other.example"), "moved": w.admin.SetDomainCustomer(ctx, "other.example", "third"),
		"taken": w.admin.SetDomainCustomer(ctx, "other.example", "acme"), "moved with the account": w.admin.SetDomainCustomer(ctx, "acme.example", "third"),
	} {
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "a@acme.example (grant send-on-behalf @other.example)") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := w.admin.SetAccount(ctx, at("a@acme.example"), admin.AccountChange{RemoveGrants: []account.Granted{g}}); err != nil {
		t.Fatal(err)
	}
	if err := w.admin.SetDomainCustomer(ctx, "other.example", "third"); err != nil {
		t.Error(err)
	}
}
