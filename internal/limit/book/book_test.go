package book

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/internal/feed"
	"countersign/internal/limit"
	"countersign/internal/mail"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// desk is a book with a clock of its own.
type desk struct {
	*Book
	watched func(limit.Who) []limit.Level
	now     time.Time
	n       int
}

func newDesk() *desk {
	s := &desk{now: noon}
	s.Book = New(func() time.Time { return s.now })
	s.watched = s.Watch()
	return s
}

// rule makes a rule that ends so long from now, 0 for never.
func (s *desk) rule(kind limit.Kind, name, text string, length time.Duration) limit.Rule {
	l, err := limit.Parse(text)
	if err != nil {
		panic(err)
	}
	s.n++
	r := limit.Rule{ID: mail.ID(fmt.Sprintf("01K%023d", s.n)), For: limit.Subject{Kind: kind, Name: name}, Limit: l, Start: s.now, By: "cli:root"}
	if length != 0 {
		r.End = s.now.Add(length)
	}
	return r
}

// ann is who sends here.
func ann() limit.Who {
	return limit.Who{Account: "ann@one.example", Plan: "small", Domain: "one.example", Customer: "acme", Node: "1"}
}

// has wants these limits for who sends.
func (s *desk) has(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, l := range s.Levels(ann()) {
		for _, k := range l.Limits {
			got = append(got, l.Subject.String()+" "+k.String())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("ann has %q, want %q", got, want)
	}
	for range 2 {
		if watched, levels := s.watched(ann()), s.Levels(ann()); len(watched)+len(levels) > 0 && !reflect.DeepEqual(watched, levels) {
			t.Errorf("who watches has %+v, want %+v", watched, levels)
		}
	}
}

// TestAnswersAreTheCallers: what somebody writes into an answer, others do not find in theirs.
func TestAnswersAreTheCallers(t *testing.T) {
	s := newDesk()
	s.Apply([]limit.Rule{s.rule(limit.Domain, "one.example", "messages/day=9", 0)})
	s.Levels(ann())[0].Counter = &limit.Counter{}
	if got := s.Levels(ann()); len(got) != 1 || got[0].Counter != nil {
		t.Errorf("the second gets %+v", got)
	}
}

// TestAnswersFollow: what was answered lately is answered anew when a rule comes, is lifted or
// ends, and when the clock goes back.
func TestAnswersFollow(t *testing.T) {
	s := newDesk()
	s.Apply([]limit.Rule{s.rule(limit.Domain, "one.example", "messages/day=9", 0)})
	s.has(t, "domain one.example messages/day=9")
	timed := s.rule(limit.Domain, "one.example", "messages/day=5", time.Minute)
	s.Apply([]limit.Rule{timed})
	s.has(t, "domain one.example messages/day=5")
	s.now = timed.End
	s.has(t, "domain one.example messages/day=9")
	s.now = noon
	s.has(t, "domain one.example messages/day=5")
	timed.End, timed.Lifted = s.now, "cli:root"
	s.Apply([]limit.Rule{timed})
	s.has(t, "domain one.example messages/day=9")
}

// TestAnswersAreBounded: however many ask, no more answers are kept than are meant to be, and
// everybody gets their own.
func TestAnswersAreBounded(t *testing.T) {
	s := newDesk()
	s.Apply([]limit.Rule{s.rule(limit.Account, limit.Each, "messages/day=9", 0)})
	for i := range 3 * maxAnswers {
		name := fmt.Sprintf("%d@one.example", i)
		if got := s.Levels(limit.Who{Account: name}); len(got) != 1 || got[0].Subject.Name != name {
			t.Fatalf("%s gets %+v", name, got)
		}
		if n := len(s.lately.answers); n > maxAnswers {
			t.Fatalf("%d answers are kept", n)
		}
	}
}

// TestWatchedIsWhoeverAsks: who watches gets the levels of whom they ask about now.
func TestWatchedIsWhoeverAsks(t *testing.T) {
	s := newDesk()
	s.Apply([]limit.Rule{s.rule(limit.Account, limit.Each, "messages/day=9", 0), s.rule(limit.Network, limit.Each, "messages/day=9", 0)})
	for range 2 {
		for _, who := range []limit.Who{{Account: "ann@one.example"}, {Account: "bob@one.example"}, {Account: "bob@one.example", Network: "192.0.2.1"}, {}} {
			if got, want := s.watched(who), s.Levels(who); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Errorf("%+v has %+v, want %+v", who, got, want)
			}
		}
	}
}

func TestRulesComeAndGo(t *testing.T) {
	s := newDesk()
	s.has(t)
	each, plan := s.rule(limit.Account, limit.Each, "messages/hour=1", 0), s.rule(limit.Plan, "small", "messages/hour=2", 0)
	own, timed := s.rule(limit.Account, "ann@one.example", "messages/hour=3", 0), s.rule(limit.Account, "ann@one.example", "messages/hour=4", time.Minute)
	domain, other := s.rule(limit.Domain, "one.example", "messages/day=9", 0), s.rule(limit.Account, "bob@one.example", "messages/hour=1", 0)
	s.Apply([]limit.Rule{timed, own})
	s.Apply([]limit.Rule{each, plan, domain, other})
	s.has(t, "account ann@one.example messages/hour=4", "domain one.example messages/day=9")
	s.now = timed.End
	s.has(t, "account ann@one.example messages/hour=3", "domain one.example messages/day=9")
	if s.Len() != 6 {
		t.Errorf("%d are in the book", s.Len())
	}
	s.Sweep()
	if s.Len() != 5 {
		t.Errorf("%d are in the book after one has ended", s.Len())
	}
	lift := func(r limit.Rule, at time.Time) limit.Rule {
		r.End, r.Lifted = at, "cli:eve"
		return r
	}
	s.Apply([]limit.Rule{lift(own, s.now)})
	s.has(t, "account ann@one.example messages/hour=2", "domain one.example messages/day=9")
	s.Apply([]limit.Rule{lift(plan, s.now.Add(time.Minute))}) // by a clock that is ahead
	s.has(t, "account ann@one.example messages/hour=1", "domain one.example messages/day=9")
	s.Apply([]limit.Rule{lift(each, s.now), lift(domain, s.now), lift(timed, s.now), lift(other, s.now)})
	s.has(t)
	if s.Len() != 0 {
		t.Errorf("%d are left", s.Len())
	}
	s.Replace([]limit.Rule{own, timed, lift(each, s.now.Add(time.Hour))})
	s.has(t, "account ann@one.example messages/hour=3")
	if s.Len() != 1 {
		t.Errorf("%d are in the book, want the one that holds", s.Len())
	}
}

// TestChangedTwice: a rule of which two changes come is there once.
func TestChangedTwice(t *testing.T) {
	s := newDesk()
	r := s.rule(limit.Account, "ann@one.example", "messages/hour=3", 0)
	s.Apply([]limit.Rule{r, r})
	s.Apply([]limit.Rule{r})
	if s.Len() != 1 {
		t.Errorf("%d are in the book", s.Len())
	}
}

// TestLevelsAreTheCallers: what is done with an answer changes no other.
func TestLevelsAreTheCallers(t *testing.T) {
	s := newDesk()
	s.Apply([]limit.Rule{s.rule(limit.Account, "ann@one.example", "messages/hour=3", 0)})
	levels := s.Levels(ann())
	levels[0].Counter = &limit.Counter{}
	levels[0].Limits = append(levels[0].Limits, limit.Limit{Max: 99})
	s.has(t, "account ann@one.example messages/hour=3")
	if s.Levels(ann())[0].Counter != nil {
		t.Error("a counter of another message")
	}
}

// TestLikeAListOfRules holds the book against a list that is gone through.
func TestLikeAListOfRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newDesk()
		var model []limit.Rule
		subjects := []limit.Subject{
			{Kind: limit.Account, Name: "ann@one.example"}, {Kind: limit.Account, Name: "bob@one.example"}, {Kind: limit.Account, Name: limit.Each},
			{Kind: limit.Plan, Name: "small"}, {Kind: limit.Domain, Name: "one.example"}, {Kind: limit.Everything},
		}
		of := func(want limit.Subject) (list []limit.Rule) {
			for _, r := range model {
				if r.For == want && r.Lifted == "" {
					list = append(list, r)
				}
			}
			return list
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				s.now = s.now.Add(time.Minute)
			case 1:
				s.Sweep()
			case 2:
				if len(model) > 0 {
					i := rapid.IntRange(0, len(model)-1).Draw(t, "lifted")
					if model[i].Holds(s.now) {
						model[i].End, model[i].Lifted = s.now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "ahead"))*time.Minute), "x"
					}
					s.Apply(model[i : i+1])
				}
			default:
				whose := rapid.SampledFrom(subjects).Draw(t, "subject")
				r := s.rule(whose.Kind, whose.Name, fmt.Sprintf("messages/hour=%d", s.n), time.Duration(rapid.IntRange(0, 5).Draw(t, "length"))*time.Minute)
				r.Extra = rapid.Bool().Draw(t, "extra")
				model = append(model, r)
				s.Apply([]limit.Rule{r})
			}
			if rapid.IntRange(0, 9).Draw(t, "anew") == 0 {
				s.Replace(model)
			}
			who := ann()
			want := who.Levels(of, s.now)
			if got := s.watched(who); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("who watches has %+v, want %+v", got, want)
			}
			if got := s.Levels(who); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("levels are %+v, want %+v", got, want)
			}
		}
		s.Sweep()
		holding := 0
		for i := range model {
			if model[i].Lifted == "" && model[i].Holds(s.now) {
				holding++
			}
		}
		if s.Len() != holding {
			t.Fatalf("%d are in the book of %d that hold", s.Len(), holding)
		}
	})
}

// crowd is a rule of its own for each of so many accounts.
func (s *desk) crowd(n int) []limit.Rule {
	list := make([]limit.Rule, n)
	for i := range list {
		list[i] = s.rule(limit.Account, fmt.Sprintf("u%d@example.org", i), "recipients/hour=100", 0)
	}
	return list
}

// spent is how many octets are allocated in a call.
func spent(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestOneChangeOfMany: with 100,000 accounts that have rules of their own, one change
// copies a small part, and so does the end of a few.
func TestOneChangeOfMany(t *testing.T) {
	const n, most = 100_000, 128 << 10 // octets
	s := newDesk()
	s.Replace(s.crowd(n))
	r := s.rule(limit.Account, "u7@example.org", "messages/hour=5", time.Minute)
	if octets := spent(func() { s.Apply([]limit.Rule{r}) }); octets > most || s.Len() != n+1 {
		t.Errorf("one change takes %d octets, and there are %d", octets, s.Len())
	}
	s.now = r.End
	if octets := spent(s.Sweep); octets > most || s.Len() != n {
		t.Errorf("the end of one takes %d octets, and there are %d", octets, s.Len())
	}
}

// TestAskedWhileItChanges: an answer is of one moment. Two rules are always set to the same
// number together.
func TestAskedWhileItChanges(t *testing.T) {
	s := newDesk()
	pair := []limit.Rule{s.rule(limit.Account, "ann@one.example", "messages/hour=0", 0), s.rule(limit.Domain, "one.example", "messages/hour=0", 0)}
	s.Apply(pair)
	done := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			watched := s.Watch()
			for {
				select {
				case <-done:
					return
				default:
				}
				if l := watched(ann()); len(l) != 2 || l[0].Limits[0].Max != l[1].Limits[0].Max {
					t.Errorf("who watches has %+v", l)
					return
				}
				if l := s.Levels(ann()); len(l) != 2 || l[0].Limits[0].Max != l[1].Limits[0].Max {
					t.Errorf("an answer of two moments: %+v", l)
					return
				}
			}
		})
	}
	for i := range 2000 {
		pair[0].Limit.Max, pair[1].Limit.Max = int64(i), int64(i)
		s.Apply(pair)
		if i%100 == 0 {
			s.Sweep()
			s.Replace(pair)
		}
	}
	close(done)
	asking.Wait()
}

// drawer is a store of which somebody has one rule, with a number.
type drawer struct {
	rule   limit.Rule
	number uint64
}

func (d *drawer) RulesSince(_ context.Context, since uint64) ([]limit.Rule, uint64, error) {
	if since >= d.number {
		return nil, d.number, nil
	}
	return []limit.Rule{d.rule}, d.number, nil
}

func (d *drawer) RulesChanged() (<-chan struct{}, bool) { return nil, true }

// TestFollowsTheStore: all rules are read, before what changes is followed (package feed).
func TestFollowsTheStore(t *testing.T) {
	s := newDesk()
	d := &drawer{s.rule(limit.Plan, "small", "messages/hour=3", 0), 7}
	if err := Follow(d, s.Book, feed.Options{}).Load(t.Context()); err != nil {
		t.Error(err)
	}
	s.has(t, "account ann@one.example messages/hour=3")
}

// BenchmarkLevels finds the limits of one of 100,000 accounts, each with a rule of its own
// beside those of its plan, domain and customer, and of everything.
func BenchmarkLevels(b *testing.B) {
	s := newDesk()
	s.Replace(append(s.crowd(100_000),
		s.rule(limit.Plan, "small", "messages/day=1000", 0), s.rule(limit.Account, limit.Each, "recipients/day=5000", 0), s.rule(limit.Domain, limit.Each, "messages/day=10000", 0),
		s.rule(limit.Customer, "acme", "messages/day=100000", 0), s.rule(limit.Network, limit.Each, "messages/minute=60", 0), s.rule(limit.Everything, "", "messages/minute=10000", 0)))
	who := limit.Who{
		Credential: "01K00000000000000000000099", Account: "u77777@example.org", Plan: "small", Domain: "example.org", Customer: "acme",
		Network: "192.0.2.1", Node: "1",
	}
	for name, asking := range map[string]func() func(limit.Who) []limit.Level{
		"lately": func() func(limit.Who) []limit.Level { return s.Levels }, "watched": s.Watch,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				levels := asking()
				for pb.Next() {
					if len(levels(who)) != 5 {
						b.Error("not all are found")
					}
				}
			})
		})
	}
}

// BenchmarkApply makes one change where 100,000 accounts have rules.
func BenchmarkApply(b *testing.B) {
	s := newDesk()
	all := s.crowd(100_000)
	s.Replace(all)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Apply(all[i%len(all) : i%len(all)+1])
	}
}

// BenchmarkReplace reads the rules of 100,000 accounts, and says what they take.
func BenchmarkReplace(b *testing.B) {
	s := newDesk()
	all := s.crowd(100_000)
	b.ReportAllocs()
	for b.Loop() {
		s.Replace(all)
	}
}

// BenchmarkSweep looks through the rules of 100,000 accounts, of which none has ended.
func BenchmarkSweep(b *testing.B) {
	s := newDesk()
	s.Replace(s.crowd(100_000))
	b.ReportAllocs()
	for b.Loop() {
		s.Sweep()
	}
}
