package guard

import (
	"net/netip"
	"strings"
	"time"
)

// Failed is told of a failure, and returns how long the answer is to wait.
func (g *Guard) Failed(f Failure) time.Duration {
	actions, wait := g.failed(f)
	for _, a := range actions {
		g.opt.Act(a)
	}
	return wait
}

func (g *Guard) failed(f Failure) (actions []Action, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rules.Off || g.rules.allows(f.Client) || f.Login == "" {
		return nil, 0
	}
	now, known := g.now(), g.knows(f.Client, f.Login)
	for _, l := range levels(f.Client) {
		m := g.note(l, f, now)
		tries := m.Tries(now, g.rules.Window)
		wait = max(wait, g.rules.delay((tries+l.factor-1)/l.factor))
		if known {
			continue
		}
		if tries >= g.rules.Secrets*l.factor && nameable(f.Login) {
			m.Banned = now
			m.barred = g.bar()
			actions = append(actions, Action{Rule: RuleSecrets, Network: l.network, Login: f.Login, Ban: true, Count: tries})
		}
		if a := g.sprayed(l, now); a != nil {
			actions = append(actions, *a)
		}
	}
	if !known && nameable(f.Login) {
		if a := g.besieged(f.Login, now); a != nil {
			actions = append(actions, *a)
		}
	}
	if g.rules.Shadow {
		wait = 0
	}
	if m := g.marks.of(levels(f.Client)[0].network, f.Login); m != nil {
		m.next = g.opt.Now().Add(wait)
	}
	for i := range actions {
		actions[i].Shadow = g.rules.Shadow
	}
	return actions, wait
}

// nameable reports whether a login is an address: what is none is nobody's, and counts
// against its network alone.
func nameable(login string) bool { return !strings.HasPrefix(login, NoAddress) }

// NoAddress begins what stands for a login that is no address.
const NoAddress = "?"

// barTime is how long a ban may take to be felt.
const barTime = 10 * time.Second

func (g *Guard) bar() time.Time { return g.opt.Now().Add(barTime) }

// Bar turns away what is to be banned for some seconds more, as the ban cannot be set yet.
func (g *Guard) Bar(a Action) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mark(a.Network, a.Login).barred = g.bar()
}

// spares reports whether a ban would hit somebody who has come in since it was decided, by
// what is not guessed: a certificate, or a network of theirs.
func (g *Guard) spares(a Action) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.Login != "" {
		return g.known.last(a.Login, a.Network, g.now()) > 0
	}
	return g.known.in(a.Network) > 0
}

// mark returns a mark, which it makes where there is none.
func (g *Guard) mark(network netip.Prefix, login string) *mark {
	return g.marks.make(network, login, wideFactor*g.rules.Names+g.known.in(network)+spare)
}

// spare is how many logins of a network are kept beyond what bans it.
const spare = 16

// note counts a failure in one network.
func (g *Guard) note(l level, f Failure, now time.Time) *mark {
	m := g.mark(l.network, f.Login)
	m.Missing = f.Missing
	var worth bool
	if f.Seen {
		worth = m.seen(f.Digest, now.Unix())
	} else {
		worth = m.unseen(now)
	}
	if worth {
		g.changed[m.key()] = true
	}
	return m
}

// besieged closes a login at which too much was guessed from networks that it does not know.
func (g *Guard) besieged(login string, now time.Time) *Action {
	count, from := g.guesses(login, now)
	if count < g.rules.LoginSecrets || from < g.rules.LoginNetworks {
		return nil
	}
	closed := g.mark(netip.Prefix{}, login)
	if closed.Closed(now) {
		return nil
	}
	g.close(closed, now)
	return &Action{Rule: RuleSources, Login: login, Count: count, Until: closed.ClosedUntil}
}

// guesses counts what was guessed at a login from networks that it does not know, and these.
func (g *Guard) guesses(login string, now time.Time) (count, from int) {
	var opened time.Time
	if m := g.marks.of(netip.Prefix{}, login); m != nil {
		opened = m.Opened
	}
	for _, m := range g.marks.byLogin[login] {
		n := m.tries(now, opened, g.rules.Window)
		if n > 0 && !g.knows(m.Network.Addr(), login) {
			count, from = count+n, from+1
		}
	}
	return count, from
}

// close closes a login or a network.
func (g *Guard) close(m *mark, now time.Time) {
	m.ClosedFrom, m.ClosedUntil = now, now.Add(g.rules.Close)
	g.changed[m.key()] = true
}
