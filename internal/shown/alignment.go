package shown

import (
	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/dmarc"
)

// Alignment is what is shown of a look at a domain.
type Alignment struct {
	Domain   mail.Domain       `json:"domain"`
	MailFrom mail.Domain       `json:"mail_from"`
	Verdict  alignment.Verdict `json:"verdict"`
	Policy   dmarc.Policy      `json:"policy"`
	DKIM     Leg               `json:"dkim"`
	SPF      Leg               `json:"spf"`
	Notes    []string          `json:"notes"`
	Publish  []Record          `json:"publish"`
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
		Domain: a.Question.From, MailFrom: a.Question.MailFrom, Verdict: a.Verdict, Policy: a.Policy,
		DKIM: legOf(a.DKIM), SPF: legOf(a.SPF), Notes: append([]string{}, a.Notes...),
		Publish: Each(a.Publish, func(r dkim.Record) Record { return Record{r.Name, r.Type(), r.Data()} }),
	}
}

func legOf(l alignment.Leg) Leg { return Leg{l.State, append([]string{}, l.Reasons...)} }
