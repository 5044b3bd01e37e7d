package submission

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/policy/rules"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/figures"
)

// ruledBy gives a gate rules, and metrics.
func (f *fixture) ruledBy(specs ...rules.Spec) {
	f.t.Helper()
	set, found := rules.Compile(specs)
	if set == nil {
		f.t.Fatalf("%+v", found)
	}
	f.figures = prometheus.NewRegistry()
	f.gate.opt.Metrics = figures.New(f.figures)
	f.setPolicy(func(p *Policy) { p.Rules = set })
}

// rule is one that says "Because so".
func rule(name string, at rules.Stage, when string, v rules.Verdict) rules.Spec {
	return rules.Spec{Name: name, At: at, When: when, Verdict: v, Because: "Because so", Delay: time.Hour}
}

// ruleCount is what the metric has of a rule.
func (f *fixture) ruleCount(name, outcome string) float64 {
	f.t.Helper()
	families, err := f.figures.Gather()
	f.must(err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if l := m.GetLabel(); family.GetName() == "countersign_submission_rules_total" && l[0].GetValue() == outcome && l[1].GetValue() == name {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// refusedBy wants the reply of a rule, and nothing stored.
func (f *fixture) refusedBy(err error, reason smtp.Reason, want string) {
	f.t.Helper()
	wantReason(f.t, err, reason)
	r := smtp.ReplyFor(err)
	if got := fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text); got != want {
		f.t.Errorf("answered %q, want %q", got, want)
	}
	if stats, err := f.store.Stats(f.t.Context()); err != nil || stats.Queued+stats.Held != 0 || len(f.offered) != 0 {
		f.t.Errorf("%+v, %v: something is left", stats, err)
	}
}

func TestRuleRefuses(t *testing.T) {
	for _, at := range []rules.Stage{rules.Mail, rules.Recipient, rules.Data} {
		f := newFixture(t)
		f.ruledBy(rule("no", at, `principal.login == "shop@example.org" && connection.tls == "1.3" && connection.client.in_network("192.0.2.0/24") && connection.listener == "test"`, rules.Refuse))
		s := f.login()
		_, err := f.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com")
		f.refusedBy(err, smtp.ERuleRefused, "550 5.7.1 Because so (rule no).")
		r := smtp.ReplyFor(err)
		s.Observe(t.Context(), smtpserver.Observation{Kind: smtpserver.ObservedRefusal, Verb: "X", Code: r.Code, Reason: string(r.Reason), Text: r.Text})
		if e := f.events(audit.CommandRefused); len(e) != 1 || e[0].Data["rule"] != "no" || e[0].Data["verb"] != "X" {
			t.Errorf("%s: recorded %+v", at, e)
		}
		if n := f.ruleCount("no", "refuse"); n != 1 {
			t.Errorf("%s: counted %v", at, n)
		}
		s.Observe(t.Context(), smtpserver.Observation{Kind: smtpserver.ObservedRefusal, Verb: "Y", Code: 500, Reason: string(smtp.EUnknownCommand)})
		if e := f.events(audit.CommandRefused); len(e) != 2 || e[1].Data["rule"] != "" {
			t.Errorf("%s: what came later has the rule, too: %+v", at, e)
		}
	}
}

func TestRuleDefers(t *testing.T) {
	f := newFixture(t)
	f.ruledBy(rule("later", rules.Recipient, `envelope.recipient.domain() == "example.com"`, rules.Defer))
	_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
	f.refusedBy(err, smtp.ERuleDeferred, "451 4.7.1 Because so (rule later); try again later.")
}

// TestRuleIsForOneRecipient: the others get the message.
func TestRuleIsForOneRecipient(t *testing.T) {
	f := newFixture(t)
	f.ruledBy(rule("typo", rules.Recipient, `envelope.recipient == "b@exmaple.com" || counters.recipients > 2`, rules.Refuse))
	s := f.login()
	f.must(s.Mail(t.Context(), mail.Envelope{From: address(t, testLogin)}))
	for i, to := range []string{"a@example.com", "b@exmaple.com", "c@example.com", "d@example.com", "a@example.com"} {
		err := s.Rcpt(t.Context(), mail.Recipient{To: address(t, to)})
		if refused := i == 1 || i == 3; (err != nil) != refused {
			t.Errorf("%s: %v", to, err)
		}
	}
	_, err := s.Data(t.Context(), strings.NewReader(plainMail))
	f.must(err)
	if len(f.offered) != 1 || len(f.offered[0].Deliveries) != 2 {
		t.Errorf("offered %+v", f.offered)
	}
}

// TestRuleSeesTheMessage as the client has sent it: without what the gate adds.
func TestRuleSeesTheMessage(t *testing.T) {
	f := newFixture(t)
	f.ruledBy(rule("yes", rules.Data, `message.subject == "Grüße" && message.header.count("Received") == 0 && message.header.first("Message-ID") == "" &&
		message.from == "shop@example.org" && message.size > 100 && envelope.recipients == ["b@example.com", "c@example.com"] && envelope.from == message.senders[0] &&
		principal.customer == "acme" && principal.domain == "example.org" && principal.credential_kind == "password" && principal.mechanism == "PLAIN" && counters.account_days == 0`, rules.Refuse))
	_, err := f.submit(f.login(), testLogin, strings.NewReader("From: shop@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n"), "b@example.com", "c@example.com")
	f.refusedBy(err, smtp.ERuleRefused, "550 5.7.1 Because so (rule yes).")
}

func TestRuleHolds(t *testing.T) {
	f := newFixture(t)
	f.ruledBy(rule("look", rules.Data, `message.subject == "Hi"`, rules.Hold))
	d, events := f.sent()
	if d.State != queue.Held || d.HoldReason != queue.HoldRule || len(events) != 2 {
		t.Fatalf("%+v, %v", d, kinds(events))
	}
	if e := events[1]; e.Kind != audit.RuleHeld || e.Data["rule"] != "look" || e.Text != "Because so" || e.Reason != queue.HoldRule || e.Login != testLogin {
		t.Errorf("%+v", e)
	}
	n, err := f.store.Release(t.Context(), queue.Filter{Submission: d.Submission}, audit.Event{At: time.Now(), Kind: audit.DeliveryReleased, Actor: "test"})
	if err != nil || n != 1 {
		t.Errorf("released %d, %v", n, err)
	}
}

func TestRuleSlows(t *testing.T) {
	f := newFixture(t)
	f.ruledBy(rule("wait", rules.Data, `message.subject == "Hi"`, rules.Slow))
	before := time.Now()
	d, events := f.sent()
	if d.State != queue.Queued || d.HoldReason != queue.Slowed || d.Next.Before(before.Add(59*time.Minute)) || d.Next.After(time.Now().Add(time.Hour)) {
		t.Errorf("%+v", d)
	}
	if len(events) != 2 || events[1].Kind != audit.RuleSlowed || events[1].Data["room"] != d.Next.UTC().Format(time.RFC3339) {
		t.Errorf("%+v", events)
	}
}

// TestRuleAllows: the row ends, and the record says by what.
func TestRuleAllows(t *testing.T) {
	f := newFixture(t)
	f.ruledBy(rule("friends", rules.Data, `principal.customer == "acme"`, rules.Allow), rule("no", rules.Data, `message.size > 1`, rules.Refuse))
	d, events := f.sent()
	if d.State != queue.Queued || len(events) != 1 || events[0].Data["rule"] != "friends" {
		t.Errorf("%+v, %+v", d, events)
	}
}

// TestRuleInShadow is recorded and stops nothing.
func TestRuleInShadow(t *testing.T) {
	f := newFixture(t)
	var specs []rules.Spec
	for _, at := range []rules.Stage{rules.Mail, rules.Recipient, rules.Data} {
		r := rule("quiet-"+string(at), at, `principal.customer == "acme"`, rules.Refuse)
		r.Shadow = true
		specs = append(specs, r)
	}
	f.ruledBy(specs...)
	d, _ := f.sent()
	events := f.events(audit.RuleShadow)
	if d.State != queue.Queued || len(events) != 3 {
		t.Fatalf("%+v, %+v", d, events)
	}
	for i, at := range []rules.Stage{rules.Mail, rules.Recipient, rules.Data} {
		e := events[i]
		if e.Data["rule"] != "quiet-"+string(at) || e.Data["at"] != string(at) || e.Data["action"] != "refuse" || (e.Submission != "") != (at == rules.Data) {
			t.Errorf("%+v", e)
		}
		if f.ruleCount(e.Data["rule"], "shadow") != 1 || f.ruleCount(e.Data["rule"], "refuse") != 0 {
			t.Errorf("%s: counted otherwise", at)
		}
	}
}

// TestRuleFails: what cannot be evaluated does what the operator says, and nothing of what the client
// sent is in the record.
func TestRuleFails(t *testing.T) {
	f := newFixture(t)
	f.ruledBy(rule("number", rules.Data, `int(message.subject) > 5`, rules.Refuse))
	_, err := f.submit(f.login(), testLogin, strings.NewReader("From: shop@example.org\r\nSubject: my \"secret' words\r\n\r\nHello\r\n"), "b@example.com")
	f.refusedBy(err, smtp.ERuleFailed, "451 4.7.1 The rules of your provider cannot be applied to this at the moment; try again later.")
	events := f.events(audit.RuleFailed)
	if len(events) != 1 || events[0].Data["rule"] != "number" || events[0].Data["action"] != "defer" || events[0].Text == "" || strings.Contains(events[0].Text, "secret") || strings.Contains(events[0].Text, "words") {
		t.Errorf("%+v", events)
	}
	if f.ruleCount("number", "failed") != 1 || f.ruleCount("number", "defer") != 0 {
		t.Error("counted otherwise")
	}
	skip := rule("number", rules.Data, `int(message.subject) > 5`, rules.Refuse)
	skip.OnError = rules.Skip
	f.ruledBy(skip)
	if d, _ := f.sent(); d.State != queue.Queued {
		t.Errorf("%+v", d)
	}
	if events := f.events(audit.RuleFailed); len(events) != 2 || events[1].Data["action"] != "skip" || events[1].Submission == "" {
		t.Errorf("%+v", events)
	}
}

// TestRuleAtConnect turns away before the greeting, within the rations of the record.
func TestRuleAtConnect(t *testing.T) {
	f := newFixture(t)
	shadow := rule("quiet", rules.Connect, `connection.listener == "test"`, rules.Refuse)
	shadow.Shadow = true
	f.ruledBy(shadow, rule("no", rules.Connect, `connection.client.in_network("192.0.2.0/24")`, rules.Refuse), rule("later", rules.Connect, `connection.client == address("2001:db8::1")`, rules.Defer))
	for client, want := range map[string]string{
		"192.0.2.7": "554 5.7.1 Because so (rule no).", "::ffff:192.0.2.7": "554 5.7.1 Because so (rule no).",
		"2001:db8::1": "421 4.7.0 Because so (rule later); try again later.", "198.51.100.1": "",
	} {
		err := f.gate.Admit(smtpserver.Peer{ID: f.ids.New(), Listener: "test", Client: netip.AddrPortFrom(netip.MustParseAddr(client), 4711)})
		got := ""
		if err != nil {
			r := smtp.ReplyFor(err)
			got = fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", client, got, want)
		}
	}
	if n := len(f.events(audit.RuleShadow)); n != 4 {
		t.Errorf("%d of 4 in shadow recorded", n)
	}
	refused := f.events(audit.ConnectionRefused)
	if len(refused) != 3 || refused[0].Data["rule"] == "" {
		t.Errorf("%+v", refused)
	}
	for range 1000 {
		_ = f.gate.Admit(smtpserver.Peer{ID: f.ids.New(), Listener: "test", Client: netip.MustParseAddrPort("192.0.2.9:4711")})
	}
	if n := len(f.events(audit.RuleShadow)) + len(f.events(audit.ConnectionRefused)); n > 400 {
		t.Errorf("%d events of strangers recorded", n)
	}
}

// TestHeldForTwo: what alignment holds stays held for that, and the record has both.
func TestHeldForTwo(t *testing.T) {
	f := newFixture(t)
	f.ruledBy(rule("wait", rules.Data, `message.subject == "Hi"`, rules.Slow))
	f.aligning("hold")
	d, events := f.sent()
	if d.State != queue.Held || d.HoldReason != queue.HoldAlignment || len(events) != 4 || events[3].Kind != audit.RuleSlowed {
		t.Errorf("%+v, %v", d, kinds(events))
	}
}

// TestRuleSeesWhatWasCounted, where a limit counts it, and by whose name.
func TestRuleSeesWhatWasCounted(t *testing.T) {
	f := newFixture(t)
	shadow := ruleOf(limit.Account, testLogin, "recipients/hour=1000", limit.Defer)
	shadow.Limit.Shadow = true
	f.limited(shadow)
	asked := 0
	f.gate.opt.Counted = func(ctx context.Context, of []limit.Subject) ([]*limit.Counter, time.Time, error) {
		asked++
		return f.store.Counted(ctx, of)
	}
	f.ruledBy(rule("many", rules.Recipient, `counted.used("account recipients/hour") + counters.recipients > 3`, rules.Defer))
	s := f.login()
	_, err := f.submit(s, testLogin, strings.NewReader(plainMail), "a@example.com", "b@example.com")
	f.must(err)
	if asked != 1 {
		t.Errorf("the store was asked %d times for one message", asked)
	}
	_, err = f.submit(s, testLogin, strings.NewReader(plainMail), "a@example.com", "b@example.com")
	wantReason(t, err, smtp.ERuleDeferred)
	_, err = f.submit(s, testLogin, strings.NewReader(plainMail), "a@example.com")
	f.must(err)
	f.ruledBy(rule("elsewhere", rules.Data, `counted.used("account recipients/day") > 3`, rules.Refuse))
	_, err = f.submit(s, testLogin, strings.NewReader(plainMail), "a@example.com")
	wantReason(t, err, smtp.ERuleFailed)
	if e := f.events(audit.RuleFailed); len(e) != 1 || !strings.Contains(e[0].Text, "no limit for the account counts in a day") {
		t.Errorf("%+v", e)
	}
}
