package ruling

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/mail"
	"countersign/internal/policy/replay"
	"countersign/internal/policy/rules"
)

// Tested is what "rule test --json" prints.
type Tested struct {
	// Messages are all that were looked at; the others say how many of them would have passed, and
	// so on. Unsure are those of which it is not known; they count nowhere else.
	Messages int `json:"messages"`
	Pass     int `json:"pass"`
	Refuse   int `json:"refuse"`
	Defer    int `json:"defer"`
	Hold     int `json:"hold"`
	Slow     int `json:"slow"`
	Unsure   int `json:"unsure"`
	// Rules has what each rule says by itself.
	Rules []Tally `json:"rules"`
	// Found are the messages that would not have passed, or might not have.
	Found []Found `json:"found"`
}

// Tally is what one rule says by itself.
type Tally struct {
	Name    string `json:"name"`
	At      string `json:"at"`
	Verdict string `json:"verdict"`
	Shadow  bool   `json:"shadow"`
	Matches int    `json:"matches"`
	// Unknown is of how many messages too much is not known, and Needs what that is.
	Unknown int      `json:"unknown"`
	Needs   []string `json:"needs,omitempty"`
	// Fails is how often it cannot be evaluated.
	Fails int `json:"fails"`
}

// Found is one message.
type Found struct {
	ID      mail.ID   `json:"submission,omitempty"`
	At      time.Time `json:"at"`
	Login   string    `json:"login"`
	Verdict string    `json:"verdict"`
	Rule    string    `json:"rule,omitempty"`
	// Turned is how many recipients are turned away while the others get it.
	Turned int `json:"turned_recipients,omitempty"`
	// Would are the rules in shadow that match.
	Would []string `json:"would,omitempty"`
	// Unless are rules that might decide otherwise, with what would have to be known.
	Unless []string `json:"unless,omitempty"`
}

// newTested makes the sums of a set of rules.
func newTested(set *rules.Set) *Tested {
	t := &Tested{Rules: []Tally{}, Found: []Found{}}
	for _, at := range rules.Stages() {
		for _, r := range set.Rules(at) {
			t.Rules = append(t.Rules, Tally{Name: r.Name, At: string(at), Verdict: string(r.Verdict), Shadow: r.Shadow})
		}
	}
	return t
}

// add counts one message; all lists it even where it would pass.
func (t *Tested) add(o replay.Outcome, m *replay.Message, all bool) {
	f := Found{ID: m.ID, At: m.At, Login: m.Login, Verdict: string(o.Verdict), Turned: o.Turned}
	for _, a := range o.Answers {
		t.tally(&a)
		if a.Rule.Shadow && a.Matches {
			f.Would = append(f.Would, a.Rule.Name)
		}
	}
	switch {
	case o.Rule != nil:
		f.Rule = o.Rule.Name
	case o.TurnedBy != nil:
		f.Rule = o.TurnedBy.Name
	}
	if o.Verdict == rules.Allow {
		f.Verdict = "pass"
	}
	for _, d := range o.Doubts {
		f.Unless = append(f.Unless, d.Rule.Name+": "+strings.Join(d.Needs, ", "))
	}
	t.Messages++
	if len(f.Unless) > 0 {
		t.Unsure++
	} else {
		*t.sum(o.Verdict)++
	}
	if all || f.Verdict != "pass" || f.Turned > 0 || len(f.Would)+len(f.Unless) > 0 {
		t.Found = append(t.Found, f)
	}
}

// sum is the field that counts a verdict.
func (t *Tested) sum(v rules.Verdict) *int {
	switch v {
	case rules.Refuse:
		return &t.Refuse
	case rules.Defer:
		return &t.Defer
	case rules.Hold:
		return &t.Hold
	case rules.Slow:
		return &t.Slow
	}
	return &t.Pass
}

// tally counts what a rule says of one message.
func (t *Tested) tally(a *rules.Answer) {
	i := slices.IndexFunc(t.Rules, func(r Tally) bool { return r.Name == a.Rule.Name })
	r := &t.Rules[i]
	switch {
	case a.Err != nil:
		r.Fails++
	case len(a.Needs) > 0:
		r.Unknown++
		for _, name := range a.Needs {
			if !slices.Contains(r.Needs, name) {
				r.Needs = append(r.Needs, name)
			}
		}
	case a.Matches:
		r.Matches++
	}
}

// print prints it; more is a remark on what was left out.
func (t *Tested) print(c *call.Call, asJSON bool, more string) error {
	if more != "" {
		fmt.Fprintln(c.Stderr, more)
	}
	if asJSON {
		return table.JSON(c.Stdout, t)
	}
	if err := c.Say("%s: %d would pass, %d be refused, %d deferred, %d held, %d slowed down; of %d it is not known\n", table.Count(t.Messages, "message", "messages"),
		t.Pass, t.Refuse, t.Defer, t.Hold, t.Slow, t.Unsure); err != nil {
		return err
	}
	err := table.List(c.Stdout, false, t.Rules, []string{"RULE", "AT", "VERDICT", "MATCHES", "FAILS", "UNKNOWN", "AS IT NEEDS"}, Tally.cells)
	if err != nil || len(t.Found) == 0 {
		return err
	}
	if err := c.Say(""); err != nil {
		return err
	}
	return table.List(c.Stdout, false, t.Found, []string{"TIME", "SUBMISSION", "LOGIN", "VERDICT", "RULE", "IN SHADOW", "UNLESS"}, Found.cells)
}

// cells is the row of a listing.
func (r Tally) cells() []string {
	verdict := r.Verdict
	if r.Shadow {
		verdict += ", shadow"
	}
	return []string{r.Name, r.At, verdict, number(r.Matches), number(r.Fails), number(r.Unknown), strings.Join(r.Needs, ", ")}
}

// cells is the row of a listing.
func (f Found) cells() []string {
	verdict := f.Verdict
	if f.Turned > 0 {
		verdict += ", without " + table.Count(f.Turned, "recipient", "recipients")
	}
	return []string{table.Stamp(f.At), string(f.ID), f.Login, verdict, f.Rule, strings.Join(f.Would, ", "), strings.Join(f.Unless, "; ")}
}

func number(n int) string { return strconv.Itoa(n) }
