package replay

import (
	"slices"

	"countersign/internal/mail"
	"countersign/internal/policy/rules"
)

// Outcome is what rules say of a message.
type Outcome struct {
	// Verdict is what follows for the message; rules.Allow where it passes.
	Verdict rules.Verdict
	// At is when that is decided, and Rule by what; nil where no rule decides.
	At   rules.Stage
	Rule *rules.Rule
	// Failed says that the rule decides as it could not be evaluated.
	Failed bool
	// Turned is how many recipients are refused or deferred while the others get the message,
	// and TurnedBy the rule that does so first.
	Turned   int
	TurnedBy *rules.Rule
	// Doubts are rules that might have decided before, or instead, if what they need were
	// known; none where the outcome is sure.
	Doubts []rules.Doubt
	// Answers are what each rule says by itself, in their order. Of one at "rcpt" it is that of
	// the first recipient which it matches, else of the first.
	Answers []rules.Answer
}

// Judge asks a set of rules about a message, stage by stage, as a session does.
func Judge(set *rules.Set, m *Message) Outcome {
	j := &judging{set: set, m: m, left: m.Facts.Recipients}
	j.o.Verdict = rules.Allow
	for _, at := range rules.Stages() {
		if at == rules.Recipient {
			j.recipients()
			continue
		}
		f := m.Facts
		if at == rules.Data {
			f.Recipients = j.left
			if m.Recipients > 0 { // the record of an acceptance says how many
				f.Counters.Recipients = m.Recipients - j.o.Turned
				f.Unknown = without(f.Unknown, "counters.recipients")
			}
		}
		if d := j.ask(at, &f); d.Rule != nil {
			j.decided(at, &d)
		}
	}
	return j.o
}

// judging is one message that is being judged.
type judging struct {
	set *rules.Set
	m   *Message
	// left are the recipients that were not turned away.
	left []mail.Recipient
	o    Outcome
}

// ended reports whether nothing more is decided about the message.
func (j *judging) ended() bool { return j.o.Verdict != rules.Allow }

// ask asks the rules of a stage. Where the message is at its end already, there is no decision, but
// what each says is noted all the same.
func (j *judging) ask(at rules.Stage, f *rules.Facts) rules.Decision {
	j.o.Answers = merge(j.o.Answers, j.set.Ask(at, f))
	if j.ended() {
		return rules.Decision{Verdict: rules.Allow}
	}
	d := j.set.Judge(at, f)
	for _, doubt := range d.Doubts {
		known := slices.ContainsFunc(j.o.Doubts, func(have rules.Doubt) bool { return have.Rule == doubt.Rule })
		if !doubt.Rule.Shadow && !known {
			j.o.Doubts = append(j.o.Doubts, doubt)
		}
	}
	return d
}

// decided notes what is decided about the message.
func (j *judging) decided(at rules.Stage, d *rules.Decision) {
	j.o.Verdict, j.o.At, j.o.Rule, j.o.Failed = d.Verdict, at, d.Rule, d.Failed
}

// recipients asks about each recipient, or once where they are not known.
func (j *judging) recipients() {
	f := j.m.Facts
	if f.Unknown["envelope.recipient"] {
		if d := j.ask(rules.Recipient, &f); d.Rule != nil { // it does not depend on who it is
			j.decided(rules.Recipient, &d)
		}
		return
	}
	j.left = nil
	var first rules.Decision
	for _, r := range j.m.Facts.Recipients {
		one := f
		one.Recipient, one.Counters.Recipients = r.To, len(j.left)+1
		d := j.ask(rules.Recipient, &one)
		if d.Verdict == rules.Allow {
			j.left = append(j.left, r)
			continue
		}
		if first.Rule == nil {
			first = d
		}
	}
	switch {
	case first.Rule == nil:
	case len(j.left) == 0:
		j.decided(rules.Recipient, &first)
	default:
		j.o.Turned, j.o.TurnedBy = j.m.Recipients-len(j.left), first.Rule
	}
}

// without returns a set without a name.
func without(names map[string]bool, name string) map[string]bool {
	fewer := make(map[string]bool, len(names))
	for n := range names {
		if n != name {
			fewer[n] = true
		}
	}
	return fewer
}

// merge adds what rules say of one more recipient.
func merge(all, more []rules.Answer) []rules.Answer {
	for _, a := range more {
		i := slices.IndexFunc(all, func(have rules.Answer) bool { return have.Rule == a.Rule })
		switch {
		case i < 0:
			all = append(all, a)
		case a.Matches && !all[i].Matches:
			all[i] = a
		}
	}
	return all
}
