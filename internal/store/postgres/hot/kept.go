package hot

import (
	"bytes"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit/counting"
)

// kept are counters as this writer has stored them last, so that those in which nobody else
// counts are neither locked nor read again before they are written: the statement that writes
// such a counter fails where it is not as it was left any more, and all is made again with
// locks. So what is decided is as exact as it is with locks; it only takes longer where
// somebody else has counted meanwhile. Those in which others count are locked from then on,
// until they have left them alone for a while.
//
// It is bounded: those that were not used for longest are dropped. Only the goroutine of the
// writer uses it.
type kept struct {
	young, old map[limit.Subject]*leftover
	octets     int // of the young
	// halves is how often the young have become the old.
	halves int
	// wary is for how many transactions more everything is locked, after one had to be made
	// again; wait is how many that were the last time.
	wary, wait int
}

// leftover is a counter as it was left.
type leftover struct {
	key     string         // under which it is stored
	counter *limit.Counter // nil where the row alone is known
	data    []byte         // the row's
	known   bool           // whether data is
	// shy is how often more it is locked, as somebody else has counted in it; shyness is how
	// often that is after the next time.
	shy, shyness int
	// half is that in which it came among the young.
	half int
}

const (
	// maxKept and maxKeptOctets bound each of the two halves of what is kept. In memory a
	// counter takes some ten times the octets of its row.
	maxKept       = 8192
	maxKeptOctets = 1 << 20

	firstWait, lastWait       = 16, 4096
	firstShyness, lastShyness = 8, 1024
)

// find returns what is known of a counter, and keeps it; nothing where it is not known.
func (k *kept) find(s limit.Subject) *leftover {
	if l := k.young[s]; l != nil {
		return l
	}
	l := k.old[s]
	if l == nil {
		l = &leftover{key: counting.KeyOf(s)}
	}
	delete(k.old, s)
	if k.young == nil || len(k.young) >= maxKept || k.octets+len(l.data) > maxKeptOctets {
		k.turn()
	}
	l.half = k.halves
	k.young[s] = l
	k.octets += len(l.data)
	return l
}

// leave notes as what a counter was stored.
func (k *kept) leave(l *leftover, counter *limit.Counter, data []byte) {
	if l.half == k.halves {
		k.octets += len(data) - len(l.data)
	}
	l.counter, l.data, l.known = counter, data, true
	if k.octets > maxKeptOctets {
		k.turn()
	}
}

// turn makes the young the old, and drops those.
func (k *kept) turn() {
	k.young, k.old, k.octets = make(map[limit.Subject]*leftover), k.young, 0
	k.halves++
}

// trusts reports whether a counter is written as it was left, without a look.
func (k *kept) trusts(l *leftover) bool {
	return k.wary == 0 && l.counter != nil && l.shy == 0
}

// missed notes that a transaction has to be made again, as somebody else had counted.
func (k *kept) missed() {
	k.wait = min(2*k.wait+firstWait, lastWait)
	k.wary = k.wait
}

// passed notes that a transaction with counters was committed.
func (k *kept) passed() {
	switch {
	case k.wary > 0:
		k.wary--
	case k.wait > 0:
		k.wait--
	}
}

// found notes what a locked row has, and reports whether it is as it was left.
func (k *kept) found(l *leftover, data []byte) (same bool) {
	if same = !l.known || bytes.Equal(l.data, data); same {
		l.shy = max(l.shy-1, 0)
	} else {
		l.shyness = min(2*l.shyness+firstShyness, lastShyness)
		l.shy = l.shyness
	}
	if !same || !l.known {
		k.leave(l, nil, data)
	}
	return same
}
