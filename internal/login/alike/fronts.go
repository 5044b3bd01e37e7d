package alike

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"countersign/internal/fault"
	"countersign/internal/login/shape"
)

// Lasting makes 32 octets of names: the same for the same names on all gates of a store and
// after a restart, and nothing that a stranger could compute.
type Lasting func(names ...string) []byte

// Fronts are what stands before strangers in place of directories: a Front for each
// directory and mechanism, made when it is asked for first. They are safe for concurrent
// use.
type Fronts struct {
	lasting Lasting
	store   shape.Store
	now     func() time.Time

	mu   sync.Mutex // guards what follows
	each map[shape.Place]*Front
	// waiting are the shapes that are to be kept; more has something in it where there are any.
	waiting map[sight]time.Time
	more    chan struct{}
}

// sight is a shape that was seen at a place.
type sight struct {
	shape.Place
	shape.Shape
}

// NewFronts returns Fronts that know of challenges what the store has; now is the clock.
func NewFronts(lasting Lasting, store shape.Store, now func() time.Time) *Fronts {
	return &Fronts{
		lasting: lasting, store: store, now: now, each: map[shape.Place]*Front{},
		waiting: map[sight]time.Time{}, more: make(chan struct{}, 1),
	}
}

// Of returns the Front of a directory in a mechanism of SCRAM. Both are names of the
// configuration or of a table, never of a client's making: each is kept.
func (f *Fronts) Of(directory, mechanism string) *Front {
	f.mu.Lock()
	defer f.mu.Unlock()
	place := shape.Place{Directory: directory, Mechanism: mechanism}
	front := f.each[place]
	if front == nil {
		front = &Front{fronts: f, place: place}
		f.each[place] = front
	}
	return front
}

const (
	// maxWaiting bounds what waits while the store is away, keepAgain is when it is tried
	// again.
	maxWaiting = 1000
	keepAgain  = 5 * time.Second
)

// wait has a shape kept.
func (f *Fronts) wait(p shape.Place, s shape.Shape, at time.Time) {
	f.mu.Lock()
	if len(f.waiting) < maxWaiting {
		f.waiting[sight{p, s}] = at
	}
	f.mu.Unlock()
	select {
	case f.more <- struct{}{}:
	default:
	}
}

// Run keeps what was learned, at once, until ctx ends, and then once more. What the store
// does not take is tried again later: challenges are what was kept meanwhile, and what was
// learned no exchange waits for, as the time would tell for which names.
func (f *Fronts) Run(ctx context.Context) {
	tick := time.NewTicker(keepAgain)
	defer tick.Stop()
	for {
		select {
		case <-f.more:
			f.Keep(ctx)
		case <-tick.C:
			f.Keep(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepAgain)
			f.Keep(last)
			cancel()
			return
		}
	}
}

// Keep hands all that waits to the store, until it takes one not.
func (f *Fronts) Keep(ctx context.Context) {
	f.mu.Lock()
	all := maps.Clone(f.waiting)
	f.mu.Unlock()
	// In the order in which they were learned, as what is guessed is of no use beside what is known.
	order := slices.SortedFunc(maps.Keys(all), func(a, b sight) int {
		switch order := all[a].Compare(all[b]); {
		case order != 0:
			return order
		case a.Kind == shape.Guessed:
			return -1
		case b.Kind == shape.Guessed:
			return 1
		}
		return 0
	})
	for _, s := range order {
		at := all[s]
		err := f.store.KeepShape(ctx, s.Place, s.Shape, at)
		if err != nil && !fault.Is(err, fault.Invalid) { // which no later try would help
			return
		}
		f.mu.Lock()
		if f.waiting[s].Equal(at) {
			delete(f.waiting, s)
		}
		f.mu.Unlock()
	}
}

// Nobody returns a name that nobody has, in the domain of a login, and a password. A
// directory that is asked for them does what it does for any name that it does not know.
// The name is the same each time for the same login, as a directory may remember names that
// it does not know; the password is new each time. Neither tells anything of the login.
func (f *Fronts) Nobody(login string) (name, password string) {
	const octets = 10 // 80 bits: no account has such a name by chance
	domain := login[strings.LastIndexByte(login, '@')+1:]
	return "nobody-" + hex.EncodeToString(f.lasting("nobody", login)[:octets]) + "@" + domain, rand.Text()
}
