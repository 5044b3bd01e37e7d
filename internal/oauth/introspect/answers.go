package introspect

import "time"

// mark is what a token is remembered by: a keyed hash of it.
type mark [32]byte

// answers remembers a bounded number of verdicts for a bounded time. One goroutine at a
// time may use it.
type answers[V any] struct {
	size int
	// most is the longest time that anything is remembered.
	most time.Duration
	kept map[mark]answer[V]
}

// answer is a verdict that is remembered.
type answer[V any] struct {
	verdict Verdict[V]
	until   time.Time
}

func newAnswers[V any](size int, most time.Duration) *answers[V] {
	return &answers[V]{size: max(size, 1), most: most, kept: make(map[mark]answer[V])}
}

// get returns what is remembered.
func (a *answers[V]) get(m mark, now time.Time) (Verdict[V], bool) {
	kept, ok := a.kept[m]
	// After a clock went back nothing may seem fresh for longer than ever meant.
	if !ok || !now.Before(kept.until) || kept.until.Sub(now) > a.most {
		return Verdict[V]{}, false
	}
	return kept.verdict, true
}

// put remembers a verdict until then.
func (a *answers[V]) put(m mark, verdict Verdict[V], now, until time.Time) {
	if latest := now.Add(a.most); until.After(latest) {
		until = latest
	}
	if !now.Before(until) {
		return
	}
	if _, there := a.kept[m]; !there && len(a.kept) >= a.size {
		a.evict(now)
	}
	a.kept[m] = answer[V]{verdict, until}
}

// evict makes room for an eighth more, so that it is seldom needed: what is over goes,
// then of the rest whichever the map names first.
func (a *answers[V]) evict(now time.Time) {
	for m, kept := range a.kept {
		if !now.Before(kept.until) {
			delete(a.kept, m)
		}
	}
	room := a.size - a.size/8 - 1
	for m := range a.kept {
		if len(a.kept) <= room {
			return
		}
		delete(a.kept, m)
	}
}
