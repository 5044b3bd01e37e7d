package guard

import (
	"net/netip"
	"time"
)

// Enter is asked before anything is verified: nil lets the attempt go on, until Leave is
// called with the same; any of the errors above turns it away. What is turned away is no
// failure; it keeps closed what is.
func (g *Guard) Enter(client netip.Addr, login string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.rules.Shadow && !g.rules.Off && !g.rules.allows(client) && !g.knows(client, login) {
		if err := g.turnedAway(client, login); err != nil {
			return err
		}
	}
	for _, k := range flights(client, login) {
		g.flying[k]++
	}
	return nil
}

// Leave is told that an attempt is not verified any more, after Failed or Passed where one
// of them is.
func (g *Guard) Leave(client netip.Addr, login string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range flights(client, login) {
		if g.flying[k]--; g.flying[k] <= 0 {
			delete(g.flying, k)
		}
	}
}

// flights are what attempts that are being verified are counted by.
func flights(client netip.Addr, login string) []key {
	of := []key{{login: login}}
	if all := levels(client); len(all) > 0 {
		of = append(of, key{network: all[0].network})
	}
	return of
}

// turnedAway says why a stranger is turned away, nil where they are not.
func (g *Guard) turnedAway(client netip.Addr, login string) error {
	exact, now := g.opt.Now(), g.now()
	for _, l := range levels(client) {
		pair, all := g.marks.of(l.network, login), g.marks.of(l.network, "")
		switch {
		case pair != nil && exact.Before(pair.barred), all != nil && exact.Before(all.barred):
			return ErrBarred
		case all != nil && all.Closed(now):
			g.prolong(all, now)
			return ErrNetworkClosed
		case pair != nil && exact.Before(pair.next):
			return ErrTooSoon
		}
	}
	if of := g.marks.of(netip.Prefix{}, login); of != nil && of.Closed(now) {
		g.prolong(of, now)
		return ErrLoginClosed
	}
	return g.crowded(client, login, now)
}

// crowded turns a stranger away while so much is being verified that it would be too much if
// all of it failed. A network from which little has failed is left alone: a whole office
// may come at once.
func (g *Guard) crowded(client netip.Addr, login string, now time.Time) error {
	guessed, _ := g.guesses(login, now)
	if flying := g.flying[key{login: login}]; flying > 0 && flying+guessed >= g.rules.LoginSecrets {
		return ErrCrowded
	}
	l := levels(client)[0]
	flying := g.flying[key{network: l.network}]
	if flying == 0 {
		return nil
	}
	if count, most := g.weighed(l, now); count > g.rules.Names/4 && flying+count >= most {
		return ErrCrowded
	}
	return nil
}

// knows reports whether a login has come in from one of the networks of a client.
func (g *Guard) knows(client netip.Addr, login string) bool {
	for _, l := range levels(client) {
		if g.known.last(login, l.network, g.now()) > 0 {
			return true
		}
	}
	return false
}

// prolong keeps something closed.
func (g *Guard) prolong(m *mark, now time.Time) {
	g.marks.order.MoveToFront(m.place)
	until := now.Add(g.rules.Close)
	if until.Sub(m.ClosedUntil) >= min(time.Minute, g.rules.Close) { // not for each attempt
		m.ClosedUntil = until
		g.changed[m.key()] = true
	}
}

// Passed is told that somebody has logged in. That takes back nothing that was counted.
func (g *Guard) Passed(client netip.Addr, login string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rules.allows(client) {
		return
	}
	now := g.now()
	for _, l := range levels(client) {
		last := g.known.last(login, l.network, now)
		g.known.add(login, l.network, now)
		if now.Unix()-last < int64(visits/time.Second) {
			continue
		}
		k := key{l.network, login}
		if _, waits := g.visited[k]; !waits && len(g.visited) >= maxVisited {
			g.lost++
			continue
		}
		g.visited[k] = now
	}
}

// visits is how much later another visit is to be stored, maxVisited how many wait for
// that.
const (
	visits     = 24 * time.Hour
	maxVisited = 50_000
)
