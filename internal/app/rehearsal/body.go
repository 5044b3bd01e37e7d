package rehearsal

import (
	"bytes"
	"io"
	"time"

	"countersign/internal/limit"
)

// body is a large body, in memory: content filters look at it. It is used by one goroutine.
type body struct{ content bytes.Buffer }

func (b *body) Write(p []byte) (int, error) { return b.content.Write(p) }

// Size implements queue.LargeBody.
func (b *body) Size() int64 { return int64(b.content.Len()) }

// Open implements queue.LargeBody.
func (b *body) Open() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.content.Bytes())), nil
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
