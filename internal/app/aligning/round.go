package aligning

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/rounds"
)

// Bounds of a round.
const (
	// gap is how long it waits between two domains, so that name servers are not flooded.
	gap = 100 * time.Millisecond
	// atOnce is how many domains it looks at at once, so that one whose DNS is slow does not
	// keep the others waiting.
	atOnce = 8
	// portion is how many domains it takes in hand at a time; others get the rest.
	portion = 2 * atOnce
	// lookAtMost bounds the look at one domain.
	lookAtMost = 20 * time.Second
	// slow is how long a look may take before its domain comes behind the others in the next
	// round.
	slow = 5 * time.Second
	// lapse is when somebody who has taken a domain in hand and said nothing is gone: long
	// beside what the looks at a portion may take, and the clocks of gates be apart.
	lapse = 5 * time.Minute
	// perPeriod is how often it is looked whether domains are due, in the time in which each is
	// looked at once.
	perPeriod = 24
	// atLeast is how many domains a round looks at, however few its share of all is.
	atLeast = 500
	// settle is how long the first round is after the start, so that a gate that is started again
	// and again floods no name server.
	settle = time.Minute
)

// pace is how far apart the rounds are: a part of the time between two looks at a domain, as
// another gate may be gone that had it in hand.
func (w *Watch) pace() time.Duration {
	every := w.opt.Config.Alignment.CheckEvery.Std()
	return min(every, max(every/perPeriod, lapse))
}

// dueAt is before when a domain was looked at that is due at a moment. What will be due before the next
// round is due in this one: so its period does not grow each time, and those that are slow are behind
// all others.
func (w *Watch) dueAt(now time.Time) time.Time {
	every := w.opt.Config.Alignment.CheckEvery.Std()
	return now.Add(min(w.pace(), every/2) - every)
}

// share is how many of all domains a round looks at: twice as many as it takes for each to have its
// turn, so that the looks are spread over the time, and as many as few domains are at once.
func (w *Watch) share(all int) int {
	rounds := max(1, int(w.opt.Config.Alignment.CheckEvery.Std()/w.pace()))
	return max(atLeast, (2*all+rounds-1)/rounds)
}

// round looks at active domains that are due and in nobody's hand, whatever is done about their mail,
// for as long as looks are apart at most. Those that took long come last, and of those that are alike
// the one whose look is longest ago comes first: where the time is too short, others are left out each
// time.
func (w *Watch) round(ctx context.Context) error {
	domains, err := w.due(ctx)
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, w.opt.Config.Alignment.CheckEvery.Std())
	defer cancel()
	short, stop := context.WithCancelCause(short)
	defer stop(nil)
	var work sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for part := range slices.Chunk(domains, portion) {
		if err := w.take(short, part, func(l rounds.Look) {
			select {
			case places <- struct{}{}:
			case <-short.Done():
				return
			}
			work.Go(func() {
				defer func() { <-places }()
				if err := w.look(short, l); err != nil {
					stop(err)
				}
			})
			pause(short, gap)
		}); err != nil {
			stop(err)
		}
		if short.Err() != nil {
			break
		}
	}
	work.Wait()
	if err := w.count(ctx); err != nil {
		return err
	}
	return context.Cause(short)
}

// take takes domains in hand as far as nobody else has, and has each looked at.
func (w *Watch) take(ctx context.Context, domains []mail.Domain, look func(rounds.Look)) error {
	now := w.opt.Now().UTC().Truncate(time.Microsecond)
	turn := rounds.Turn{Node: w.opt.Node, At: now, Due: w.dueAt(now), Lapsed: now.Add(-lapse)}
	taken, err := w.opt.Store.TakeLooks(ctx, domains, turn)
	for _, l := range taken {
		look(l)
	}
	return err
}

// active are the active domains, with what is known of the looks at them.
func (w *Watch) active(ctx context.Context) (map[mail.Domain]rounds.Look, error) {
	all, err := w.opt.Store.Domains(ctx, account.DomainQuery{})
	if err != nil {
		return nil, err
	}
	known := map[mail.Domain]rounds.Look{}
	for i := range all {
		if d := &all[i]; d.State == account.Active {
			known[d.Name] = rounds.Look{Domain: d.Name}
		}
	}
	looks, err := w.opt.Store.AllLooks(ctx, "")
	for _, l := range looks {
		if _, active := known[l.Domain]; active {
			known[l.Domain] = l
		}
	}
	return known, err
}

// due are those of the domains that may be due and have a place in the round, in its order: the store
// decides.
func (w *Watch) due(ctx context.Context) ([]mail.Domain, error) {
	known, err := w.active(ctx)
	if err != nil {
		return nil, err
	}
	share := w.share(len(known))
	before := w.dueAt(w.opt.Now())
	maps.DeleteFunc(known, func(_ mail.Domain, l rounds.Look) bool { return !l.At.Before(before) })
	list := slices.SortedFunc(maps.Keys(known), func(a, b mail.Domain) int {
		x, y := known[a], known[b]
		switch {
		case x.Slow && !y.Slow:
			return 1
		case y.Slow && !x.Slow:
			return -1
		}
		return cmp.Or(x.At.Compare(y.At), cmp.Compare(a, b))
	})
	return list[:min(len(list), share)], nil
}

// count sets the figures to what is known now, by whichever gate.
func (w *Watch) count(ctx context.Context) error {
	known, err := w.active(ctx)
	if err != nil {
		return err
	}
	counts := map[alignment.Verdict]int{alignment.Pass: 0, alignment.WillFail: 0, alignment.Unknown: 0}
	for _, l := range known {
		counts[cmp.Or(alignment.Verdict(l.Verdict), alignment.Unknown)]++
	}
	for verdict, n := range counts {
		w.domains.WithLabelValues(string(verdict)).Set(float64(n))
	}
	return nil
}

// stale is how many periods ago a look was that says nothing any more of whether the domain's
// mail fails: it was suspended since.
const stale = 1.5

// look finds out how mail of a domain fares, and records it where that has changed. What
// is unknown is no change; what the end of the round cuts short is no look.
func (w *Watch) look(ctx context.Context, l rounds.Look) error {
	var keys []account.Key
	var err error
	if w.current.Load().DKIM.Sign {
		keys, err = w.opt.Store.SigningKeys(ctx, l.Domain)
	}
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, lookAtMost)
	defer cancel()
	begin := time.Now()
	a := w.judge.Assess(short, Question(l.Domain, keys))
	l.Slow = time.Since(begin) > slow
	if ctx.Err() != nil {
		return nil
	}
	events := found(&l, a, w.opt.Now(), w.opt.Config.Alignment.CheckEvery.Std())
	err = w.opt.Store.KeepLook(ctx, l, events...)
	switch {
	case fault.Is(err, fault.Conflict):
		return nil // another gate has it by now, and will say so, or the domain is gone
	case err != nil:
		return err
	}
	for _, e := range events {
		w.opt.Recorder.Log(e)
	}
	return nil
}

// found notes what a look at a domain has found, where looks are that far apart, and returns what is recorded of it.
// The policy that was known last stays where DNS does not answer for it.
func found(l *rounds.Look, a alignment.Assessment, now time.Time, every time.Duration) []audit.Event {
	if now.Sub(l.At) > time.Duration(stale*float64(every)) {
		l.Failing = false
	}
	l.At, l.Verdict, l.Reason = now.UTC().Truncate(time.Microsecond), string(a.Verdict), a.Reason()
	if !a.PolicyUnknown {
		l.Policy = string(a.Policy)
	}
	return change(l, a)
}

// change notes whether mail of a domain fails by now, and returns what is recorded of that.
func change(l *rounds.Look, a alignment.Assessment) []audit.Event {
	e := audit.Event{At: l.At, Object: "domain " + l.Domain.String()}
	switch {
	case a.Verdict == alignment.WillFail && !l.Failing:
		l.Failing = true
		e.Kind, e.Text, e.Data = audit.DomainUnaligned, a.Reason(), alignment.Ruling{Assessment: a}.Data()
		delete(e.Data, "domain") // the object
		delete(e.Data, "action") // none yet
	case a.Verdict == alignment.Pass && l.Failing:
		l.Failing = false
		e.Kind = audit.DomainAligned
	default:
		return nil
	}
	return []audit.Event{e}
}
