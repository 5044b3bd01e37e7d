package rehearsal

import (
	"context"
	"slices"
	"sync"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/queue"
)

// keeper is a store whose queue and record keep nothing but what was asked of them last.
type keeper struct {
	Store
	mu       sync.Mutex // guards what follows
	accepted *queue.Acceptance
	events   []audit.Event
	// turnedUntil is until when the guard turns the login away; zero where it does not, or does not know.
	turnedUntil time.Time
}

// Accept judges a message as the store would, and stores nothing.
func (k *keeper) Accept(ctx context.Context, a *queue.Acceptance) error {
	if q := a.Limits; q != nil {
		by, err := k.ledger(ctx, q)
		if err != nil {
			return err
		}
		a.Decision = q.Judge(by, by.decided)
		if err := a.Decision.Refusal("queue.accept"); err != nil {
			return err
		}
		for i := range a.Deliveries {
			d := &a.Deliveries[i]
			d.State, d.Next, d.HoldReason = queue.Place(d, &a.Decision)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.accepted = a
	return nil
}

// NewBody takes a large body, and keeps it in memory.
func (k *keeper) NewBody(context.Context) (queue.BodyFile, error) { return new(body), nil }

// Append is how the record gets events.
func (k *keeper) Append(_ context.Context, events []audit.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, events...)
	return nil
}

// note keeps one event.
func (k *keeper) note(e audit.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, e)
}

// turned notes until when the guard turns the login away.
func (k *keeper) turned(until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.turnedUntil = until
}

// Search implements audit.Store; nobody searches in a rehearsal.
func (k *keeper) Search(context.Context, audit.Query) ([]audit.Event, error) {
	return nil, fault.New("rehearsal.search", fault.Internal, "a rehearsal has no record")
}

// ledger reads what a question about limits is judged by.
func (k *keeper) ledger(ctx context.Context, q *limit.Question) (*ledger, error) {
	l := &ledger{counters: map[limit.Subject]*limit.Counter{}, met: map[limit.Contact]int64{}}
	subjects := make([]limit.Subject, len(q.Levels))
	for i := range q.Levels {
		subjects[i] = q.Key(i)
	}
	counters, at, err := k.Counted(ctx, subjects)
	if err != nil {
		return nil, err
	}
	for i, s := range subjects {
		l.counters[s] = counters[i]
	}
	l.decided = at
	contacts := q.Contacts.All()
	days, err := k.Met(ctx, contacts)
	for i := range days {
		l.met[contacts[i]] = days[i]
	}
	return l, err
}

// story tells what came of it.
func (k *keeper) story(steps []Step) *Story {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &Story{Steps: steps, Verdict: "accept"}
	told := k.events
	if k.accepted != nil {
		told = append(slices.Clone(told), k.accepted.Events...)
	}
	for _, e := range told {
		if !slices.Contains([]audit.Kind{audit.SessionOpened, audit.SessionTLS, audit.SessionHello, audit.SessionClosed, audit.Accepted}, e.Kind) {
			s.Events = append(s.Events, e)
		}
		refused := e.Kind == audit.CommandRefused || e.Kind == audit.ConnectionRefused || e.Kind == audit.AuthFailed
		if refused && k.accepted == nil { // a message may be accepted for its other recipients
			s.Verdict, s.Reason, s.Until = "refuse", e.Reason, time.Time{}
			if e.Code < 500 {
				s.Verdict = "defer"
			}
			if e.Kind == audit.AuthFailed && !k.turnedUntil.IsZero() {
				s.Until = k.turnedUntil.UTC()
			}
		}
	}
	if k.accepted == nil {
		return s
	}
	s.Recipients = len(k.accepted.Deliveries)
	for i := range k.accepted.Deliveries {
		switch d := &k.accepted.Deliveries[i]; {
		case d.State == queue.Held:
			s.Verdict, s.Reason = "hold", d.HoldReason
		case d.HoldReason == queue.Slowed && s.Verdict == "accept":
			s.Verdict, s.Reason, s.Until = "slow", queue.Slowed, d.Next
		}
	}
	return s
}
