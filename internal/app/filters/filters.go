// Package filters makes the content filters of the configuration, and says how they are.
//
// Main types: Set.
package filters

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/config"
	"countersign/internal/filter"
	"countersign/internal/filter/milter"
	"countersign/internal/obs"
	"countersign/internal/submission/filtering"
)

// Set is all content filters of a configuration. It is safe for concurrent use.
type Set struct {
	list []entry
}

// entry is one of them.
type entry struct {
	*filter.Filter
	cfg config.Filter
}

// Options are what a Set is made of besides the configuration.
type Options struct {
	// Now is the clock, time.Now where nil.
	Now func() time.Time
	// Registry gets the figures, nil for none.
	Registry prometheus.Registerer
}

// Open makes them; it connects to none. Errors are those of options out of their bounds, with
// the name.
func Open(list []config.Filter, opt Options) (*Set, error) {
	s := &Set{}
	var metrics *filter.Metrics
	if opt.Registry != nil && len(list) > 0 {
		metrics = filter.NewMetrics(opt.Registry)
	}
	for _, f := range list {
		network, address := f.Place()
		program, err := milter.New(milter.Options{
			Network: network, Address: address, Connect: f.ConnectTimeout.Std(), Step: f.Timeout.Std(), MaxBody: f.MaxBody.Bytes(),
		})
		if err != nil {
			return nil, fmt.Errorf("filter %q: %w", f.Name, err)
		}
		made, err := filter.New(program, guarding(&f, opt.Now), metrics)
		if err != nil {
			return nil, err
		}
		s.list = append(s.list, entry{made, f})
	}
	return s, nil
}

// guarding is what the configuration says of a filter.
func guarding(f *config.Filter, now func() time.Time) filter.Options {
	o := filter.Options{
		Name: f.Name, WhenAway: filter.Away(f.WhenAway), Shadow: f.Shadow, Timeout: f.TotalTimeout.Std(),
		Concurrent: f.Connections, Failures: f.Failures, Pause: f.Pause.Std(), Now: now,
	}
	for _, part := range f.May {
		o.May = append(o.May, filter.Part(part))
	}
	return o
}

// Chains returns the filters of each listener, in their order; nil where there are none.
func (s *Set) Chains(listeners []config.Listener) map[string]filtering.Chain {
	var all map[string]filtering.Chain
	for _, l := range listeners {
		var chain filtering.Chain
		for _, e := range s.list {
			if e.cfg.Serves(l.Name) {
				chain = append(chain, e.Filter)
			}
		}
		if len(chain) == 0 {
			continue
		}
		if all == nil {
			all = map[string]filtering.Chain{}
		}
		all[l.Name] = chain
	}
	return all
}

// Checks returns a check of each filter, by its name. One that is away is an error where mail
// is refused meanwhile, else a warning.
func (s *Set) Checks() map[string]obs.Check {
	all := map[string]obs.Check{}
	for _, e := range s.list {
		all[e.Name] = func(ctx context.Context) error {
			err := e.Check(ctx)
			switch {
			case err == nil:
				return nil
			case e.WhenAway == filter.Closed && !e.Shadow:
				return inWords(err)
			}
			return obs.Warning(inWords(err).Error())
		}
	}
	return all
}

// inWords is the cause of an error, for people.
func inWords(err error) error {
	if cause := errors.Unwrap(err); cause != nil {
		return cause
	}
	return err
}

// Checked is how a filter stands that was tried.
type Checked struct {
	Name, Address string
	// Err is what is wrong with it; nil where nothing is.
	Err error
}

// Check tries each filter once, all at the same time, in the order of the configuration.
func (s *Set) Check(ctx context.Context) []Checked {
	list := make([]Checked, len(s.list))
	var all sync.WaitGroup
	for i, e := range s.list {
		all.Go(func() { list[i] = Checked{e.Name, e.cfg.Address, e.Filter.Check(ctx)} })
	}
	all.Wait()
	return list
}
