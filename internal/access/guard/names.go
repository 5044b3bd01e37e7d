package guard

import (
	"net/netip"
	"strconv"
	"time"
)

// step is after how many more logins it is looked at anew how many of those that failed from
// a network nobody has. What is found then counts a step later: no answer within the next
// step depends on whether one of them exists.
const step = 5

// spread is by which part of Rules.Names fewer may be enough: how many fewer is drawn for each
// network and window, so that nobody can tell one name by when a network is banned.
const spread = 4

// weight is what is known of the logins of a network that nobody has.
type weight struct {
	// at is how many logins had failed when it was looked, found how many of them nobody
	// has, and heavy how many count twice now.
	at, found, heavy int
}

// weigh takes what has failed until now.
func (w *weight) weigh(logins, missing int) {
	if logins >= w.at && logins < w.at+step {
		return
	}
	if logins < w.at { // what was counted is over, or some of it
		*w = weight{at: logins}
		return
	}
	w.at, w.heavy, w.found = logins, w.found, missing
}

// names counts the logins that failed from a network, and how many of them nobody has. Those
// that are known there do not count: their owners have changed a password, and not yet
// everywhere.
func (g *Guard) names(network netip.Prefix, now time.Time) (logins, missing int) {
	for _, m := range g.marks.byNetwork[network] {
		if m.tries(now, m.Sprayed, g.rules.Window) == 0 || g.met(m.Login, network, now) {
			continue
		}
		if logins++; m.Missing {
			missing++
		}
	}
	return logins, missing
}

// weighed is how much has failed from a network, and how much is too much of it.
func (g *Guard) weighed(l level, now time.Time) (count, most int) {
	count, _ = g.names(l.network, now)
	if all := g.marks.of(l.network, ""); all != nil {
		count += all.weight.heavy
	}
	return count, g.enough(l, now) + g.known.In(l.network)
}

// enough is how many logins that have failed are too much of a network now.
func (g *Guard) enough(l level, now time.Time) int {
	part := g.rules.Names / spread
	window := now.Unix() / max(1, int64(g.rules.Window/time.Second))
	fewer := int(g.opt.Draw(l.network.String(), strconv.FormatInt(window, 10))) % max(1, part)
	return (g.rules.Names - fewer) * l.factor
}

// sprayed bans or closes a network from which too many logins have failed.
func (g *Guard) sprayed(l level, now time.Time) *Action {
	logins, missing := g.names(l.network, now)
	if logins < min(step, g.enough(l, now)) {
		return nil
	}
	all := g.mark(l.network, "")
	all.weight.weigh(logins, missing)
	count, most := g.weighed(l, now)
	if count < most || g.opt.Now().Before(all.barred) {
		return nil
	}
	a := &Action{Rule: RuleNames, Network: l.network, Ban: g.known.In(l.network) == 0, Count: count}
	if a.Ban {
		g.bars(all)
		return a
	}
	a.Until = now.Add(g.rules.Close)
	g.close(all, now)
	g.settle(*a, now)
	return a
}
