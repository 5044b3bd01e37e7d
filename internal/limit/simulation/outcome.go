package simulation

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"countersign/internal/limit"
)

// Outcome is what would have become of a message, or of a connection.
type Outcome uint8

// The outcomes, from the mildest.
const (
	// Passed is what was over no limit.
	Passed Outcome = iota
	// Noted is what would have passed, as the limit is in shadow, and been noted.
	Noted
	// Slowed is what would have gone later, Held what would have waited for a person.
	Slowed
	Held
	// Deferred is what would have been refused for the time being, Refused for good.
	Deferred
	Refused
	outcomes
)

// Outcomes has a number for each outcome.
type Outcomes [outcomes]int64

// Over is how many were over a limit, whatever has become of them.
func (o *Outcomes) Over() (n int64) {
	for _, one := range o[Noted:] {
		n += one
	}
	return n
}

// Tally is what would have become of one subject's mail.
type Tally struct {
	// Name is the subject's; "" where all are one. Login is the account that came first of it.
	Name, Login string
	// Messages, Recipients and Connections came in all; OverRecipients are those of messages that
	// would have been over a limit.
	Messages, Recipients, OverRecipients, Connections int64
	// Became says what the messages would have become, Entered what the connections would have.
	Became, Entered Outcomes
	// First and Last are when the first and the last of what was over came; zero for none.
	First, Last time.Time
	// By is the limit that the first one would have been over, Share says that it is an account's
	// share of it.
	By    limit.Limit
	Share bool
	// Longest is for how long a message would have been slowed at most.
	Longest time.Duration

	// counter is of messages, apart of connections.
	counter, apart limit.Counter
}

// verdict is an outcome, by a limit.
type verdict struct {
	what Outcome
	by   *limit.Breach
}

// worse returns the stricter of two.
func worse(a, b verdict) verdict {
	if b.what > a.what {
		return b
	}
	return a
}

// outcome says what a decision makes of a message.
func outcome(d *limit.Decision) verdict {
	switch by := d.Decisive; {
	case by == nil && len(d.Over) == 0:
		return verdict{}
	case by == nil:
		return verdict{Noted, &d.Over[0]}
	case by.Limit.Window == limit.PerMessage && by.Limit.Measure == limit.Recipients && by.Limit.Action == limit.Defer:
		// The client goes on with the recipients that are too many in another message.
		return verdict{Deferred, by}
	default:
		return verdict{[...]Outcome{limit.Slow: Slowed, limit.Hold: Held, limit.Defer: Deferred, limit.Refuse: Refused}[d.Action], by}
	}
}

// note takes what would have become of a message.
func (t *Tally) note(v verdict, recipients int64, at time.Time, wait time.Duration) {
	t.Became[v.what]++
	if v.what == Passed {
		return
	}
	t.over(v.by, at)
	t.OverRecipients += recipients
	if v.what == Slowed {
		t.Longest = max(t.Longest, wait)
	}
}

// over notes when something was over a limit.
func (t *Tally) over(by *limit.Breach, at time.Time) {
	if t.First.IsZero() {
		t.First, t.By, t.Share = at, by.Limit, by.Of != limit.Subject{}
	}
	t.Last = at
}

// add adds another one's numbers.
func (t *Tally) add(o *Tally) {
	t.Messages += o.Messages
	t.Recipients += o.Recipients
	t.OverRecipients += o.OverRecipients
	t.Connections += o.Connections
	for i := range o.Became {
		t.Became[i] += o.Became[i]
		t.Entered[i] += o.Entered[i]
	}
	t.Longest = max(t.Longest, o.Longest)
	if o.First.IsZero() {
		return
	}
	if t.First.IsZero() || o.First.Before(t.First) {
		t.First, t.By, t.Share = o.First, o.By, o.Share
	}
	if o.Last.After(t.Last) {
		t.Last = o.Last
	}
}

// Tallies returns those with anything that would have been over, the most messages first, the
// sum of all, and what is in none of them.
func (s *Simulation) Tallies() (over []Tally, all Tally, unplaced Unplaced) {
	for _, t := range s.tallies {
		all.add(t)
		if !t.First.IsZero() {
			over = append(over, *t)
		}
	}
	slices.SortFunc(over, func(a, b Tally) int {
		return cmp.Or(cmp.Compare(b.Became.Over(), a.Became.Over()), cmp.Compare(b.Entered.Over(), a.Entered.Over()), strings.Compare(a.Name, b.Name))
	})
	return over, all, s.unplaced
}
