package submission

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/book"
	"countersign/internal/limit/network"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// limited gives a gate rules, written as people do.
func (f *fixture) limited(rules ...limit.Rule) {
	f.rules = rules
	levels := func(who limit.Who) []limit.Level {
		return who.Levels(func(s limit.Subject) (list []limit.Rule) {
			for _, r := range f.rules {
				if r.For == s {
					list = append(list, r)
				}
			}
			return list
		}, time.Now())
	}
	f.gate.opt.Limits = func() func(limit.Who) []limit.Level { return levels }
}

func ruleOf(kind limit.Kind, name, text string, action limit.Action) limit.Rule {
	l, err := limit.Parse(text)
	if err != nil {
		panic(err)
	}
	l.Action = action
	return limit.Rule{For: limit.Subject{Kind: kind, Name: name}, Limit: l}
}

const hello = "From: shop@example.org\r\nSubject: x\r\n\r\nHello\r\n"

// events lists those of a kind.
func (f *fixture) events(kind audit.Kind) []audit.Event {
	f.t.Helper()
	f.must(f.recorder.Flush(f.t.Context()))
	list, err := f.store.Search(f.t.Context(), audit.Query{Kind: kind})
	f.must(err)
	return list
}

func TestLimitDefersAndSaysWhy(t *testing.T) {
	f := newFixture(t)
	f.limited(ruleOf(limit.Account, testLogin, "recipients/hour=3", limit.Defer), ruleOf(limit.Domain, limit.Each, "recipients/hour=100", limit.Defer))
	s := f.login()
	_, err := f.submit(s, testLogin, strings.NewReader(hello), "a@there.example", "b@there.example")
	f.must(err)
	_, err = f.submit(s, testLogin, strings.NewReader(hello), "a@there.example", "b@there.example")
	wantReason(t, err, smtp.ELimitReached)
	reply := smtp.ReplyFor(err)
	text := reply.Text
	for _, part := range []string{"3 recipients in an hour for account " + testLogin, "2 used", "2 more wanted", "room from 20"} {
		if !strings.Contains(text, part) {
			t.Errorf("the client is not told %q: %s", part, text)
		}
	}
	if reply.Code != 452 || len(f.offered) != 1 {
		t.Errorf("the reply is %v, offered were %d", reply, len(f.offered))
	}
	_, err = f.submit(s, testLogin, strings.NewReader(hello), "a@there.example")
	f.must(err)
}

// TestAloneOverALimit: what never has room is refused for good.
func TestAloneOverALimit(t *testing.T) {
	f := newFixture(t)
	f.limited(ruleOf(limit.Account, testLogin, "recipients/hour=3", limit.Defer))
	_, err := f.submit(f.login(), testLogin, strings.NewReader(hello), "a@there.example", "b@there.example", "c@there.example", "d@there.example")
	wantReason(t, err, smtp.ELimitRefused)
}

// TestOverBeforeTheContent: who is over a limit hears it at the recipient with whom it is, without
// a question to the store; the postmaster is none of them, and a higher limit is felt at once.
func TestOverBeforeTheContent(t *testing.T) {
	f := newFixture(t)
	f.limited(ruleOf(limit.Account, testLogin, "recipients/hour=3", limit.Defer))
	s := f.login()
	_, err := f.submit(s, testLogin, strings.NewReader(hello), "a@there.example", "b@there.example")
	f.must(err)
	_, err = f.submit(s, testLogin, strings.NewReader(hello), "a@there.example", "b@there.example")
	wantReason(t, err, smtp.ELimitReached) // behind the content
	rcpt := func(to string) error { return s.Rcpt(t.Context(), mail.Recipient{To: address(t, to)}) }
	f.must(s.Mail(t.Context(), mail.Envelope{From: address(t, testLogin)}))
	f.must(rcpt("a@there.example"))
	err = rcpt("b@there.example")
	wantReason(t, err, smtp.ELimitReached)
	if reply := smtp.ReplyFor(err); reply.Code != 452 || !strings.Contains(reply.Text, "2 used") || !strings.Contains(reply.Text, "room from 20") {
		t.Errorf("the reply is %v", reply)
	}
	_, err = s.Data(t.Context(), strings.NewReader(hello)) // to the first one
	f.must(err)
	f.must(s.Mail(t.Context(), mail.Envelope{From: address(t, testLogin)}))
	wantReason(t, rcpt("a@there.example"), smtp.ELimitReached)
	f.must(rcpt("postmaster@gate.example.org"))
	s.Reset()
	f.limited(ruleOf(limit.Account, testLogin, "recipients/hour=4", limit.Defer))
	_, err = f.submit(s, testLogin, strings.NewReader(hello), "a@there.example")
	f.must(err)
}

// TestUsedUpIsToldAtTheFirst: once a message to several was refused where nothing is left, one to a single recipient
// is refused before its content.
func TestUsedUpIsToldAtTheFirst(t *testing.T) {
	f := newFixture(t)
	f.limited(ruleOf(limit.Account, testLogin, "recipients/hour=200", limit.Defer))
	s := f.login()
	_, err := f.submit(s, testLogin, strings.NewReader(hello), "a@there.example", "b@there.example", "c@there.example")
	f.must(err)
	f.limited(ruleOf(limit.Account, testLogin, "recipients/hour=2", limit.Defer))
	_, err = f.submit(s, testLogin, strings.NewReader(hello), "a@there.example", "b@there.example")
	wantReason(t, err, smtp.ELimitReached) // behind the content
	f.must(s.Mail(t.Context(), mail.Envelope{From: address(t, testLogin)}))
	err = s.Rcpt(t.Context(), mail.Recipient{To: address(t, "a@there.example")})
	wantReason(t, err, smtp.ELimitReached)
	if text := smtp.ReplyFor(err).Text; !strings.Contains(text, "2 recipients in an hour for account "+testLogin+", 3 used, room from 20") {
		t.Errorf("the reply is %q", text)
	}
}

// TestLoweredIsToldByItsNumber: what a gate remembers of a limit does not answer for another number, so that a
// limit of nothing refuses for good at once.
func TestLoweredIsToldByItsNumber(t *testing.T) {
	f := newFixture(t)
	f.limited(ruleOf(limit.Account, testLogin, "messages/hour=2", limit.Defer))
	s := f.login()
	for range 2 {
		_, err := f.submit(s, testLogin, strings.NewReader(hello), "a@there.example")
		f.must(err)
	}
	rcpt := func() error {
		f.must(s.Mail(t.Context(), mail.Envelope{From: address(t, testLogin)}))
		return s.Rcpt(t.Context(), mail.Recipient{To: address(t, "a@there.example")})
	}
	wantReason(t, rcpt(), smtp.ELimitReached)
	s.Reset()
	f.limited(ruleOf(limit.Account, testLogin, "messages/hour=0", limit.Defer))
	_, err := f.submit(s, testLogin, strings.NewReader(hello), "a@there.example")
	wantReason(t, err, smtp.ELimitRefused)
	if text := smtp.ReplyFor(err).Text; strings.Contains(text, "room from") || !strings.Contains(text, "0 messages in an hour") {
		t.Errorf("the reply is %q", text)
	}
}

// TestPostmasterCountsApart: who has no room left can still ask for help, ten times a day.
func TestPostmasterCountsApart(t *testing.T) {
	f := newFixture(t)
	f.limited(ruleOf(limit.Account, testLogin, "messages/hour=0", limit.Refuse), ruleOf(limit.Domain, "example.org", "recipients/hour=1", limit.Defer))
	for range 10 {
		_, err := f.submit(f.login(), testLogin, strings.NewReader(hello), "Postmaster@gate.example.org")
		f.must(err)
	}
	_, err := f.submit(f.login(), testLogin, strings.NewReader(hello), "Postmaster@gate.example.org")
	wantReason(t, err, smtp.ELimitReached)
	for _, to := range [][]string{{"postmaster@there.example"}, {"a@there.example", "postmaster@gate.example.org"}, {"postmaster@gate.example.org", "pOstmaster@gate.example.org"}} {
		_, err = f.submit(f.login(), testLogin, strings.NewReader(hello), to...)
		wantReason(t, err, smtp.ELimitRefused)
	}
}

func TestEveryLevelIsAsked(t *testing.T) {
	f := newFixture(t)
	f.gate.opt.Node = "n1"
	var who limit.Who
	f.gate.opt.Limits = func() func(limit.Who) []limit.Level {
		return func(w limit.Who) []limit.Level { who = w; return nil }
	}
	f.must(f.admin.SetCustomerPlan(t.Context(), "acme", "small"))
	_, err := f.submit(f.login(), testLogin, strings.NewReader(hello), "a@there.example")
	f.must(err)
	if who.Credential == "" {
		t.Error("without the credential")
	}
	who.Credential = ""
	want := limit.Who{Account: testLogin, Plan: "small", Domain: "example.org", Customer: "acme", Network: network.Of(netip.MustParseAddr("192.0.2.7")), Node: "n1"}
	if who != want {
		t.Errorf("asked about %+v, want %+v", who, want)
	}
}

// TestLimitIsFeltAtOnce: in an open session the next message, and one on its way, is held against the limits that
// hold now, of the account on the plan that it has now.
func TestLimitIsFeltAtOnce(t *testing.T) {
	f := newFixture(t)
	b := book.New(nil)
	f.gate.opt.Limits = b.Watch
	s := f.login()
	n := 0
	set := func(kind limit.Kind, name, text string) limit.Rule {
		n++
		r := ruleOf(kind, name, text, limit.Refuse)
		r.ID = mail.ID(strings.Repeat("R", n))
		b.Apply([]limit.Rule{r})
		return r
	}
	sends := func(body io.Reader, passes bool) {
		t.Helper()
		_, err := f.submit(s, testLogin, body, "a@there.example")
		if !passes {
			wantReason(t, err, smtp.ELimitRefused)
			return
		}
		f.must(err)
	}
	sends(strings.NewReader(hello), true)
	r := set(limit.Account, testLogin, "messages/connection=0")
	sends(strings.NewReader(hello), false)
	r.Lifted, r.End = "me", time.Unix(1, 0)
	b.Apply([]limit.Rule{r})
	sends(strings.NewReader(hello), true)
	f.must(f.admin.AddPlan(t.Context(), account.Plan{Name: "roomy"}))
	set(limit.Plan, "roomy", "messages/connection=0")
	sends(strings.NewReader(hello), true)
	f.must(f.admin.SetCustomerPlan(t.Context(), "acme", "roomy"))
	sends(strings.NewReader(hello), false)
	f.must(f.admin.SetCustomerPlan(t.Context(), "acme", ""))
	sends(strings.NewReader(hello), true)
	sends(&during{Reader: strings.NewReader(hello), act: func() { set(limit.Domain, "example.org", "messages/connection=0") }}, false)
}

func TestLimitHoldsAndSlows(t *testing.T) {
	for action, c := range map[limit.Action]struct {
		kind   audit.Kind
		state  queue.State
		reason string
	}{limit.Hold: {audit.LimitHeld, queue.Held, queue.HoldLimit}, limit.Slow: {audit.LimitSlowed, queue.Queued, queue.Slowed}} {
		f := newFixture(t)
		f.limited(ruleOf(limit.Account, testLogin, "messages/hour=1", action))
		s := f.login()
		for range 2 {
			_, err := f.submit(s, testLogin, strings.NewReader(hello), "a@there.example")
			f.must(err)
		}
		if d := f.offered[1].Deliveries[0]; d.State != c.state || d.HoldReason != c.reason || c.state == queue.Queued && time.Until(d.Next) < 59*time.Minute {
			t.Errorf("%s: delivered is %+v", action, d)
		}
		if list := f.events(c.kind); len(list) != 1 || list[0].Data["limit"] != "messages/hour=1" || list[0].Data["room"] == "" || list[0].Login != testLogin {
			t.Errorf("%s: the record has %+v", action, list)
		}
	}
}

func TestShadowAndWarningAreRecorded(t *testing.T) {
	f := newFixture(t)
	f.setPolicy(func(p *Policy) { p.WarnAt = 50 })
	shadow := ruleOf(limit.Domain, "example.org", "messages/day=1", limit.Refuse)
	shadow.Limit.Shadow = true
	f.limited(shadow, ruleOf(limit.Account, testLogin, "recipients/hour=4", limit.Defer))
	s := f.login()
	for range 3 {
		_, err := f.submit(s, testLogin, strings.NewReader(hello), "a@there.example")
		f.must(err)
	}
	if list := f.events(audit.LimitShadow); len(list) != 2 || list[0].Data["subject"] != "domain example.org" || list[0].Data["action"] != "refuse" || list[0].Data["used"] != "1" {
		t.Errorf("the record has %+v", list)
	}
	near := f.events(audit.LimitNear)
	if len(near) != 1 { // of the account's with the second, of the domain's never
		t.Fatalf("the record has %+v", near)
	}
	if near[0].Data["limit"] != "recipients/hour=4" || near[0].Data["used"] != "1" || near[0].Data["want"] != "1" || !strings.HasSuffix(near[0].Text, ", 2 used") {
		t.Errorf("the record has %+v", near[0])
	}
}

// TestShadowBesideLive: one in shadow takes nothing from the limit that counts, its plan's here, and says what
// it would have done as long as that lets pass.
func TestShadowBesideLive(t *testing.T) {
	f := newFixture(t)
	tried := ruleOf(limit.Account, testLogin, "messages/hour=1", limit.Defer)
	tried.Limit.Shadow = true
	f.limited(tried, ruleOf(limit.Account, limit.Each, "messages/hour=2", limit.Defer))
	s := f.login()
	for range 2 {
		_, err := f.submit(s, testLogin, strings.NewReader(hello), "a@there.example")
		f.must(err)
	}
	f.must(s.Mail(t.Context(), mail.Envelope{From: address(t, testLogin)}))
	wantReason(t, s.Rcpt(t.Context(), mail.Recipient{To: address(t, "a@there.example")}), smtp.ELimitReached)
	if list := f.events(audit.LimitShadow); len(list) != 1 || list[0].Data["limit"] != "messages/hour=1" || list[0].Data["used"] != "1" {
		t.Errorf("the record has %+v", list)
	}
}

// TestRefusedLargeBodyIsRemoved: what is refused leaves no file behind.
func TestRefusedLargeBodyIsRemoved(t *testing.T) {
	f := newFixture(t)
	f.limited(ruleOf(limit.Account, testLogin, "bytes/hour=1KiB", limit.Defer))
	_, err := f.submit(f.login(), testLogin, strings.NewReader(hello+strings.Repeat(strings.Repeat("x", 70)+"\r\n", 4000)), "a@there.example")
	var over *limit.OverError
	if !errors.As(err, &over) || !fault.Is(err, fault.Denied) {
		t.Fatal(err)
	}
	f.nothing()
}
