package guard

import (
	"context"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"countersign/internal/access/familiar"
	"countersign/internal/access/guard/tried"
)

// Caller is who tries a login.
type Caller struct {
	// Client is invalid where nothing is known of it.
	Client netip.Addr
	Login  string
	// Device is what stands for what it calls itself, as Options.Device makes it; 0 where it is not
	// known.
	Device uint32
}

// Standing is how a login stands in the network of a client.
type Standing struct {
	// Turned is why a gate turns it away now, nil where it does not, and Until when that ends, as
	// Guard.Foresee says it.
	Turned error
	Until  time.Time
	// Counts is how many different failures count there now, and Wait how long the answer to a
	// further one waits.
	Counts int
	Wait   time.Duration
	// Own says that the device of the client has turns of its own there: no guesser is in its way.
	Own bool
}

// Standing says how a login stands in the network of a client, as far as the store tells it, by what decides
// in Guard.Enter. The store does not tell
//   - what gates have counted within the last second, which bans are on their way, and what is being verified;
//   - within which part of a second something failed;
//   - by which device: no device that has logged in is taken to have failed;
//   - each time that a stranger repeats a secret, or that one fails that was not seen: only those that Record has;
//   - at which gate: turns are each one's own, and it is as if all was tried at one that still runs.
//
// Errors are those of the store.
func (a *Admin) Standing(ctx context.Context, r Rules, c Caller) (s Standing, err error) {
	if r.Off || r.Shadow || c.Client.IsValid() && r.allows(c.Client) {
		return s, nil
	}
	found, err := a.Find(ctx, Subject{Login: c.Login})
	if err != nil {
		return s, err
	}
	of, err := a.Find(ctx, Subject{Networks: Networks(c.Client)})
	if err != nil {
		return s, err
	}
	r.MaxMarks = max(r.MaxMarks, 4*mostFound)
	g := New(Options{Rules: r, Now: a.opt.Now})
	g.Learn(append(of, found...)) // in this order: of a network only so many logins are kept
	if all := levels(c.Client); len(all) > 0 {
		if m := g.marks.of(all[0].network, c.Login); m != nil {
			g.recall(m, all, g.trusts(c))
			s.Counts = m.Tries(g.now(), r.Window)
			s.Wait = r.delay(s.Counts + 1)
		}
		s.Own = g.own(all[0].network, c.Login, familiar.Device(c.Device), g.now()) != 0
	}
	turned := g.judge(c.Client, c.Login, familiar.Device(c.Device))
	s.Turned, s.Until = turned.why, turned.until
	return s, nil
}

// trusts reports whether others may have the right password where somebody is.
func (g *Guard) trusts(c Caller) bool {
	who := g.standing(c.Client, c.Login)
	return who != stranger || g.closed(levels(c.Client), c.Login, who, g.now()).why != nil
}

// recall works out of what is stored when it is the turn of all that have no turns of their own.
func (g *Guard) recall(m *mark, all []level, trusted bool) {
	for _, at := range m.moments(trusted) {
		s := slowness{fresh: true, trusted: trusted}
		for _, l := range all {
			if of := g.marks.of(l.network, m.Login); of != nil {
				s.wait = max(s.wait, g.rules.delayAt(l, of.triesAt(at, g.rules.Window)))
			}
		}
		m.next = g.rules.next(m.next, time.Unix(at.First, 0), s)
	}
}

// after stands behind all secrets that were tried within the same second.
const after = 1<<16 - 1

// moments are when failures came that say whose turn it is, in their order: each secret for the first time,
// and what was not seen last; where nobody is trusted, the last one, too, whatever it was.
func (r *Record) moments(trusted bool) []tried.Secret {
	list := slices.Clone(r.Secrets)
	if r.Unseen > 0 {
		list = append(list, tried.Secret{Digest: after, First: r.UnseenAt.Unix()})
	}
	if !trusted && r.failed() {
		list = append(list, tried.Secret{Digest: after, First: r.LastFailure().Unix()})
	}
	slices.SortFunc(list, tried.Secret.Compare)
	return list
}

// triesAt is what Tries was at a moment that is past, as far as it is known.
func (r *Record) triesAt(at tried.Secret, window time.Duration) (n int) {
	oldest, banned := at.First-int64(window/time.Second), r.Banned.Unix()
	if at.First <= banned { // what counted then was not known to be banned
		banned = 0
	}
	for _, s := range r.Secrets {
		if s.Compare(at) <= 0 && s.Last >= oldest && s.First > banned {
			n++
		}
	}
	if r.Unseen > 0 && r.UnseenAt.Unix() >= oldest && r.UnseenFrom.Unix() <= at.First && r.UnseenFrom.Unix() > banned {
		n += bits.Len(uint(r.Unseen))
	}
	return n
}
