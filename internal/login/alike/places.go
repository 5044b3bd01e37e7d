package alike

import (
	"net/netip"

	"countersign/internal/login/pool"
	"countersign/internal/smtpserver/crowd"
)

// Bounds of the exchanges of one client network that are under way where a directory runs
// some. The directory has a bound for all.
const perNarrow, perWide = 32, 100

// Places are those of exchanges before directories that run some, whoever they are about:
// where only those that pass took one, their lack would tell which do. They are safe for
// concurrent use.
type Places struct{ guests *crowd.Crowd }

// NewPlaces returns Places that are all free.
func NewPlaces() *Places { return &Places{crowd.New()} }

// Enter takes a place for a client, and returns what gives it back, where it may be called
// more than once; false where the client's narrow network has 32 or its wide one 100
// already. Clients without an address are not bounded.
func (p *Places) Enter(client netip.Addr) (leave func(), ok bool) {
	limits := crowd.Limits{PerNarrow: perNarrow, PerWide: perWide, NarrowIPv4: pool.NarrowIPv4, NarrowIPv6: pool.NarrowIPv6}
	guest, answer := p.guests.Enter(client, limits, func() {}) // without a bound for all, nobody makes room
	if answer != crowd.Welcome {
		return nil, false
	}
	return func() { p.guests.Leave(guest) }, true
}
