package book

import (
	"sync"
	"time"

	"countersign/internal/limit"
)

// answer is what was found for somebody, and is so until a rule changes or ends.
type answer struct {
	levels []limit.Level
	// from is when it was found, until when the first of its rules ends; zero for none that does.
	from, until time.Time
}

// mind notes when rules end that hold, and so are part of the answer.
func (a *answer) mind(rules []limit.Rule) {
	for i := range rules {
		if end := rules[i].End; rules[i].Holds(a.from) && !end.IsZero() && (a.until.IsZero() || end.Before(a.until)) {
			a.until = end
		}
	}
}

// good reports whether it is so still.
func (a *answer) good(now time.Time) bool {
	return !now.Before(a.from) && (a.until.IsZero() || now.Before(a.until))
}

// maxAnswers bounds for how many answers are kept: who sends message after message is among
// them.
const maxAnswers = 8192

// lately has the answers to who has asked lately, by the rules of one moment: when these change,
// all begins anew. The zero value has none.
type lately struct {
	mu      sync.Mutex // guards what follows
	by      *pages
	answers map[limit.Who]answer
}

// find returns the answer for somebody by those rules, where it is known and good still.
func (l *lately) find(by *pages, who limit.Who, now time.Time) (answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by != by {
		return answer{}, false
	}
	a, found := l.answers[who]
	return a, found && a.good(now)
}

// keep takes an answer by those rules.
func (l *lately) keep(by *pages, who limit.Who, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by != by || len(l.answers) >= maxAnswers {
		l.by, l.answers = by, map[limit.Who]answer{}
	}
	l.answers[who] = a
}
