package guard

import (
	"net/netip"
	"time"

	"countersign/internal/access/familiar"
)

// standing is what a login is in the network that a client has.
type standing int

const (
	// stranger: it has not come in from there.
	stranger standing = iota
	// seen: it has, by what is not the password of the account.
	seen
	// known: it has, by its password.
	known
)

// Enter is asked before anything is verified, and again before each later step that does: nil
// lets it go on, until Leave is called with the same; any of the errors above turns it away.
// After ErrNetworkClosed it goes on to fail, until Leave is called. What is turned away is no
// failure; it keeps closed what is. device is what the client calls itself, "" where it does not
// say.
func (g *Guard) Enter(client netip.Addr, login, device string) error {
	d := g.device(login, device)
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.turnedAway(client, login, d)
	if r.shut != nil {
		g.prolong(r.shut)
	}
	if r.why == nil || r.why == ErrNetworkClosed {
		for _, k := range flights(client, login) {
			g.flying[k]++
		}
		g.flyingBy[flightOf(client, login, d)]++
	}
	return r.why
}

// Foresee says what Enter would say now of the same, and until when if nobody tries meanwhile: zero where
// that is not known. It counts nothing, and keeps nothing closed.
func (g *Guard) Foresee(client netip.Addr, login, device string) (until time.Time, why error) {
	d := g.device(login, device)
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.turnedAway(client, login, d)
	return r.until, r.why
}

// refusal is why somebody is turned away, nil where they are not, and when that ends, where it is
// known. shut is what is closed to them, and is to be for longer now that they have come.
type refusal struct {
	why   error
	until time.Time
	shut  *mark
}

// Leave is told that an attempt is not verified any more, or waits for its client.
func (g *Guard) Leave(client netip.Addr, login, device string) {
	f := flightOf(client, login, g.device(login, device))
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.flyingBy[f]--; g.flyingBy[f] <= 0 {
		delete(g.flyingBy, f)
	}
	for _, k := range flights(client, login) {
		if g.flying[k]--; g.flying[k] <= 0 {
			delete(g.flying, k)
		}
	}
}

// flights are what attempts that are being verified are counted by.
func flights(client netip.Addr, login string) []key {
	of := []key{{login: login}}
	for i, l := range levels(client) {
		if i == 0 {
			of = append(of, key{network: l.network})
		}
		of = append(of, key{l.network, login})
	}
	return of
}

// turnedAway says whether somebody is turned away, and changes nothing.
func (g *Guard) turnedAway(client netip.Addr, login string, d familiar.Device) refusal {
	if g.rules.Shadow || g.rules.Off || g.rules.allows(client) {
		return refusal{}
	}
	return g.judge(client, login, d)
}

// judge is turnedAway where the rules hold; of a client without an address nothing is known. Where a
// network is closed, strangers wait as long as those who are known there, or the wait would tell who is.
func (g *Guard) judge(client netip.Addr, login string, d familiar.Device) refusal {
	all, who, now := levels(client), g.standing(client, login), g.now()
	r := g.closed(all, login, who, now)
	if len(all) == 0 || r.why == ErrBarred || r.why == ErrLoginClosed {
		return r
	}
	trusted, slack := who != stranger || r.why != nil, time.Duration(0)
	if trusted {
		slack = g.rules.MaxDelay
	}
	d = g.own(all[0].network, login, d, now)
	if pair := g.marks.of(all[0].network, login); pair != nil {
		if due := pair.turn(d).Add(-slack); g.opt.Now().Before(due) {
			return refusal{ErrTooSoon, due, r.shut}
		}
	}
	switch {
	case !trusted:
		return refusal{why: g.crowded(all, login, now)}
	case g.hasty(all[0].network, login, d, now):
		return refusal{why: ErrCrowded, shut: r.shut}
	}
	return r
}

// closed says what is closed to somebody.
func (g *Guard) closed(all []level, login string, who standing, now time.Time) refusal {
	if who == known {
		return refusal{}
	}
	for _, l := range all {
		pair, of := g.marks.of(l.network, login), g.marks.of(l.network, "")
		shut := of != nil && of.Closed(now)
		switch exact := g.opt.Now(); {
		case who == stranger && (pair != nil && exact.Before(pair.barred) || of != nil && exact.Before(of.barred)):
			return refusal{why: ErrBarred}
		case who == stranger && shut:
			return refusal{ErrNetworkClosed, of.ClosedUntil, of}
		case pair != nil && pair.Closed(now):
			why := ErrLoginClosed
			if shut {
				why = ErrNetworkClosed
			}
			return refusal{why, pair.ClosedUntil, pair}
		case who == seen: // what others do elsewhere is nothing to them
			return refusal{}
		}
	}
	if of := g.marks.of(netip.Prefix{}, login); of != nil && of.Closed(now) {
		return refusal{ErrLoginClosed, of.ClosedUntil, of}
	}
	return refusal{}
}

// hasty reports whether more of a login is being verified than who has a password has to:
// where something has failed there, few at once. d is a device of its own, or 0 for all others.
func (g *Guard) hasty(network netip.Prefix, login string, d familiar.Device, now time.Time) bool {
	most := 4 * g.rules.Secrets
	if pair := g.marks.of(network, login); pair != nil && pair.Tries(now, g.rules.Window) > g.rules.Free {
		most = max(1, g.rules.Free)
	}
	if d != 0 {
		return g.flyingBy[flight{key{network, login}, d}] >= most
	}
	others := g.flying[key{network, login}]
	for _, own := range g.devices(network, login, now) {
		others -= g.flyingBy[flight{key{network, login}, own}]
	}
	return others >= most
}

// crowded turns a stranger away while so much is being verified that it would be too much if
// all of it failed; of that, one network has a part alone. A network from which little has
// failed is left alone: a whole office may come at once.
func (g *Guard) crowded(all []level, login string, now time.Time) error {
	for _, l := range all {
		if g.flying[key{l.network, login}] >= max(2, g.rules.LoginSecrets/4)*l.factor {
			return ErrCrowded
		}
	}
	guessed, _ := g.guesses(login, now)
	if flying := g.flying[key{login: login}]; flying > 0 && flying+guessed >= g.rules.LoginSecrets {
		return ErrCrowded
	}
	flying := g.flying[key{network: all[0].network}]
	if flying == 0 {
		return nil
	}
	if count, most := g.weighed(all[0], now); count > g.rules.Names/4 && flying+count >= most {
		return ErrCrowded
	}
	return nil
}

// Known reports whether a login, in the form of accounts, has come in by its password from the narrow
// network of a client lately, at any gate of the store as far as this one has heard.
func (g *Guard) Known(client netip.Addr, login string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.standing(client, login) == known
}

// standing says what a login is in the narrow network of a client.
func (g *Guard) standing(client netip.Addr, login string) standing {
	all, now := levels(client), g.now()
	switch {
	case len(all) == 0:
		return stranger
	case g.known.Last(login, all[0].network, now) > 0:
		return known
	case g.known.Last(otherwise+login, all[0].network, now) > 0:
		return seen
	}
	return stranger
}

// met reports whether a login has come in from a network, by whatever.
func (g *Guard) met(login string, network netip.Prefix, now time.Time) bool {
	return g.known.Last(login, network, now) > 0 || g.known.Last(otherwise+login, network, now) > 0
}

// otherwise begins what stands for a login that came in by what is not its password: an app
// password that was stolen is not to make a network good for guessing the password. No address
// begins so.
const otherwise = ":"

// prolong keeps something closed.
func (g *Guard) prolong(m *mark) {
	g.marks.order.MoveToFront(m.place)
	until := g.now().Add(g.rules.Close)
	if until.Sub(m.ClosedUntil) >= min(time.Minute, g.rules.Close) { // not for each attempt
		m.ClosedUntil = until
		g.changed[m.key()] = true
	}
}

// Passed is told that somebody has logged in, by a device that calls itself so, and whether by
// the password of the account. That takes back nothing that was counted.
func (g *Guard) Passed(client netip.Addr, login, device string, password bool) {
	d := g.device(login, device)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rules.allows(client) {
		return
	}
	as := login
	if !password {
		as = otherwise + login
	}
	now := g.now()
	for i, l := range levels(client) {
		worth := g.known.Add(as, l.network, now)
		if use := familiar.UseAt(d, now); i == 0 && d != 0 {
			g.learn(l.network, login, []familiar.Use{use}, func() { worth = g.known.Use(as, l.network, use) || worth })
		}
		if !worth {
			continue
		}
		k := key{l.network, as}
		if _, waits := g.visited[k]; waits || len(g.visited) < maxVisited {
			g.visited[k] = now
		}
	}
}

// maxVisited is how many visits wait to be stored.
const maxVisited = 50_000
