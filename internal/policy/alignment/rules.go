package alignment

import (
	"cmp"
	"fmt"
	"slices"

	"countersign/internal/mail"
)

// Action is what is done about a message that will fail.
type Action string

// The actions. The zero value is Off.
const (
	// Off: nothing is found out.
	Off Action = ""
	// Warn: the message is accepted, and the record has a warning.
	Warn Action = "warn"
	// Hold: it is accepted and held, until somebody releases it.
	Hold Action = "hold"
	// Refuse: it is refused, with the DNS record that mends it.
	Refuse Action = "refuse"
)

// Rules say what is done for which From domain. They are not changed once in use.
type Rules struct {
	// Default is for domains that are not in Domains.
	Default Action
	Domains map[mail.Domain]Action
}

// For returns what is wanted for a From domain. own is what is set for that domain itself, "off"
// or the text of another Action, and decides; "" leaves it to the rules.
func (r Rules) For(from mail.Domain, own string) Action {
	switch own {
	case "off":
		return Off
	case "":
	default:
		return Action(own)
	}
	if action, ok := r.Domains[from]; ok {
		return action
	}
	return r.Default
}

// Ruling is what becomes of one message.
type Ruling struct {
	// Action is Off for a message that takes its way as any other.
	Action     Action
	Assessment Assessment
}

// Rule applies what is wanted for its From domain to an assessment. What is Unknown, or passes, is
// left alone; what receivers are not asked to turn away is neither held nor refused.
func Rule(action Action, a Assessment) Ruling {
	switch {
	case a.Verdict != WillFail:
		action = Off
	case action != Off && !a.Refusable():
		action = Warn
	}
	return Ruling{Action: action, Assessment: a}
}

// Worst returns the ruling of several about one message that counts: the strictest action, and of
// those that are left alone what fails or is not known. Of those that are alike it is the first.
func Worst(rulings []Ruling) Ruling {
	rank := func(r Ruling) int {
		return 3*slices.Index([]Action{Off, Warn, Hold, Refuse}, r.Action) + slices.Index([]Verdict{Pass, Unknown, WillFail}, r.Assessment.Verdict)
	}
	return slices.MaxFunc(rulings, func(a, b Ruling) int { return cmp.Compare(rank(a), rank(b)) })
}

// Data is what the record keeps of a ruling that is not Off, beside Assessment.Reason.
func (r Ruling) Data() map[string]string {
	data := map[string]string{
		"domain": r.Assessment.Question.From.String(), "policy": string(r.Assessment.Policy), "action": string(r.Action),
	}
	if len(r.Assessment.Publish) > 0 {
		data["publish"] = r.Assessment.Publish[0].ZoneLine()
	}
	return data
}

// Advice is what the sender of a refused message is told: whose policy it is, and the
// record that mends it or, where there is none to propose, what is wrong. It holds nothing that
// the domain's owner does not publish anyway.
func (r Ruling) Advice() string {
	a := r.Assessment
	text := fmt.Sprintf("DMARC of %s asks for %s", a.Question.From, a.Policy)
	if len(a.Publish) == 0 {
		return text + ", and " + a.Reason()
	}
	return text + fmt.Sprintf("; publish at %s the %s record %s", a.Publish[0].Name, a.Publish[0].Type(), a.Publish[0].Data())
}
