package limits

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/limit"
	"countersign/internal/node"
	"countersign/internal/queue"
)

// store has one rule for everything, then a second one, and notes what is pruned.
type store struct {
	Store
	away    bool
	number  uint64
	changed chan struct{}

	mu     sync.Mutex // guards what follows
	pruned map[string][]time.Time
}

func rule(id string, window limit.Window) limit.Rule {
	return limit.Rule{ID: "01K00000000000000000000001", For: limit.Subject{Kind: limit.Everything}, Limit: limit.Limit{Window: window, Max: 5}, By: id}
}

func (s *store) RulesSince(_ context.Context, since uint64) ([]limit.Rule, uint64, error) {
	switch {
	case s.away:
		return nil, 0, errors.New("away")
	case since >= s.number:
		return nil, s.number, nil
	case since == 1:
		second := rule("b", limit.Day)
		second.ID = "01K00000000000000000000002"
		return []limit.Rule{second}, s.number, nil
	}
	return []limit.Rule{rule("a", limit.Hour)}, s.number, nil
}

func (s *store) RulesChanged() (<-chan struct{}, bool) { return s.changed, true }

func (s *store) prune(what string, before time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pruned == nil {
		s.pruned = map[string][]time.Time{}
	}
	s.pruned[what] = append(s.pruned[what], before)
	return 0, nil
}

func (s *store) PruneRules(_ context.Context, before time.Time, _ int) (int, error) {
	return s.prune("rules", before)
}

func (s *store) PruneCounts(_ context.Context, before time.Time, _ int) (int, error) {
	return s.prune("counts", before)
}

func (s *store) PruneContacts(_ context.Context, before time.Time, _ int) (int, error) {
	return s.prune("contacts", before)
}

// TestReadFollowedPruned: the rules are there from the start, what changes is taken, and
// what ended long ago is removed each hour, rules and what was counted for them.
func TestReadFollowedPruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, registry := &store{number: 1, changed: make(chan struct{})}, prometheus.NewRegistry()
		set, err := Open(t.Context(), Options{Store: s, Now: time.Now, Registry: registry, Logger: slog.New(slog.DiscardHandler)})
		if err != nil || len(set.Levels(limit.Who{})) != 1 {
			t.Fatalf("they are not read: %v", err)
		}
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { set.Run(ctx); close(done) }()
		synctest.Wait()
		told := s.changed
		s.number, s.changed = 2, nil // before anybody wakes up
		close(told)
		synctest.Wait()
		if levels := set.Levels(limit.Who{}); len(levels) != 1 || len(levels[0].Limits) != 2 {
			t.Errorf("the levels are %+v", levels)
		}
		if figures, err := registry.Gather(); err != nil || len(figures) != 1 || figures[0].GetName() != "countersign_limit_rules" || figures[0].GetMetric()[0].GetGauge().GetValue() != 2 {
			t.Errorf("the figures are %v (%v)", figures, err)
		}
		time.Sleep(2*time.Hour + time.Minute) // of the bubble
		cancel()
		<-done
		for what, days := range map[string]int{"rules": 30, "counts": 1, "contacts": 91} {
			if len(s.pruned[what]) != 3 {
				t.Fatalf("%s: pruned at %v", what, s.pruned[what])
			}
			for n, before := range s.pruned[what] {
				if want := began.Add(time.Duration(n-24*days) * time.Hour); !before.Equal(want) {
					t.Errorf("%s: %d: before %v, want %v", what, n, before, want)
				}
			}
		}
	})
}

func TestNotOpenedWithoutRules(t *testing.T) {
	if _, err := Open(t.Context(), Options{Store: &store{away: true}, Now: time.Now, Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("it opens although nobody knows the limits")
	}
}

// TestFailed: failed recipients are counted where somebody has a limit of them, the account's
// plan among them.
func TestFailed(t *testing.T) {
	s := &store{number: 1}
	set, err := Open(t.Context(), Options{Store: s, Now: time.Now, Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	set.Replace([]limit.Rule{
		rule("a", limit.Hour),
		{ID: "01K00000000000000000000003", For: limit.Subject{Kind: limit.Plan, Name: "small"}, Limit: limit.Limit{Measure: limit.FailedRecipients, Window: limit.Day, Max: 9}},
	})
	sub := &queue.Submission{Login: "a@example.org", Domain: "example.org"}
	if levels := set.Failed(sub, "1", ""); levels != nil {
		t.Errorf("without a plan: %+v", levels)
	}
	levels := set.Failed(sub, "1", "small")
	if len(levels) != 1 || levels[0].Subject != (limit.Subject{Kind: limit.Account, Name: "a@example.org"}) || len(levels[0].Limits) != 1 || levels[0].Limits[0].Max != 9 {
		t.Errorf("on the plan: %+v", levels)
	}
}

// TestOnlyGate: the one gate of a store that no others share has the limits of a gate by its name in the
// list of gates; one that has a name of its own has not.
func TestOnlyGate(t *testing.T) {
	set, err := Open(t.Context(), Options{Store: &store{number: 1}, Now: time.Now, Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	only := rule("a", limit.Hour)
	only.For = limit.Subject{Kind: limit.Node, Name: node.Only}
	set.Replace([]limit.Rule{only})
	for _, ask := range []func(limit.Who) []limit.Level{set.Levels, set.Watch()} {
		if levels := ask(limit.Who{Account: "a@example.org"}); len(levels) != 1 || levels[0].Subject != only.For {
			t.Errorf("the levels are %+v", levels)
		}
		if levels := ask(limit.Who{Account: "a@example.org", Node: "b"}); len(levels) != 0 {
			t.Errorf("another gate has %+v", levels)
		}
	}
}
