package rehearsal

import (
	"io"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
)

// body is a large body of which nothing is kept but its size. It is used by one goroutine.
type body struct{ size int64 }

func (b *body) Write(p []byte) (int, error) { b.size += int64(len(p)); return len(p), nil }

// Size implements queue.LargeBody.
func (b *body) Size() int64 { return b.size }

// Open implements queue.LargeBody; nothing reads what nothing stores.
func (b *body) Open() (io.ReadCloser, error) {
	return nil, fault.New("rehearsal.body", fault.NotFound, "a rehearsal keeps no body")
}

// Seal implements queue.BodyFile.
func (b *body) Seal() error { return nil }

// Discard implements queue.BodyFile.
func (b *body) Discard() {}

// ledger is what limits are judged by, as it was read. It implements limit.Ledger.
type ledger struct {
	counters map[limit.Subject]*limit.Counter
	met      map[limit.Contact]int64
	// decided is the time by the clock of the store.
	decided time.Time
}

func (l *ledger) Counter(s limit.Subject) *limit.Counter { return l.counters[s] }
func (l *ledger) Met(c limit.Contact) int64              { return l.met[c] }
