package directory

import (
	"fmt"
	"time"

	"countersign/internal/fault"
)

// State is how a directory is, for health and metrics.
type State struct {
	Name  string
	Phase Phase
	// Failures is how many questions in a row have failed, up to the number that
	// it takes.
	Failures int
	// Until is when it is tried again, where it is left alone.
	Until time.Time
	// Running is how many questions and steps of exchanges run.
	Running int
	Counts  Counts
	// Last is the latest failure, for the log and the operator; nil where there was
	// none.
	Last error
	// Odd is the latest oddity; its At is zero where there was none.
	Odd Oddity
}

// Counts counts questions since the start, by how they ended.
type Counts struct {
	// Answered are accounts that the directory knows; Unknown and Refused are
	// logins that it does not know, and to which it said no.
	Answered, Unknown, Refused uint64
	// Nonsense are answers that are none, and questions that it could not take, or had trouble
	// with.
	Nonsense uint64
	// Failed are those that had no answer, LeftAlone those that were not asked
	// for that, Busy those that were too many.
	Failed, LeftAlone, Busy uint64
	// Canceled are those whose caller gave up.
	Canceled uint64
}

// add counts a question.
func (c *Counts) add(how outcome, err error) {
	switch kind := fault.KindOf(err); {
	case how == untold:
		c.Canceled++
	case how == failed:
		c.Failed++
	case err == nil:
		c.Answered++
	case kind == fault.NotFound:
		c.Unknown++
	case kind == fault.Unauthenticated, kind == fault.Denied:
		c.Refused++
	default:
		c.Nonsense++
	}
}

// State returns how the directory is now.
func (g *Guard) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := State{
		Name: g.Name(), Phase: g.breaker.phase, Failures: g.breaker.failures,
		Running: g.running + g.steps, Counts: g.counts, Last: g.last, Odd: g.odd,
	}
	if s.Phase == LeftAlone {
		s.Until = g.breaker.until
	}
	return s
}

// oddFor is how long an answer that makes no sense is warned of.
const oddFor = 15 * time.Minute

// Warning says what is wrong with the directory, for health: that it is left alone, or for a
// quarter of an hour that an answer could not be used; "" where it is well.
func (s State) Warning(now time.Time) string {
	switch {
	case s.Phase != Well:
		return fmt.Sprintf("%s: %v", s.Phase, s.Last)
	case !s.Odd.At.IsZero() && now.Sub(s.Odd.At) < oddFor:
		return fmt.Sprintf("an answer could not be used at %s: %v", s.Odd.At.UTC().Format("15:04:05Z"), s.Odd.Err)
	}
	return ""
}
