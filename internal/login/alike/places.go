package alike

import (
	"context"
	"net/netip"
	"sync"

	"countersign/internal/crowd"
	"countersign/internal/fault"
	"countersign/internal/login/pool"
)

// MaxPlaces is how many exchanges may be under way where directories run some, and PerPlace
// how many exchanges of directories each may need at once: the client's, and one in vain.
const MaxPlaces, PerPlace = 1000, 2

// perNarrow and perWide are how many of them may be one client network's.
const perNarrow, perWide = 32, 100

// Places are those of exchanges before directories that run some, whoever they are about:
// where only those that pass took one, their lack would tell which do. Where all are taken, the
// wide network that has most of them gives one up to a network with fewer. They are safe for
// concurrent use.
type Places struct {
	guests *crowd.Crowd
	limits crowd.Limits
}

// NewPlaces returns Places that are all free.
func NewPlaces() *Places {
	return &Places{crowd.New(), crowd.Limits{
		All: MaxPlaces, PerNarrow: perNarrow, PerWide: perWide, NarrowIPv4: pool.NarrowIPv4, NarrowIPv6: pool.NarrowIPv6,
	}}
}

// Place is that of one exchange.
type Place struct {
	places *Places
	guest  *crowd.Guest
	// lost ends when the place is another one's.
	lost context.Context
	lose context.CancelFunc

	mu sync.Mutex // held while a step or end runs
	// end is nil once it has run.
	end func()
}

// Enter takes a place for a client; nil where the client's narrow network has 32 or its wide
// one 100 already, or where all are taken and its network has as many as any. end gives back
// all that the exchange holds: it is called once, by Leave or when the place is lost, while no
// step runs.
func (p *Places) Enter(client netip.Addr, end func()) *Place {
	place := &Place{places: p, end: end}
	place.lost, place.lose = context.WithCancel(context.Background())
	guest, answer := p.guests.Enter(client, p.limits, func() {
		place.lose()
		go place.finish() // which waits for the step that runs, whose context has ended
	})
	if answer != crowd.Welcome {
		place.lose()
		return nil
	}
	place.guest = guest
	return place
}

// Step runs one step of the exchange, whose context ends with the place too, and returns its
// error. Errors of its own: fault.Busy without a reason where the place is lost.
func (p *Place) Step(ctx context.Context, step func(context.Context) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.lost, cancel)()
	var err error
	if p.lost.Err() == nil {
		err = step(within)
	}
	if p.lost.Err() != nil {
		return fault.New("alike.step", fault.Busy, "the place of the exchange is another network's by now")
	}
	return err
}

// Leave gives the place back. A second call does nothing.
func (p *Place) Leave() {
	p.finish()
	p.places.guests.Leave(p.guest)
	p.lose()
}

// finish calls end, once.
func (p *Place) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end != nil {
		p.end()
	}
	p.end = nil
}
