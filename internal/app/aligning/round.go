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
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
)

// Bounds of a round.
const (
	// gap is how long it waits between two domains, so that name servers are not flooded.
	gap = 100 * time.Millisecond
	// atOnce is how many domains it looks at at once, so that one whose DNS is slow does not
	// keep the others waiting.
	atOnce = 8
	// lookAtMost bounds the look at one domain.
	lookAtMost = 20 * time.Second
	// slow is how long a look may take before its domain comes behind the others in the next
	// round.
	slow = 5 * time.Second
)

// lately is what is kept of a domain from one round to the next.
type lately struct {
	failing bool      // its mail failed when that was known last
	slow    bool      // the last look took long
	at      time.Time // when a look ended last
	verdict alignment.Verdict
}

// round looks at each active domain that a rule is for, for as long as the rounds are apart
// at most. Those that took long come last, and of those that are alike the one whose look is
// longest ago comes first: where the time is too short, others are left out each time.
func (w *Watch) round(ctx context.Context) error {
	domains, err := w.ruled(ctx)
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, w.opt.Config.Alignment.CheckEvery.Std())
	defer cancel()
	short, stop := context.WithCancelCause(short)
	defer stop(nil)
	var work sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, d := range domains {
		select {
		case places <- struct{}{}:
		case <-short.Done():
		}
		if short.Err() != nil {
			break
		}
		of := w.lately[d]
		work.Go(func() {
			defer func() { <-places }()
			if err := w.look(short, d, of); err != nil {
				stop(err)
			}
		})
		pause(short, gap)
	}
	work.Wait()
	w.count()
	return context.Cause(short)
}

// ruled are the active domains that a rule is for, in the order of the round. Afterwards
// something is kept of each of them and of no other.
func (w *Watch) ruled(ctx context.Context) ([]mail.Domain, error) {
	all, err := w.opt.Store.Domains(ctx, "")
	if err != nil {
		return nil, err
	}
	rules := Rules(w.current.Load())
	kept := map[mail.Domain]*lately{}
	for i := range all {
		d := &all[i]
		if d.State != account.Active || rules.For(d.Name) == alignment.Off {
			continue
		}
		kept[d.Name] = w.lately[d.Name]
		if kept[d.Name] == nil {
			kept[d.Name] = &lately{verdict: alignment.Unknown}
		}
	}
	w.lately = kept
	return slices.SortedFunc(maps.Keys(kept), func(a, b mail.Domain) int {
		x, y := kept[a], kept[b]
		switch {
		case x.slow && !y.slow:
			return 1
		case y.slow && !x.slow:
			return -1
		}
		return cmp.Or(x.at.Compare(y.at), cmp.Compare(a, b))
	}), nil
}

// count sets the figures to what is known now.
func (w *Watch) count() {
	counts := map[alignment.Verdict]int{alignment.Pass: 0, alignment.WillFail: 0, alignment.Unknown: 0}
	for _, of := range w.lately {
		counts[of.verdict]++
	}
	for verdict, n := range counts {
		w.domains.WithLabelValues(string(verdict)).Set(float64(n))
	}
}

// look finds out how mail of a domain fares, and records it where that has changed. What
// is unknown is no change; what the end of the round cuts short is no look.
func (w *Watch) look(ctx context.Context, domain mail.Domain, of *lately) error {
	var keys []account.Key
	var err error
	if w.current.Load().DKIM.Sign {
		keys, err = w.opt.Store.SigningKeys(ctx, domain)
	}
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, lookAtMost)
	defer cancel()
	begin := time.Now()
	a := w.judge.Assess(short, Question(domain, keys))
	of.slow = time.Since(begin) > slow
	if ctx.Err() != nil {
		return nil
	}
	of.at, of.verdict = time.Now(), a.Verdict
	switch {
	case a.Verdict == alignment.WillFail && !of.failing:
		of.failing = true
		data := alignment.Ruling{Assessment: a}.Data()
		delete(data, "domain") // the object
		delete(data, "action") // none yet
		w.record(audit.Event{Kind: audit.DomainUnaligned, Object: "domain " + domain.String(), Text: a.Reason(), Data: data})
	case a.Verdict == alignment.Pass && of.failing:
		of.failing = false
		w.record(audit.Event{Kind: audit.DomainAligned, Object: "domain " + domain.String()})
	}
	return nil
}

func (w *Watch) record(e audit.Event) {
	e.At = w.opt.Now()
	w.opt.Recorder.Record(e)
}
