package guard

import (
	"net/netip"
	"slices"
	"time"

	"countersign/internal/access/familiar"
)

// Devices. Somebody who guesses in the owner's own network would keep the owner waiting there, as
// no more than so many guesses are looked at in a time, and the right password is one of them. So
// each device by which a login has come in from there, by what it calls itself, has turns of its
// own, and all others share those that are left. To look whether a password is the right one
// before it is its turn would be to look at guesses as fast as they come.

// flight is what is being verified of a login from a narrow network by one device.
type flight struct {
	key
	device familiar.Device
}

func (g *Guard) flight(client netip.Addr, login, device string) flight {
	f := flight{key{login: login}, g.known.Device(device)}
	if all := levels(client); len(all) > 0 {
		f.network = all[0].network
	}
	return f
}

// devices are those that a login has come in by from a narrow network, by whatever it has proved
// itself with, each once.
func (g *Guard) devices(network netip.Prefix, login string) (list []familiar.Device) {
	for _, login := range []string{login, otherwise + login} {
		for _, d := range g.known.Devices(login, network) {
			if d != 0 && !slices.Contains(list, d) {
				list = append(list, d)
			}
		}
	}
	return list
}

// own returns a device, if it is one of those, else 0.
func (g *Guard) own(network netip.Prefix, login string, d familiar.Device) familiar.Device {
	if d != 0 && slices.Contains(g.devices(network, login), d) {
		return d
	}
	return 0
}

// learn notes by which device a login has come in from a narrow network; as is the login, or what
// stands for it where it came in by something else than its password. A device that is new there
// has its turn behind all others: else who comes in by ever new names, as by a stolen app password,
// would have a guess with each.
func (g *Guard) learn(network netip.Prefix, login, as, name string) {
	d, before, now := g.known.Device(name), g.devices(network, login), g.opt.Now()
	g.known.Use(as, network, d)
	m := g.marks.of(network, login)
	if m == nil || d == 0 || slices.Contains(before, d) {
		return
	}
	last, have := m.next, g.devices(network, login)
	for other, at := range m.own {
		last = later(last, at)
		if !slices.Contains(have, other) {
			delete(m.own, other)
		}
	}
	m.setTurn(d, last, now)
}

// turn is when the next attempt of a device may come, of 0 that of all that are not known.
func (m *mark) turn(d familiar.Device) time.Time {
	if d != 0 {
		return m.own[d]
	}
	return m.next
}

// setTurn changes that.
func (m *mark) setTurn(d familiar.Device, at, now time.Time) {
	if d == 0 {
		m.next = at
		return
	}
	if m.own == nil {
		m.own = map[familiar.Device]time.Time{}
	}
	for other, until := range m.own { // of devices that are known no more, too
		if !until.After(now) || len(m.own) > 4*familiar.EachDevice {
			delete(m.own, other)
		}
	}
	m.own[d] = at
}
