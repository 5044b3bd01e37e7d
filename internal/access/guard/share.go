package guard

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// SharerOptions are what a Sharer is made of. All fields but Every are needed.
type SharerOptions struct {
	Guard *Guard
	Store Store
	Now   func() time.Time
	// Logger gets what no caller is told.
	Logger *slog.Logger
	// Every is how often it works; 0 means once a second.
	Every time.Duration
}

// Sharer stores what a Guard has noted, behind it, and tells it what the other gates have.
// It is used by one goroutine.
type Sharer struct {
	opt    SharerOptions
	number uint64
	silent bool
	pruned time.Time
}

// Times and portions of the sharing.
const (
	usualEvery = time.Second
	pruneEvery = 10 * time.Minute
	// answer is how long the store may take.
	answer = 5 * time.Second
	// portion is how many Records are stored at once, page how many are read, portions how
	// often in a row.
	portion, page, portions = 500, 5000, 20
)

// NewSharer returns a Sharer.
func NewSharer(o SharerOptions) *Sharer {
	if o.Every <= 0 {
		o.Every = usualEvery
	}
	return &Sharer{opt: o}
}

// Load tells the Guard all that is stored. It is called before the first client comes.
// Errors are those of the store.
func (s *Sharer) Load(ctx context.Context) error { return s.follow(ctx, -1) }

// Run shares until ctx ends, and then stores once more.
func (s *Sharer) Run(ctx context.Context) {
	tick := time.NewTicker(s.opt.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.Share(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), answer)
			defer cancel()
			if err := s.keep(last); err != nil {
				s.opt.Logger.Warn("what the guard has counted last could not be stored", "error", err)
			}
			return
		}
	}
}

// Share stores what is new here, and learns what is new elsewhere. What fails is tried
// again at the next call.
func (s *Sharer) Share(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	err := s.keep(bounded)
	if err == nil {
		err = s.follow(bounded, portions)
	}
	if err == nil {
		err = s.prune(bounded)
	}
	if silent := err != nil; silent != s.silent && ctx.Err() == nil {
		s.silent = silent
		if silent {
			s.opt.Logger.Warn("what the guard counts cannot be stored and shared for now; it counts on", "error", err)
		} else {
			s.opt.Logger.Info("what the guard counts is stored and shared again")
		}
	}
}

// keep stores what waits, in portions.
func (s *Sharer) keep(ctx context.Context) error {
	for range portions {
		list := s.opt.Guard.take(portion)
		if len(list) == 0 {
			return nil
		}
		if err := s.opt.Store.KeepRecords(ctx, list, nil); err != nil {
			s.opt.Guard.giveBack(list)
			return err
		}
	}
	return nil
}

// follow learns what has changed, in so many portions at most; -1 for all there is.
func (s *Sharer) follow(ctx context.Context, most int) error {
	for n := 0; n != most; n++ {
		list, number, err := s.opt.Store.RecordsSince(ctx, s.number, page)
		if err != nil {
			return err
		}
		if number < s.number { // put back from a copy
			s.number = 0
			continue
		}
		s.opt.Guard.Learn(list)
		s.number = number
		if len(list) < page {
			return nil
		}
	}
	return nil
}

// prune removes what is of no use any more, now and then.
func (s *Sharer) prune(ctx context.Context) error {
	now := s.opt.Now()
	if passed := now.Sub(s.pruned); passed < pruneEvery && passed >= 0 {
		return nil
	}
	s.opt.Guard.Sweep()
	for range portions {
		n, err := s.opt.Store.PruneRecords(ctx, now, keepTimes*s.opt.Guard.Rules().MaxMarks, portion)
		if err != nil {
			return err
		}
		if n == 0 {
			s.pruned = now
			break
		}
	}
	return nil
}

// keepTimes is how many times what one gate keeps of failures the store keeps.
const keepTimes = 2

// take returns Records that are to be stored, most of them at most, which do not wait any
// more.
func (g *Guard) take(most int) []Kept {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Kept
	for k := range g.changed {
		if len(list) >= most {
			return list
		}
		delete(g.changed, k)
		if m := g.marks.all[k]; m != nil {
			r := m.Record
			r.Secrets = slices.Clone(r.Secrets)
			list = append(list, g.kept(r))
		}
	}
	for k, at := range g.visited {
		if len(list) >= most {
			return list
		}
		delete(g.visited, k)
		list = append(list, g.kept(Record{Network: k.network, Login: k.login, Known: at, Devices: g.known.Devices(k.login, k.network)}))
	}
	return list
}

func (g *Guard) kept(r Record) Kept { return Kept{r, r.End(g.rules.Window, g.rules.Known)} }

// giveBack has Records wait that could not be stored.
func (g *Guard) giveBack(list []Kept) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range list {
		k := key{list[i].Network, list[i].Login}
		if list[i].Known.IsZero() {
			g.changed[k] = true
		} else if _, newer := g.visited[k]; !newer && len(g.visited) < maxVisited {
			g.visited[k] = list[i].Known
		}
	}
}

// Learn puts what is stored together with what is known here.
func (g *Guard) Learn(list []Record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for i := range list {
		r := &list[i]
		if !r.Known.IsZero() && now.Sub(r.Known) < g.rules.Known {
			g.known.Add(r.Login, r.Network, r.Known)
			login, _ := r.Named()
			g.learn(r.Network, login, r.Devices, func() { g.known.Heard(r.Login, r.Network, r.Devices) })
		}
		have := g.marks.of(r.Network, r.Login)
		if have == nil && !r.counts(now, g.rules.Window) {
			continue
		}
		if have == nil {
			have = g.mark(r.Network, r.Login)
		}
		have.Record = Merge(have.Record, *r)
		have.Known, have.Devices = time.Time{}, nil // that is for acquaintances alone
	}
}

// Sweep forgets what is too old to count.
func (g *Guard) Sweep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	g.known.Forget(now.Add(-g.rules.Known).Unix())
	for k, m := range g.marks.all {
		if !g.changed[k] && m.End(g.rules.Window, 0).Before(now) {
			g.marks.drop(m)
		}
	}
}

// counts reports whether a record says anything beside who is known.
func (r *Record) counts(now time.Time, window time.Duration) bool {
	return r.tries(now, time.Time{}, window) > 0 || r.Closed(now)
}

// Forgotten returns what a Record becomes when an operator has it forgotten: nothing that
// came before counts, and what is closed is open. Who is known stays known.
func Forgotten(r Record, now time.Time) Record {
	now = now.UTC().Truncate(time.Second)
	return Record{Network: r.Network, Login: r.Login, Missing: r.Missing, Banned: now, Sprayed: now, Opened: now}
}

// Networks returns the networks by which failures of a client are counted, the narrow one
// first.
func Networks(client netip.Addr) (list []netip.Prefix) {
	for _, l := range levels(client) {
		list = append(list, l.network)
	}
	return list
}
