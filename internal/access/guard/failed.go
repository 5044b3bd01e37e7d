package guard

import (
	"net/netip"
	"strings"
	"time"

	"countersign/internal/access/familiar"
	"countersign/internal/access/guard/tried"
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
	d := g.device(f.Login, f.Device)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rules.Off || g.rules.allows(f.Client) || f.Login == "" {
		return nil, 0
	}
	all := levels(f.Client)
	now, who, fresh := g.now(), g.standing(f.Client, f.Login), false
	for i, l := range all {
		m, differs := g.note(l, f, now)
		fresh = fresh || i == 0 && differs
		tries := m.Tries(now, g.rules.Window)
		wait = max(wait, g.rules.delayAt(l, tries))
		if f.Closed || who == known {
			continue
		}
		if a := g.guessed(m, l, tries, now); a != nil {
			actions = append(actions, *a)
		}
		if who != stranger {
			continue
		}
		if a := g.sprayed(l, now); a != nil {
			actions = append(actions, *a)
		}
	}
	if !f.Closed && who == stranger && nameable(f.Login) {
		if a := g.besieged(f.Login, now); a != nil {
			actions = append(actions, *a)
		}
	}
	if g.rules.Shadow {
		wait = 0
	}
	if m := g.marks.of(all[0].network, f.Login); m != nil {
		g.slow(m, g.own(m.Network, f.Login, d, now), slowness{wait, fresh, f.Closed || who != stranger})
	}
	for i := range actions {
		if actions[i].Shadow = g.rules.Shadow; g.rules.Shadow {
			g.settle(actions[i], now)
		}
	}
	return actions, wait
}

// slow says when the next attempt may come. Where others may have the right password, a secret that
// was tried before delays nobody.
func (g *Guard) slow(m *mark, d familiar.Device, s slowness) {
	if exact := g.opt.Now(); s.fresh || !s.trusted {
		m.setTurn(d, g.rules.next(m.turn(d), exact, s), exact)
	}
}

// slowness is how long the answer to a failure waits, whether it differs from those before, and
// whether it is where others may have the right password.
type slowness struct {
	wait           time.Duration
	fresh, trusted bool
}

// next is when the turn after a failure is: a stranger's when that is answered. Where others may have the right
// password, some seconds are left to them: what is tried there on and on comes no faster all the same.
func (r *Rules) next(turn, failed time.Time, s slowness) time.Time {
	if !s.trusted {
		return failed.Add(s.wait)
	}
	next, most := later(turn, failed).Add(s.wait), failed.Add(patience*r.MaxDelay)
	if next.After(most) {
		return most
	}
	return next
}

// patience is how many of the longest delays may add up at most.
const patience = 4

// guessed bans a login from a network where too many secrets of it were tried. Where it has come
// in from there, it closes it to those who have not come in by its password.
func (g *Guard) guessed(m *mark, l level, tries int, now time.Time) *Action {
	if tries < min(g.rules.Secrets*l.factor, tried.Most) || !nameable(m.Login) || g.opt.Now().Before(m.barred) {
		return nil
	}
	a := &Action{Rule: RuleSecrets, Network: l.network, Login: m.Login, Ban: !g.met(m.Login, l.network, now), Count: tries}
	if a.Ban {
		g.bars(m)
		return a
	}
	g.close(m, now)
	a.Until = m.ClosedUntil
	g.settle(*a, now)
	return a
}

// Done is told that what was decided is done: what it was for counts no more.
func (g *Guard) Done(a Action) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(a, g.now())
}

// settle has what an Action was for count no more.
func (g *Guard) settle(a Action, now time.Time) {
	switch a.Rule {
	case RuleSecrets:
		if m := g.marks.of(a.Network, a.Login); m != nil {
			m.Banned = now
			g.changed[m.key()] = true
		}
	case RuleNames:
		for _, m := range g.marks.byNetwork[a.Network] {
			m.Sprayed = now
			g.changed[m.key()] = true
		}
		if all := g.marks.of(a.Network, ""); all != nil {
			all.weight = weight{}
		}
	}
}

// nameable reports whether a login is an address: what is none is nobody's, and counts
// against its network alone.
func nameable(login string) bool { return !strings.HasPrefix(login, NoAddress) }

// NoAddress begins what stands for a login that is no address.
const NoAddress = "?"

// BarTime is how long a ban may take to be felt.
const BarTime = 10 * time.Second

func (g *Guard) bar() time.Time { return g.opt.Now().Add(BarTime) }

// bars turns away what is to be banned.
func (g *Guard) bars(m *mark) {
	if !g.rules.Shadow {
		m.barred = g.bar()
	}
}

// Bar turns away what is to be banned for some seconds more, as the ban cannot be set yet.
func (g *Guard) Bar(a Action) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mark(a.Network, a.Login).barred = g.bar()
}

// Spares reports whether a ban would hit somebody who has come in since it was decided, by
// what is not guessed: a certificate, or a network of theirs.
func (g *Guard) Spares(a Action) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.Login != "" {
		return g.met(a.Login, a.Network, g.now())
	}
	return g.known.In(a.Network) > 0
}

// mark returns a mark, which it makes where there is none.
func (g *Guard) mark(network netip.Prefix, login string) *mark {
	return g.marks.make(network, login, wideFactor*g.rules.Names+g.known.In(network)+spare)
}

// spare is how many logins of a network are kept beyond what bans it.
const spare = 16

// note counts a failure in one network, and says whether it differs from those before.
func (g *Guard) note(l level, f Failure, now time.Time) (m *mark, differs bool) {
	m = g.mark(l.network, f.Login)
	if !f.Closed && !f.Left { // else nobody has looked
		m.Missing = f.Missing
	}
	differs = true
	var worth bool
	if f.Seen {
		differs, worth = m.Secrets.Note(f.Digest, now.Unix())
	} else {
		worth = m.unseen(now)
	}
	if worth {
		g.changed[m.key()] = true
	}
	return m, differs
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
		if n > 0 && g.standing(m.Network.Addr(), login) == stranger {
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
