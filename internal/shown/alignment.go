package shown

import (
	"time"

	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/dmarc"
	"countersign/internal/policy/rounds"
)

// Alignment is what is shown of a look at a domain.
type Alignment struct {
	Domain   mail.Domain       `json:"domain"`
	MailFrom mail.Domain       `json:"mail_from"`
	Verdict  alignment.Verdict `json:"verdict"`
	Policy   dmarc.Policy      `json:"policy"`
	// PolicyUnknown says that DNS does not answer for the policy, so that none is known.
	PolicyUnknown bool     `json:"policy_unknown,omitempty"`
	DKIM          Leg      `json:"dkim"`
	SPF           Leg      `json:"spf"`
	Notes         []string `json:"notes"`
	Publish       []Record `json:"publish"`
}

// Leg is one of the two ways to pass.
type Leg struct {
	Verdict alignment.Verdict `json:"verdict"`
	Reasons []string          `json:"reasons"`
}

// Record is a DNS record to publish.
type Record struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

// AlignmentOf shows an assessment.
func AlignmentOf(a alignment.Assessment) Alignment {
	return Alignment{
		Domain: a.Question.From, MailFrom: a.Question.MailFrom, Verdict: a.Verdict, Policy: a.Policy, PolicyUnknown: a.PolicyUnknown,
		DKIM: legOf(a.DKIM), SPF: legOf(a.SPF), Notes: append([]string{}, a.Notes...),
		Publish: Each(a.Publish, func(r dkim.Record) Record { return Record{r.Name, r.Type(), r.Data()} }),
	}
}

func legOf(l alignment.Leg) Leg { return Leg{l.State, append([]string{}, l.Reasons...)} }

// Look is what is shown of the last of the regular looks at a domain.
type Look struct {
	Verdict alignment.Verdict `json:"verdict"`
	Policy  dmarc.Policy      `json:"policy"` // as known last; "" where none applies, or none was ever known
	Reason  string            `json:"reason"` // "" where mail passes
	At      time.Time         `json:"at"`
}

// Text says it in one line.
func (l *Look) Text() string {
	text := map[alignment.Verdict]string{
		alignment.Pass: "mail passes DMARC", alignment.WillFail: "mail will fail DMARC", alignment.Unknown: "whether mail passes DMARC is not known",
	}[l.Verdict] + ", at " + l.At.UTC().Format("2006-01-02 15:04:05Z")
	if l.Reason != "" {
		text += ": " + l.Reason
	}
	return text
}

// LookOf shows a look, nil where none has ended.
func LookOf(l rounds.Look) *Look {
	if l.At.IsZero() || l.Verdict == "" {
		return nil
	}
	look := &Look{alignment.Verdict(l.Verdict), dmarc.Policy(l.Policy), l.Reason, l.At}
	if look.Verdict == alignment.Pass { // a gate of the release before leaves an older look's reason there
		look.Reason = ""
	}
	return look
}
