package directory

import "time"

// outcome is what a question tells of the directory.
type outcome uint8

const (
	// untold: the caller gave up before anything was known.
	untold outcome = iota
	answered
	failed
)

// Phase is what a Guard makes of its directory.
type Phase uint8

// The phases.
const (
	// Well: it is asked.
	Well Phase = iota
	// LeftAlone: too many questions in a row have failed, and none is asked.
	LeftAlone
	// Probed: one question finds out whether it is well again; no other is asked.
	Probed
)

// String returns the phase in words, as metrics and health show it.
func (p Phase) String() string {
	switch p {
	case Well:
		return "well"
	case LeftAlone:
		return "left alone"
	case Probed:
		return "probed"
	}
	return "unknown"
}

// breaker counts failures in a row. Each change of phase begins an era; what was
// asked in an earlier one tells nothing of this one. It is not safe for concurrent
// use.
type breaker struct {
	most  int
	pause time.Duration

	phase    Phase
	failures int // in a row
	era      uint64
	until    time.Time // the end of LeftAlone
}

// turn is leave to ask a question.
type turn struct{ era uint64 }

// ask reports whether a question may be asked now.
func (b *breaker) ask(now time.Time) (turn, bool) {
	switch {
	case b.phase == Probed:
		return turn{}, false
	case b.phase == LeftAlone && now.Before(b.until):
		return turn{}, false
	case b.phase == LeftAlone:
		b.enter(Probed)
	}
	return turn{b.era}, true
}

// done is told how a question went.
func (b *breaker) done(t turn, how outcome, now time.Time) {
	if t.era != b.era {
		return
	}
	switch {
	case how == answered:
		b.failures = 0
		if b.phase == Probed {
			b.enter(Well)
		}
	case how == failed:
		b.failures = min(b.failures+1, b.most)
		if b.phase == Probed || b.failures == b.most {
			b.enter(LeftAlone)
			b.until = now.Add(b.pause)
		}
	case b.phase == Probed: // nothing was found out: the next question probes
		b.enter(LeftAlone)
		b.until = now
	}
}

func (b *breaker) enter(p Phase) {
	b.phase = p
	b.era++
}
