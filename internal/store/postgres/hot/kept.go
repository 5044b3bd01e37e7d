package hot

import (
	"bytes"

	"countersign/internal/limit"
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
	young, old map[string]*leftover // by what counters are stored under
	octets     int                  // of the young
	// wary is for how many transactions more everything is locked, after one had to be made
	// again; wait is how many that were the last time.
	wary, wait int
}

// leftover is a counter as it was left.
type leftover struct {
	counter *limit.Counter // nil where the row alone is known
	data    []byte         // the row's
	// shy is how often more it is locked, as somebody else has counted in it; shyness is how
	// often that is after the next time.
	shy, shyness int
}

const (
	// maxKept and maxKeptOctets bound each of the two halves of what is kept. In memory a
	// counter takes some ten times the octets of its row.
	maxKept       = 8192
	maxKeptOctets = 1 << 20

	firstWait, lastWait       = 16, 4096
	firstShyness, lastShyness = 8, 1024
)

// take returns a counter and keeps it no more, nil where there is none.
func (k *kept) take(key string) *leftover {
	if l := k.young[key]; l != nil {
		delete(k.young, key)
		k.octets -= len(l.data)
		return l
	}
	l := k.old[key]
	delete(k.old, key)
	return l
}

// put keeps a counter.
func (k *kept) put(key string, l *leftover) {
	if len(k.young) >= maxKept || k.octets+len(l.data) > maxKeptOctets {
		k.young, k.old, k.octets = nil, k.young, 0
	}
	if k.young == nil {
		k.young = make(map[string]*leftover)
	}
	k.take(key)
	k.young[key] = l
	k.octets += len(l.data)
}

// trusts reports whether a counter is written as it was left, without a look.
func (k *kept) trusts(l *leftover) bool {
	return k.wary == 0 && l != nil && l.counter != nil && l.shy == 0
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
func (l *leftover) found(data []byte) (same bool) {
	if same = bytes.Equal(l.data, data); same {
		l.shy = max(l.shy-1, 0)
		return true
	}
	l.shyness = min(2*l.shyness+firstShyness, lastShyness)
	l.shy = l.shyness
	l.counter, l.data = nil, data
	return false
}
