// Package keyset has the public keys of one identity provider: reads them (RFC 7517),
// keeps them, and gets them anew when that is due.
//
// A Ring asks its Source only when somebody needs a key, one request at a time,
// however many need one. A key that is not there is a reason to ask, but not more
// often than once an interval, so that invented names of keys drive no requests.
// While the provider is away the keys that are there go on being used for a bounded
// time, and attempts are made less and less often.
package keyset

import (
	"context"
	"errors"
	"sync"
	"time"

	"countersign/internal/fault"
	"countersign/internal/oauth/fetch"
)

// ErrUnknown says that the provider has no such key: its set was read lately.
var ErrUnknown = errors.New("the provider has no such key")

// maxTried is how many keys are tried for a signature that names none.
const maxTried = 8

// Source gets the text of a key set. It must end when its context does.
type Source func(ctx context.Context) ([]byte, error)

// Bounds say when a Ring asks again. All are needed.
type Bounds struct {
	// Refresh is the age at which keys are asked for anew; they go on being used
	// meanwhile.
	Refresh time.Duration
	// Stale is the age at which keys are used no more. It is longer than Refresh.
	Stale time.Duration
	// Interval is the least time from an answer to the next request.
	Interval time.Duration
	// Timeout bounds one attempt.
	Timeout time.Duration
}

// Ring keeps the keys of one provider. It is safe for concurrent use.
type Ring struct {
	source   Source
	bounds   Bounds
	now      func() time.Time
	standing *fetch.Standing
	// life ends with Close, by quit; running counts the attempt under way.
	life    context.Context
	quit    context.CancelFunc
	running sync.WaitGroup

	mu   sync.Mutex // guards what follows
	keys []Key
	// read is when keys were read; zero before the first time.
	read time.Time
	// flight is closed at the end of the attempt under way; nil if there is none.
	flight chan struct{}
	closed bool
}

// NewRing returns a Ring without keys, which has asked nobody yet.
func NewRing(source Source, bounds Bounds, now func() time.Time) *Ring {
	r := &Ring{source: source, bounds: bounds, now: now, standing: fetch.NewStanding(0)}
	r.life, r.quit = context.WithCancel(context.Background())
	return r
}

// Close ends an attempt under way and waits for its end. No keys are got any more.
func (r *Ring) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.quit()
	r.running.Wait()
}

// Standing tells how the provider stands; keys how many it has, those that are too old
// to be used included.
func (r *Ring) Standing() (report fetch.Report, keys int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.standing.Report(), len(r.keys)
}

// Wanted says which keys are looked for.
type Wanted struct {
	// Algorithm is the JOSE name of the signature's.
	Algorithm string
	// ID is the "kid" that the signature names; "" for every key that fits, at most
	// eight.
	ID string
	// Other asks for other keys than those that are there, as none of them was right.
	Other bool
}

// Find returns the keys that may have made a signature. Errors: ErrUnknown if the
// provider has none, Unavailable if it cannot be asked, Canceled when ctx ends first.
func (r *Ring) Find(ctx context.Context, w Wanted) ([]Key, error) {
	found, flight := r.look(w)
	if len(found) > 0 {
		return found, nil
	}
	if flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, fault.Wrap("oauth.keys", fault.Canceled, ctx.Err())
		}
	}
	return r.settle(w)
}

// look returns the keys that are there, and the attempt to wait for where none is. It
// begins an attempt if that is due.
func (r *Ring) look(w Wanted) (found []Key, flight <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if !w.Other {
		found = r.match(w, now)
	}
	age, known := r.age(now)
	wanted := !known || age >= r.bounds.Refresh || len(found) == 0 && age >= r.bounds.Interval
	if wanted && r.flight == nil && !r.closed && !r.standing.Blocked(now) {
		r.flight = make(chan struct{})
		r.running.Go(r.attempt)
	}
	return found, r.flight
}

// settle decides after the attempt.
func (r *Ring) settle(w Wanted) ([]Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if found := r.match(w, now); len(found) > 0 {
		return found, nil
	}
	age, known := r.age(now)
	report := r.standing.Report()
	// A provider that fails may have a new key that is not known here.
	if !known || age >= r.bounds.Stale || report.State != fetch.Reachable {
		return nil, fault.Wrap("oauth.keys", fault.Unavailable, errors.New("no keys of the provider: "+report.Reason))
	}
	return nil, ErrUnknown
}

// age returns how old the keys are. A clock that went back makes them as old as is due,
// so that they are asked for again.
func (r *Ring) age(now time.Time) (age time.Duration, known bool) {
	age = now.Sub(r.read)
	if age < 0 {
		age = r.bounds.Refresh
	}
	return age, !r.read.IsZero()
}

// match returns the keys that are there and may be used.
func (r *Ring) match(w Wanted, now time.Time) (found []Key) {
	if age, known := r.age(now); !known || age >= r.bounds.Stale {
		return nil
	}
	for _, key := range r.keys {
		if (w.ID == "" || w.ID == key.ID) && key.Fits(w.Algorithm) && len(found) < maxTried {
			found = append(found, key)
		}
	}
	return found
}

// attempt gets the keys once. It does not belong to whoever needed them first, who may
// leave.
func (r *Ring) attempt() {
	ctx, cancel := context.WithTimeout(r.life, r.bounds.Timeout)
	defer cancel()
	began := r.now()
	text, err := r.source(ctx)
	var keys []Key
	if err == nil {
		keys, err = Parse(text)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if err == nil {
		r.keys, r.read = keys, now
		r.standing.Succeeded(now)
	} else {
		r.standing.Failed(began, now, err)
	}
	close(r.flight)
	r.flight = nil
}
