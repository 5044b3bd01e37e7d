package submission

import (
	"strings"
	"testing"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
)

// TestWarningByMail: who nears a limit gets one mail with what is used, of how much and when, and so
// does the operator; it comes from nobody, counts nowhere, and is offered for delivery.
func TestWarningByMail(t *testing.T) {
	f := newFixture(t)
	ops := mail.Address{Local: "ops", Domain: "provider.example"}
	f.setPolicy(func(p *Policy) { p.WarnAt, p.WarnTo = 50, ops })
	quiet := ruleOf(limit.Customer, "acme", "messages/hour=4", limit.Defer)
	quiet.Limit.Quiet = true
	f.limited(ruleOf(limit.Account, testLogin, "messages/hour=4", limit.Refuse), ruleOf(limit.Domain, "example.org", "recipients/day=6", limit.Hold), quiet)
	s := f.login()
	for range 4 {
		_, err := f.submit(s, testLogin, strings.NewReader(hello), "a@there.example")
		f.must(err)
	}
	if len(f.offered) != 4+3 {
		t.Errorf("%d were offered", len(f.offered))
	}
	near := f.events(audit.LimitNear)
	if len(near) != 3 { // the quiet one too
		t.Errorf("the record has %+v", near)
	}
	to := map[string][]string{}
	for _, a := range f.offered {
		if a.Submission.Envelope.From.IsNull() {
			text := string(a.Content.Head) + string(a.Content.Body)
			r := a.Deliveries[0].Recipient.To.String()
			to[r] = append(to[r], text)
			if a.Submission.Login != "" || a.Submission.Cause == "" || a.Limits != nil {
				t.Errorf("a warning is of somebody: %+v", a.Submission)
			}
		}
	}
	if len(to[testLogin]) != 1 || len(to[ops.String()]) != 2 || len(to) != 2 {
		t.Fatalf("warned are %v", to)
	}
	for _, part := range []string{"To: <" + testLogin + ">\r\n", "Auto-Submitted: auto-generated\r\n", "account " + testLogin, "4 messages in an hour", "used:    2, at 20", " UTC\r\n", "is: refused."} {
		if !strings.Contains(to[testLogin][0], part) {
			t.Errorf("the owner is not told %q: %s", part, to[testLogin][0])
		}
	}
	if all := strings.Join(to[ops.String()], ""); !strings.Contains(all, "domain example.org") || strings.Contains(all, "customer acme") {
		t.Errorf("the operator is told %s", all)
	}
	counters, at, err := f.store.Counted(t.Context(), []limit.Subject{{Kind: limit.Account, Name: testLogin}, {Kind: limit.Everything}})
	f.must(err)
	if n := counters[0].Used(limit.Hour, limit.Messages, at); n != 4 {
		t.Errorf("%d messages are counted", n)
	}
}
