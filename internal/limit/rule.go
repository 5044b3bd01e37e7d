package limit

import (
	"strings"
	"time"
	"unicode"

	"countersign/internal/fault"
	"countersign/internal/limit/network"
	"countersign/internal/mail"
)

// MaxBecause bounds the reason of a rule, in octets.
const MaxBecause = 150

// Each is the Name of a rule for each subject of its kind that has none of its own.
const Each = "*"

// Rule is a limit that somebody has set.
type Rule struct {
	ID mail.ID
	// For is whom it is for, Name Each for all of the kind. Of a plan it is for each
	// account that the plan decides about.
	For   Subject
	Limit Limit
	// Extra says that Limit.Max is had on top of the limit that holds otherwise; Action,
	// Shadow and Share of that hold.
	Extra bool
	// Because says why: one line of printable text; "" for nothing.
	Because string
	// Start is when it was set. It holds from then on wherever it is known, whatever the
	// clock there says.
	Start time.Time
	// End is when it ends, or was ended; zero for never. While one with an end holds, one
	// without does not count.
	End time.Time
	// By is who set it: "cli:root".
	By string
	// Lifted is who has ended it before its time, or set another in its place; "" for nobody.
	Lifted string
}

// Holds reports whether the rule has not ended at that time.
func (r *Rule) Holds(at time.Time) bool { return r.End.IsZero() || at.Before(r.End) }

// Temporary reports whether the rule was set with an end. One that was lifted keeps what it
// was.
func (r *Rule) Temporary() bool { return !r.End.IsZero() && r.Lifted == "" }

// Object names the rule for people and the record: "account a@example.org
// recipients/hour=100".
func (r *Rule) Object() string {
	text := r.Limit.String()
	if r.Extra {
		text = strings.Replace(text, "=", "=+", 1)
	}
	return r.For.String() + " " + text
}

// SamePlace reports whether the two are for the same subject, measure and window, and neither is extra:
// one of them counts, and beside it one in shadow may stand.
func (r *Rule) SamePlace(other *Rule) bool {
	return !r.Extra && !other.Extra && r.For == other.For && r.Limit.Measure == other.Limit.Measure && r.Limit.Window == other.Limit.Window
}

// Replaces reports whether the rule, when it is set, ends another one that holds: one with an end one with
// an end, one without one without, in the SamePlace, and both in shadow or both not; and one that is not in
// shadow also one in shadow that would be silent beside it, as that was what was tried before.
func (r *Rule) Replaces(before *Rule) bool {
	if !r.SamePlace(before) || r.Temporary() != before.Temporary() {
		return false
	}
	return r.Limit.Shadow == before.Limit.Shadow || before.Silent(r)
}

// Silent reports whether a rule in shadow has nothing to say while a live one of its place counts: its
// numbers are not lower, and it would do no more with a message that the live one lets pass.
func (r *Rule) Silent(live *Rule) bool {
	s, l := &r.Limit, &live.Limit
	shared := s.Share == 0 || l.Share > 0 && l.Share <= s.Share
	return s.Shadow && !l.Shadow && s.Max >= l.Max && s.Least >= l.Least && shared && (l.Action >= Defer || s.Action <= l.Action)
}

// CountsFor reports whether while the rule holds messages are counted of a subject of a kind in a
// window, of one of them at least: by the rule itself, by that of a plan, or as accounts have a share
// of a limit.
func (r *Rule) CountsFor(k Kind, w Window, at time.Time) bool {
	l := &r.Limit
	if !r.Holds(at) || r.Lifted != "" || r.Extra || l.Window != w || l.Measure == Connections {
		return false
	}
	return r.For.Kind == k || k == Account && (r.For.Kind == Plan || l.Share > 0)
}

// Check refuses, as fault.Invalid, a rule that is not of the form that the fields say, or
// that could mean nothing.
func (r *Rule) Check() error {
	const op = "limit.check"
	switch {
	case !mail.ValidID(string(r.ID)):
		return fault.New(op, fault.Invalid, "a rule needs an id")
	case r.By == "":
		return fault.New(op, fault.Invalid, "nobody sets this limit")
	case r.Start.IsZero():
		return fault.New(op, fault.Invalid, "the limit has no beginning")
	case !r.End.IsZero() && r.End.Before(r.Start):
		return fault.New(op, fault.Invalid, "the limit would have ended before it began")
	}
	if err := r.CheckLimit(); err != nil {
		return err
	}
	if err := r.For.check(); err != nil {
		return err
	}
	return checkBecause(r.Because)
}

// CheckLimit refuses, as fault.Invalid, a limit that could mean nothing for whom the rule is.
func (r *Rule) CheckLimit() error {
	const op = "limit.check"
	switch l := &r.Limit; {
	case l.Measure >= measures || l.Window >= windows || l.Action >= actions || l.Max < 0:
		return fault.New(op, fault.Invalid, "a rule with a limit that there is not")
	case r.Extra && l.Max == 0:
		return fault.New(op, fault.Invalid, "nothing extra is given: write a number above 0")
	case r.Extra && (l.Action != Defer || l.Shadow || l.Share != 0):
		return fault.New(op, fault.Invalid, "what is extra has neither action nor share of its own: those of the limit hold")
	case l.Share < 0 || l.Share > 100:
		return fault.New(op, fault.Invalid, "a share is of 1 to 100 percent")
	case l.Share > 0 && (r.For.Kind <= Account || r.For.Kind == Plan):
		return fault.New(op, fault.Invalid, "%s has no accounts that could share: shares are of domains, customers, networks, nodes and everything", r.For)
	case (l.Measure == FailedRecipients || l.Measure == FailedShare) && r.For.Kind == Network:
		return fault.New(op, fault.Invalid, "failed recipients cannot be counted of a network: nobody knows any more where a message came from when it fails")
	case unfit(l.Measure, l.Window) != "":
		return fault.New(op, fault.Invalid, "%s/%s: %s", l.Measure, l.Window, unfit(l.Measure, l.Window))
	case l.Window.Passing() && l.Action == Slow:
		return fault.New(op, fault.Invalid, "%s/%s: waiting makes no room in one %s, so the action is defer, refuse or hold", l.Measure, l.Window, l.Window)
	case l.Window.Passing() && l.Share != 0:
		return fault.New(op, fault.Invalid, "%s/%s: one %s is one account's, so nothing is shared", l.Measure, l.Window, l.Window)
	case l.Measure == Connections && !r.Extra && l.Action != Defer:
		return fault.New(op, fault.Invalid, "a connection over a limit can be turned away for now, and nothing else: the action is defer")
	case l.Measure == Connections && l.Share != 0:
		return fault.New(op, fault.Invalid, "%s/%s: a connection belongs to no account yet, so no account can have a share of it: leave the share out", l.Measure, l.Window)
	case l.Measure == FailedShare && !r.Extra && (l.Max > 100 || l.Least < 1):
		return fault.New(op, fault.Invalid, "a share of failed recipients is of 0 to 100 percent, once a number of 1 at least has failed")
	case l.Measure == FailedShare && r.Extra:
		return fault.New(op, fault.Invalid, "a share of failed recipients cannot be had on top of another: set a higher one with an end")
	case l.Measure != FailedShare && l.Least != 0:
		return fault.New(op, fault.Invalid, "only a share of failed recipients has a least number")
	case l.Measure == FailedShare && l.Share != 0:
		return fault.New(op, fault.Invalid, "%s/%s is a percentage, of which no account can have a share: leave the share out, and bound each account by a %s of its own", l.Measure, l.Window, l.Measure)
	case l.Quiet && r.Extra:
		return fault.New(op, fault.Invalid, "what is extra warns as the limit does")
	case l.Away >= aways || l.Away != AwayOpen && (l.Measure != Connections || r.Extra):
		return fault.New(op, fault.Invalid, "what happens while the store is away can be chosen for limits of connections alone: no message is accepted then")
	}
	return nil
}

// unfit says why nothing of a measure is counted in a window, "" where it is.
func unfit(m Measure, w Window) string {
	switch {
	case w == AtOnce && m != Connections:
		return "connections alone are counted at once"
	case w == PerMessage && m != Recipients && m != Bytes:
		return "of one message recipients and bytes are counted, and nothing else"
	case w == PerConnection && m > Bytes:
		return "of one connection messages, recipients and bytes are counted, and nothing else"
	}
	return ""
}

// check refuses subjects that are not of the form under which they are found.
func (s Subject) check() error {
	const op = "limit.check"
	bad := false
	switch s.Kind {
	case Account:
		a, err := mail.ParseAddress(s.Name)
		bad = s.Name != Each && (err != nil || a.Key() != s.Name)
	case Domain:
		d, err := mail.ParseDomain(s.Name)
		bad = s.Name != Each && (err != nil || string(d) != s.Name)
	case Network:
		n, err := network.Parse(s.Name)
		bad = s.Name != Each && (err != nil || n != s.Name)
	case Everything:
		bad = s.Name != ""
	case Plan:
		bad = s.Name == "" || s.Name == Each
	case Credential:
		bad = s.Name != Each && !mail.ValidID(s.Name)
	case Customer, Node:
		bad = s.Name == ""
	default:
		bad = true
	}
	if bad || len(s.Name) > 512 {
		return fault.New(op, fault.Invalid, "%.600q is no name of what a limit can be for", s.String())
	}
	return nil
}

func checkBecause(text string) error {
	const op = "limit.check"
	if len(text) > MaxBecause {
		return fault.New(op, fault.Invalid, "the reason has %d octets; %d are the most", len(text), MaxBecause)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(text) != text {
		return fault.New(op, fault.Invalid, "the reason %q is not one line of printable text without blanks around it", text)
	}
	return nil
}
