package delivery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// memory is a queue.Store in memory that can be made to fail.
type memory struct {
	mu sync.Mutex // guards what follows
	// refuse is what Report answers, and refused how often it did. deaf says that
	// it stores all the same, for once.
	refuse     error
	refused    int
	deaf       bool
	waiting    map[queue.Key]*queue.Item
	content    map[mail.ID]*queue.Content
	events     []audit.Event
	reports    []queue.Report
	dueCalls   int
	away       bool
	inDue      func() // called within Due, after it has taken its snapshot
	contentGot int
	changed    chan struct{}
}

func newMemory() *memory {
	return &memory{waiting: map[queue.Key]*queue.Item{}, content: map[mail.ID]*queue.Content{}, changed: make(chan struct{})}
}

var errAway = fault.New("memory", fault.Unavailable, "the store is away")

// body is a body file in memory.
type body struct {
	bytes.Buffer
	sealed bool
}

func (b *body) Size() int64 { return int64(b.Len()) }
func (b *body) Seal() error { b.sealed = true; return nil }
func (b *body) Discard()    {}
func (b *body) Open() (io.ReadCloser, error) {
	if !b.sealed {
		return nil, errors.New("not sealed")
	}
	return io.NopCloser(bytes.NewReader(b.Bytes())), nil
}

func (m *memory) NewBody(context.Context) (queue.BodyFile, error) { return &body{}, nil }

func (m *memory) Accept(_ context.Context, a *queue.Acceptance) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accept(a)
	return nil
}

func (m *memory) accept(a *queue.Acceptance) {
	s, c := a.Submission, a.Content
	for _, d := range a.Deliveries {
		m.waiting[queue.Key{Submission: s.ID, N: d.N}] = &queue.Item{Delivery: d, Submission: &s}
	}
	m.content[s.ID] = &c
	m.events = append(m.events, a.Events...)
}

func less(a, b queue.Position) int {
	return cmp.Or(a.Next.Compare(b.Next), cmp.Compare(a.Submission, b.Submission), cmp.Compare(a.N, b.N))
}

func position(d queue.Delivery) queue.Position {
	return queue.Position{Next: d.Next, Submission: d.Submission, N: d.N}
}

func (m *memory) Due(_ context.Context, now time.Time, after queue.Position, limit int) ([]queue.Item, error) {
	m.mu.Lock()
	m.dueCalls++
	if m.away {
		m.mu.Unlock()
		return nil, errAway
	}
	var due []queue.Item
	for _, item := range m.waiting {
		if item.Delivery.State != queue.Held && !item.Delivery.Next.After(now) && less(position(item.Delivery), after) > 0 {
			due = append(due, *item)
		}
	}
	inDue := m.inDue
	m.mu.Unlock()
	slices.SortFunc(due, func(a, b queue.Item) int { return less(position(a.Delivery), position(b.Delivery)) })
	if inDue != nil {
		inDue()
	}
	return due[:min(limit, len(due))], nil
}

func (m *memory) Waiting(_ context.Context, keys []queue.Key) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, errAway
	}
	waiting := make([]bool, len(keys))
	for i, k := range keys {
		item := m.waiting[k]
		waiting[i] = item != nil && item.Delivery.State != queue.Held
	}
	return waiting, nil
}

func (m *memory) Content(_ context.Context, id mail.ID) (*queue.Content, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.contentGot++
	c, ok := m.content[id]
	if !ok {
		return nil, fault.New("memory", fault.NotFound, "no %s", id)
	}
	return c, nil
}

func (m *memory) Report(_ context.Context, r *queue.Report) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return errAway
	}
	if m.refuse != nil && !m.deaf {
		m.refused++
		return m.refuse
	}
	m.deaf = false
	for _, o := range r.Outcomes {
		if r.Again && m.waiting[queue.Key{Submission: r.Submission, N: o.N}] == nil {
			return fault.New("memory", fault.NotFound, "delivery %d is another's", o.N)
		}
	}
	for _, o := range r.Outcomes {
		k := queue.Key{Submission: r.Submission, N: o.N}
		item, ok := m.waiting[k]
		switch {
		case !ok:
		case o.State.Final():
			delete(m.waiting, k)
		default:
			item.Delivery.Attempts++
			item.Delivery.State, item.Delivery.Next, item.Delivery.Last = o.State, o.Next, o.Result
			item.Delivery.DelayReported = item.Delivery.DelayReported || o.DelayReported
		}
	}
	m.events = append(m.events, r.Events...)
	for i := range r.Reports {
		m.accept(&r.Reports[i])
	}
	m.reports = append(m.reports, *r)
	close(m.changed)
	m.changed = make(chan struct{})
	return m.refuse
}

func (m *memory) Stats(context.Context) (queue.Stats, error) { return queue.Stats{}, nil }

// got returns the reports so far.
func (m *memory) got() []queue.Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.reports)
}

// left counts what waits.
func (m *memory) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.waiting)
}

// set changes the store under its lock.
func (m *memory) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// until waits until done, asked under the lock after each Report, says so. In a
// bubble its patience of ten days costs nothing.
func (m *memory) until(t testing.TB, done func() bool) {
	t.Helper()
	patience := time.NewTimer(240 * time.Hour)
	defer patience.Stop()
	for {
		m.mu.Lock()
		ok, changed := done(), m.changed
		m.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-patience.C:
			t.Fatalf("waited in vain; %d deliveries wait", len(m.waiting))
		}
	}
}

// empty waits until nothing waits.
func (m *memory) empty(t testing.TB) {
	t.Helper()
	m.until(t, func() bool { return len(m.waiting) == 0 })
}

// kinds lists the events of deliveries in short: "deferred 451 4.4.1".
func (m *memory) kinds() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, e := range m.events {
		if e.Delivery > 0 {
			list = append(list, string(e.Kind)[len("delivery."):]+" "+code(e))
		}
	}
	return list
}

func code(e audit.Event) string {
	return string(rune('0'+e.Code/100)) + string(rune('0'+e.Code/10%10)) + string(rune('0'+e.Code%10)) + " " + e.Enhanced
}
