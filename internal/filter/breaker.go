package filter

import "time"

// Phase is what a Filter makes of its program.
type Phase string

// The phases.
const (
	// Well: it is asked.
	Well Phase = "well"
	// LeftAlone: too many messages in a row had no answer, and it is not asked.
	LeftAlone Phase = "left alone"
	// Probed: one message finds out whether it is well again; it is asked about no other.
	Probed Phase = "probed"
)

// breaker counts failures in a row. Each change of phase begins an era; what was
// asked in an earlier one tells nothing of this one. It is not safe for concurrent
// use.
type breaker struct {
	most  int
	pause time.Duration

	phase Phase
	// blank counts failures in a row in which the program was not reached, who whose messages
	// had no answer: one that no program survives must not have it left alone for all.
	blank int
	who   map[string]bool
	era   uint64
	until time.Time // the end of LeftAlone
}

func newBreaker(most int, pause time.Duration) breaker {
	return breaker{most: most, pause: pause, phase: Well, who: map[string]bool{}}
}

// turn is leave to ask about a message.
type turn struct{ era uint64 }

// ask reports whether the program may be asked now.
func (b *breaker) ask(now time.Time) (turn, bool) {
	if b.phase == Probed || b.phase == LeftAlone && now.Before(b.until) {
		return turn{}, false
	}
	if b.phase == LeftAlone {
		b.enter(Probed)
	}
	return turn{b.era}, true
}

// answered is told that there was an answer.
func (b *breaker) answered(t turn) {
	if t.era != b.era {
		return
	}
	b.blank = 0
	clear(b.who)
	if b.phase == Probed {
		b.enter(Well)
	}
}

// failed is told that there was none to a message of that login; "" where the program was
// not reached.
func (b *breaker) failed(t turn, login string, now time.Time) {
	if t.era != b.era {
		return
	}
	if login == "" {
		b.blank = min(b.blank+1, b.most)
	} else if len(b.who) < b.most {
		b.who[login] = true
	}
	if b.phase == Probed || b.failures() >= b.most {
		b.enter(LeftAlone)
		b.until = now.Add(b.pause)
	}
}

// untold is told that nothing was found out, as the gate had no more time.
func (b *breaker) untold(t turn, now time.Time) {
	if t.era == b.era && b.phase == Probed {
		b.enter(LeftAlone)
		b.until = now
	}
}

// failures is how many there were in a row, as far as they count.
func (b *breaker) failures() int { return b.blank + len(b.who) }

func (b *breaker) enter(p Phase) {
	b.phase = p
	b.era++
}
