package alignment

import (
	"strings"
	"testing"

	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/policy/dmarc"
)

func TestRule(t *testing.T) {
	rules := Rules{Default: Refuse, Domains: map[mail.Domain]Action{
		"off.example": Off, "warn.example": Warn, "hold.example": Hold, "refuse.example": Refuse,
	}}
	for _, tt := range []struct {
		from    mail.Domain
		verdict Verdict
		policy  dmarc.Policy
		want    Action
	}{
		{"refuse.example", WillFail, dmarc.Reject, Refuse},
		{"refuse.example", WillFail, dmarc.Quarantine, Refuse},
		{"refuse.example", WillFail, dmarc.None, Warn},
		{"refuse.example", WillFail, dmarc.Nothing, Warn},
		{"refuse.example", Unknown, dmarc.Reject, Off},
		{"refuse.example", Pass, dmarc.Reject, Off},
		{"hold.example", WillFail, dmarc.Reject, Hold},
		{"hold.example", WillFail, dmarc.None, Warn},
		{"warn.example", WillFail, dmarc.Reject, Warn},
		{"off.example", WillFail, dmarc.Reject, Off},
		{"off.example", WillFail, dmarc.None, Off},
		{"other.example", WillFail, dmarc.Reject, Refuse},
	} {
		a := Assessment{Question: Question{From: tt.from}, Verdict: tt.verdict, Policy: tt.policy}
		if got := Rule(rules.For(tt.from, ""), a).Action; got != tt.want {
			t.Errorf("%s, %s, policy %q: %q, want %q", tt.from, tt.verdict, tt.policy, got, tt.want)
		}
	}
	if got := Rule((Rules{}).For("a.example", ""), Assessment{Verdict: WillFail, Policy: dmarc.Reject}).Action; got != Off {
		t.Errorf("without rules: %q", got)
	}
	for own, want := range map[string]Action{"": Refuse, "off": Off, "warn": Warn, "hold": Hold, "refuse": Refuse} {
		if got := rules.For("other.example", own); got != want {
			t.Errorf("where %q is set for the domain: %q, want %q", own, got, want)
		}
	}
	if got := rules.For("refuse.example", "off"); got != Off {
		t.Errorf("where the domain has another than the rules: %q", got)
	}
}

// TestWorst: of several domains in From the one that fares worst counts.
func TestWorst(t *testing.T) {
	of := func(from mail.Domain, action Action, v Verdict) Ruling {
		return Ruling{Action: action, Assessment: Assessment{Question: Question{From: from}, Verdict: v}}
	}
	pass, unknown, off := of("pass", Off, Pass), of("unknown", Off, Unknown), of("off", Off, WillFail)
	warn, hold, refuse := of("warn", Warn, WillFail), of("hold", Hold, WillFail), of("refuse", Refuse, WillFail)
	for _, tt := range []struct {
		rulings []Ruling
		want    mail.Domain
	}{
		{[]Ruling{pass, of("another", Off, Pass)}, "pass"},
		{[]Ruling{pass, unknown, pass}, "unknown"},
		{[]Ruling{unknown, off}, "off"},
		{[]Ruling{off, warn, pass}, "warn"},
		{[]Ruling{hold, warn}, "hold"},
		{[]Ruling{pass, hold, refuse, of("another", Refuse, WillFail)}, "refuse"},
	} {
		if got := Worst(tt.rulings).Assessment.Question.From; got != tt.want {
			t.Errorf("%v: %s, want %s", tt.rulings, got, tt.want)
		}
	}
}

func TestWhatIsSaidOfARuling(t *testing.T) {
	r := Ruling{Action: Refuse, Assessment: Assessment{
		Question: Question{From: "example.org"}, Verdict: WillFail, Policy: dmarc.Reject,
		DKIM: Leg{WillFail, []string{"no key", "another"}}, SPF: Leg{WillFail, []string{"no record"}},
	}}
	if got, want := r.Advice(), "DMARC of example.org asks for reject, and DKIM: no key; SPF: no record"; got != want {
		t.Errorf("advice %q, want %q", got, want)
	}
	if _, ok := r.Data()["publish"]; ok {
		t.Error("a record is said to be published where there is none")
	}
	r.Assessment.Publish = []dkim.Record{{Name: "a._domainkey.example.org", Value: "v=DKIM1; p=x"}, {Name: "example.org", Value: "v=spf1 -all"}}
	if got, want := r.Advice(), "DMARC of example.org asks for reject; publish at a._domainkey.example.org the TXT record v=DKIM1; p=x"; got != want {
		t.Errorf("advice %q, want %q", got, want)
	}
	data := r.Data()
	r.Assessment.Publish = []dkim.Record{{Name: "a._domainkey.example.org", Target: "a.gate.example"}}
	if got, want := r.Advice(), "DMARC of example.org asks for reject; publish at a._domainkey.example.org the CNAME record a.gate.example."; got != want {
		t.Errorf("advice %q, want %q", got, want)
	}
	if got, want := r.Data()["publish"], "a._domainkey.example.org. IN CNAME a.gate.example."; got != want {
		t.Errorf("data %q, want %q", got, want)
	}
	if data["domain"] != "example.org" || data["policy"] != "reject" || data["action"] != "refuse" || !strings.Contains(data["publish"], `IN TXT "v=DKIM1; p=x"`) {
		t.Errorf("data %v", data)
	}
}
