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

func flightOf(client netip.Addr, login string, d familiar.Device) flight {
	f := flight{key{login: login}, d}
	if all := levels(client); len(all) > 0 {
		f.network = all[0].network
	}
	return f
}

// device returns what stands for the name that a client of a login gives itself.
func (g *Guard) device(login, name string) familiar.Device {
	if name == "" || login == "" {
		return 0
	}
	return familiar.Device(g.opt.Device(login, name))
}

// devices are those of a login that have turns of their own in a narrow network, each once: that it
// has come in by there, by whatever it has proved itself with, or anywhere, by its password. So a device
// that is new in an office where somebody guesses is not new if it was in use at home. Where the login
// has not come in from, it has none.
func (g *Guard) devices(network netip.Prefix, login string, now time.Time) []familiar.Device {
	if !g.met(login, network, now) {
		return nil
	}
	since := now.Add(-g.rules.Known)
	list := g.known.By(login, since)
	for _, u := range g.known.Devices(otherwise+login, network) {
		if int64(u.At) > since.Unix() && !slices.Contains(list, u.Device) {
			list = append(list, u.Device)
		}
	}
	return list
}

// own returns a device, if it is one of those, else 0.
func (g *Guard) own(network netip.Prefix, login string, d familiar.Device, now time.Time) familiar.Device {
	if d != 0 && slices.Contains(g.devices(network, login, now), d) {
		return d
	}
	return 0
}

// learn has note tell by which devices a login has come in from a narrow network, and gives those that are
// new there their turn behind all others: else who comes in by ever new names, as by a stolen app
// password, would have a guess with each.
func (g *Guard) learn(network netip.Prefix, login string, list []familiar.Use, note func()) {
	now := g.opt.Now()
	m, before := g.marks.of(network, login), g.devices(network, login, now)
	note()
	if m == nil {
		return
	}
	last, have := m.next, g.devices(network, login, now)
	for other, at := range m.own {
		last = later(last, at)
		if !slices.Contains(have, other) {
			delete(m.own, other)
		}
	}
	for _, u := range list {
		if u.Device != 0 && slices.Contains(have, u.Device) && !slices.Contains(before, u.Device) {
			m.setTurn(u.Device, last, now)
		}
	}
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
		if !until.After(now) || len(m.own) >= maxOwn {
			delete(m.own, other)
		}
	}
	m.own[d] = at
}

// maxOwn is how many devices of a login can have turns of their own in a network.
const maxOwn = (familiar.Each + 1) * familiar.EachDevice
