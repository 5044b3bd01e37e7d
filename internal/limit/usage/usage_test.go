package usage

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/node"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const (
	ann     = "ann@example.org"
	scanner = "01K00000000000000000000SCN"
)

// store has one account with one credential, rules, and what was counted.
type store struct {
	rules    []limit.Rule
	counters map[limit.Subject]*limit.Counter
	nodes    []node.Node
	events   []audit.Event
	// there are the holders that are, away says that nobody can be asked who is.
	there []string
	away  bool
}

func (s *store) Sender(_ context.Context, login string) (*account.Sender, error) {
	if login != ann {
		return nil, fault.New("test.sender", fault.NotFound, "there is none")
	}
	a, err := s.Account(context.Background(), login)
	return &account.Sender{Account: a, Domain: account.Domain{Name: "example.org"}, Customer: account.Customer{Name: "acme"}, Plan: account.Plan{Name: "small"}}, err
}

func (s *store) Account(_ context.Context, login string) (account.Account, error) {
	if login != ann {
		return account.Account{}, fault.New("test.account", fault.NotFound, "there is none")
	}
	address, err := mail.ParseAddress(ann)
	return account.Account{Address: address, Credentials: []account.Credential{{ID: scanner, Name: "scanner"}}}, err
}

func (s *store) Search(_ context.Context, q audit.Query) (found []audit.Event, err error) {
	for i := range s.events {
		if q.Matches(&s.events[i]) {
			found = append(found, s.events[i])
		}
	}
	return found, nil
}

func (s *store) Rules(_ context.Context, q limit.Query) (found []limit.Rule, err error) {
	for _, r := range s.rules {
		if r.For == *q.For && r.Holds(q.Holding) {
			found = append(found, r)
		}
	}
	return found, nil
}

func (s *store) Counted(_ context.Context, subjects []limit.Subject) (list []*limit.Counter, at time.Time, err error) {
	for _, of := range subjects {
		c := &limit.Counter{}
		if there := s.counters[of]; there != nil {
			*c = *there
		}
		list = append(list, c)
	}
	return list, noon, nil
}

func (s *store) Present(context.Context) (func(string) bool, error) {
	if s.away {
		return nil, fault.New("test.present", fault.Unavailable, "the store is away")
	}
	return func(holder string) bool {
		for _, one := range s.there {
			if one == holder {
				return true
			}
		}
		return false
	}, nil
}

func (s *store) Nodes(context.Context) ([]node.Node, error) { return s.nodes, nil }

// set adds a rule that is written as people do.
func (s *store) set(t *testing.T, of limit.Subject, text string, change ...func(*limit.Rule)) *limit.Rule {
	t.Helper()
	l, err := limit.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r := limit.Rule{ID: mail.ID("R" + text), For: of, Limit: l, Start: noon.Add(-time.Hour), By: "test"}
	for _, c := range change {
		c(&r)
	}
	s.rules = append(s.rules, r)
	return &r
}

// used counts amounts of a subject, some time ago.
func (s *store) used(of limit.Subject, ago time.Duration, in limit.Window, amounts limit.Amounts) {
	if s.counters == nil {
		s.counters = map[limit.Subject]*limit.Counter{}
	}
	if s.counters[of] == nil {
		s.counters[of] = &limit.Counter{}
	}
	s.counters[of].Count(amounts, limit.Windowed(0).And(in), noon.Add(-ago), noon.Add(-ago))
}

func temporary(r *limit.Rule) { r.End = noon.Add(time.Hour) }

var (
	subject = limit.Subject{Kind: limit.Account, Name: ann}
	domain  = limit.Subject{Kind: limit.Domain, Name: "example.org"}
)

// TestRooms: what is told of one limit, by what was counted.
func TestRooms(t *testing.T) {
	messages := func(n int64) limit.Amounts { return limit.Amounts{limit.Messages: n} }
	for _, c := range []struct {
		name string
		make func(t *testing.T, s *store)
		want Room
		// from is how long from now on there is room, full and busy what is told besides.
		from       time.Duration
		full, busy bool
		never      bool
	}{
		{name: "nothing used", make: func(t *testing.T, s *store) { s.set(t, subject, "messages/hour=5") },
			want: Room{Kind: "account", Name: ann, Max: 5, Left: 5, SetFor: "account " + ann}},
		{name: "some used", make: func(t *testing.T, s *store) {
			s.set(t, subject, "messages/hour=5")
			s.used(subject, 10*time.Minute, limit.Hour, messages(2))
		}, want: Room{Kind: "account", Name: ann, Max: 5, Used: 2, Left: 3, SetFor: "account " + ann}},
		{name: "all used", make: func(t *testing.T, s *store) {
			s.set(t, subject, "messages/hour=5")
			s.used(subject, 10*time.Minute, limit.Hour, messages(7))
		}, want: Room{Kind: "account", Name: ann, Max: 5, Used: 7, SetFor: "account " + ann}, from: 51 * time.Minute, full: true},
		{name: "a limit of nothing", make: func(t *testing.T, s *store) { s.set(t, subject, "messages/hour=0") },
			want: Room{Kind: "account", Name: ann, SetFor: "account " + ann}, full: true, never: true},
		{name: "of the plan", make: func(t *testing.T, s *store) {
			s.set(t, limit.Subject{Kind: limit.Plan, Name: "small"}, "messages/hour=5")
		},
			want: Room{Kind: "account", Name: ann, Max: 5, Left: 5, SetFor: "plan small"}},
		{name: "of each", make: func(t *testing.T, s *store) {
			s.set(t, limit.Subject{Kind: limit.Account, Name: limit.Each}, "messages/hour=5")
		},
			want: Room{Kind: "account", Name: ann, Max: 5, Left: 5, SetFor: "each account"}},
		{name: "more allowed", make: func(t *testing.T, s *store) {
			s.set(t, subject, "messages/hour=5")
			s.set(t, subject, "messages/hour=3", temporary, func(r *limit.Rule) { r.Extra = true })
		}, want: Room{Kind: "account", Name: ann, Max: 8, Left: 8, SetFor: "account " + ann + ", and more allowed"}},
		{name: "the customer's", make: func(t *testing.T, s *store) {
			s.set(t, limit.Subject{Kind: limit.Customer, Name: "acme"}, "messages/hour=5")
		},
			want: Room{Kind: "customer", Name: "acme", Max: 5, Left: 5, SetFor: "customer acme"}},
		{name: "everybody's", make: func(t *testing.T, s *store) { s.set(t, limit.Subject{Kind: limit.Everything}, "messages/hour=5") },
			want: Room{Kind: "everything", Max: 5, Left: 5, SetFor: "everything"}},
		{name: "a gate's", make: func(t *testing.T, s *store) { s.set(t, limit.Subject{Kind: limit.Node, Name: "b"}, "messages/hour=5") },
			want: Room{Kind: "node", Name: "b", Max: 5, Left: 5, SetFor: "node b"}},
		{name: "a network's", make: func(t *testing.T, s *store) {
			s.set(t, limit.Subject{Kind: limit.Network, Name: "192.0.2.7"}, "messages/hour=5")
		},
			want: Room{Kind: "network", Name: "192.0.2.7", Max: 5, Left: 5, SetFor: "network 192.0.2.7"}},
		{name: "a credential's, by its name", make: func(t *testing.T, s *store) {
			s.set(t, limit.Subject{Kind: limit.Credential, Name: scanner}, "messages/hour=5")
		}, want: Room{Kind: "credential", Name: ann + "/scanner", Max: 5, Left: 5, SetFor: "credential " + ann + "/scanner"}},
		{name: "each credential's", make: func(t *testing.T, s *store) {
			s.set(t, limit.Subject{Kind: limit.Credential, Name: limit.Each}, "messages/hour=5")
		}, want: Room{Kind: "credential", Name: ann + "/scanner", Max: 5, Left: 5, SetFor: "each credential"}},
		{name: "a share of failures", make: func(t *testing.T, s *store) {
			s.set(t, subject, "failed-share/hour=20", func(r *limit.Rule) { r.Limit.Least = 2 })
			s.used(subject, 10*time.Minute, limit.Hour, limit.Amounts{limit.Recipients: 10, limit.FailedRecipients: 3})
		}, want: Room{Kind: "account", Name: ann, Max: 20, Used: 30, SetFor: "account " + ann}, from: 51 * time.Minute, full: true},
		{name: "connections at once", make: func(t *testing.T, s *store) {
			s.set(t, subject, "connections/at-once=2")
			s.there = []string{"1#2"}
			s.used(limit.ApartOf(subject), 0, limit.Hour, limit.Amounts{})
			s.counters[limit.ApartOf(subject)].Occupy("1#2", 2, noon)
		}, want: Room{Kind: "account", Name: ann, Max: 2, Used: 2, SetFor: "account " + ann}, busy: true},
		{name: "connections of a gate that is gone", make: func(t *testing.T, s *store) {
			s.set(t, subject, "connections/at-once=2")
			s.there = []string{"1#2"}
			s.used(limit.ApartOf(subject), 0, limit.Hour, limit.Amounts{})
			s.counters[limit.ApartOf(subject)].Occupy("1#1", 2, noon)
			s.counters[limit.ApartOf(subject)].Occupy("1#2", 1, noon)
		}, want: Room{Kind: "account", Name: ann, Max: 2, Used: 1, Left: 1, SetFor: "account " + ann}},
		{name: "connections count apart", make: func(t *testing.T, s *store) {
			s.set(t, subject, "connections/hour=2")
			s.used(subject, 0, limit.Hour, limit.Amounts{limit.Connections: 9})
			s.used(limit.ApartOf(subject), 0, limit.Hour, limit.Amounts{limit.Connections: 1})
		}, want: Room{Kind: "account", Name: ann, Max: 2, Used: 1, Left: 1, SetFor: "account " + ann}},
		{name: "one message", make: func(t *testing.T, s *store) { s.set(t, subject, "recipients/message=5") },
			want: Room{Kind: "account", Name: ann, Max: 5, Left: 5, SetFor: "account " + ann, Passing: "message"}},
		{name: "slow, in shadow, for a while", make: func(t *testing.T, s *store) {
			s.set(t, subject, "messages/hour=5", temporary, func(r *limit.Rule) { r.Limit.Action, r.Limit.Shadow = limit.Slow, true })
		}, want: Room{Kind: "account", Name: ann, Max: 5, Left: 5, SetFor: "account " + ann, Action: "slow", Shadow: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &store{nodes: []node.Node{{ID: "a"}, {ID: "b"}}}
			c.make(t, s)
			rows, err := Of(t.Context(), s, ann, netip.MustParseAddr("192.0.2.7"), noon)
			if err != nil || len(rows) != 1 {
				t.Fatalf("%+v, %v", rows, err)
			}
			got, want := rows[0], c.want
			if want.Action == "" {
				want.Action = "defer"
			}
			if got.Kind != want.Kind || got.Name != want.Name || got.Max != want.Max || got.Used != want.Used || got.Left != want.Left || got.SetFor != want.SetFor ||
				got.Action != want.Action || got.Shadow != want.Shadow || got.Passing != want.Passing || got.Full != c.full || got.Busy != c.busy {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if (got.From == nil) != c.never || !c.never && !got.From.Equal(noon.Add(c.from)) {
				t.Errorf("there is room from %v on", got.From)
			}
			if until := s.rules[0].End; (got.Until == nil) != until.IsZero() || got.Until != nil && !got.Until.Equal(until) || got.Rule != s.rules[0].ID {
				t.Errorf("it is rule %s, until %v", got.Rule, got.Until)
			}
		})
	}
}

// TestShareOf: beside a limit with a share stands what the account has of it.
func TestShareOf(t *testing.T) {
	s := &store{}
	s.set(t, domain, "messages/hour=100", func(r *limit.Rule) { r.Limit.Share = 25 })
	s.used(domain, time.Minute, limit.Hour, limit.Amounts{limit.Messages: 60})
	s.used(subject, time.Minute, limit.Hour, limit.Amounts{limit.Messages: 20})
	rows, err := Of(t.Context(), s, ann, netip.Addr{}, noon)
	if err != nil || len(rows) != 2 {
		t.Fatalf("%+v, %v", rows, err)
	}
	if whole := rows[0]; whole.Share || whole.Used != 60 || whole.Left != 40 {
		t.Errorf("of the domain: %+v", whole)
	}
	if part := rows[1]; !part.Share || part.Max != 25 || part.Used != 20 || part.Left != 5 || part.Full || part.Label != "its share of domain example.org" || part.SetFor != "domain example.org" {
		t.Errorf("of the account: %+v", part)
	}
}

// TestShareWhileThereIsPlenty: who has more than its share of a limit that is not short is not held to it.
func TestShareWhileThereIsPlenty(t *testing.T) {
	s := &store{}
	s.set(t, domain, "messages/hour=200", func(r *limit.Rule) { r.Limit.Share = 10 })
	s.used(domain, time.Minute, limit.Hour, limit.Amounts{limit.Messages: 25})
	s.used(subject, time.Minute, limit.Hour, limit.Amounts{limit.Messages: 25})
	rows, err := Of(t.Context(), s, ann, netip.Addr{}, noon)
	if err != nil || len(rows) != 2 {
		t.Fatalf("%+v, %v", rows, err)
	}
	if part := rows[1]; part.Used != 25 || part.Max != 20 || part.Left != 75 || part.Full || part.From == nil || !part.From.Equal(noon) {
		t.Errorf("of the account: %+v", part)
	}
}

// TestShareOfWhatWasSetLater: an account that has sent more than half of a limit before that was set is held to
// its share at once, although little of the whole is used.
func TestShareOfWhatWasSetLater(t *testing.T) {
	s := &store{}
	s.set(t, subject, "recipients/hour=1000")
	s.set(t, domain, "recipients/hour=20", func(r *limit.Rule) { r.Limit.Share = 25 })
	s.used(subject, 10*time.Minute, limit.Hour, limit.Amounts{limit.Recipients: 15})
	rows, err := Of(t.Context(), s, ann, netip.Addr{}, noon)
	if err != nil || len(rows) != 3 {
		t.Fatalf("%+v, %v", rows, err)
	}
	if part := rows[2]; !part.Share || part.Used != 15 || part.Left != 0 || !part.Full || part.From == nil || !part.From.Equal(noon.Add(51*time.Minute)) {
		t.Errorf("of the account: %+v", part)
	}
}

// TestAsJudged: what is shown is what becomes of the next message of one recipient, and from when on there
// is room it has it, and no moment before.
func TestAsJudged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &store{counters: map[limit.Subject]*limit.Counter{}}
		whose := []limit.Subject{subject, domain, {Kind: limit.Everything}}
		for _, of := range whose {
			for _, m := range []limit.Measure{limit.Messages, limit.Recipients, limit.FailedRecipients} {
				if !rapid.Bool().Draw(t, "limited") {
					continue
				}
				l := limit.Limit{Measure: m, Window: limit.Hour, Max: rapid.Int64Range(1, 12).Draw(t, "max"), Action: limit.Defer}
				if of.Kind > limit.Account && rapid.Bool().Draw(t, "shared") {
					l.Share = rapid.IntRange(1, 100).Draw(t, "share")
				}
				s.rules = append(s.rules, limit.Rule{ID: "R", For: of, Limit: l, Start: noon.Add(-time.Hour), By: "test"})
				if rapid.Bool().Draw(t, "shadow beside") {
					l.Max, l.Shadow = rapid.Int64Range(1, 12).Draw(t, "shadow max"), true
					s.rules = append(s.rules, limit.Rule{ID: "S", For: of, Limit: l, Start: noon.Add(-time.Hour), By: "test"})
				}
			}
			s.counters[of] = &limit.Counter{}
		}
		for range rapid.IntRange(0, 12).Draw(t, "sent") {
			own, at := rapid.Bool().Draw(t, "own"), noon.Add(-time.Duration(rapid.IntRange(0, 70).Draw(t, "ago"))*time.Minute)
			n := limit.Amounts{limit.Messages: 1, limit.Recipients: rapid.Int64Range(1, 3).Draw(t, "recipients"), limit.FailedRecipients: rapid.Int64Range(0, 1).Draw(t, "failed")}
			// What was sent before a limit of the whole was set is counted of the account alone.
			before := own && rapid.Bool().Draw(t, "before")
			for i, of := range whose {
				if i == 0 && own || i > 0 && !before {
					s.counters[of].Count(n, limit.Windowed(0).And(limit.Hour), at, noon.Add(-2*time.Hour))
				}
			}
		}
		rows, err := Of(context.Background(), s, ann, netip.Addr{}, noon)
		if err != nil {
			t.Fatal(err)
		}
		rules := func(of limit.Subject) []limit.Rule {
			found, _ := s.Rules(context.Background(), limit.Query{For: &of, Holding: noon})
			return found
		}
		who := limit.Who{Account: ann, Domain: "example.org"}
		levels := who.Levels(rules, noon)
		for i := range levels {
			levels[i].Counter = s.counters[levels[i].Subject]
		}
		// over says by which limits a message is over at a moment, named as rows are; who is over a whole limit
		// is not told of a share besides.
		over := func(at time.Time) map[string]bool {
			found := map[string]bool{}
			for _, b := range limit.Decide(levels, limit.Amounts{limit.Messages: 1, limit.Recipients: 1}, 0, at).Over {
				label := b.Subject.String()
				if b.Of.Kind != 0 {
					label = "its share of " + b.Of.String()
				}
				found[fmt.Sprintf("%s %s %v", label, b.Limit.Measure, b.Limit.Shadow)] = true
			}
			return found
		}
		name := func(r *Room, label string) string {
			measure, _, _ := strings.Cut(r.Limit, "/")
			return fmt.Sprintf("%s %s %v", label, measure, r.Shadow)
		}
		whole := func(at time.Time, r *Room) bool {
			return over(at)[name(r, strings.TrimPrefix(r.Label, "its share of "))]
		}
		full := func(at time.Time, r *Room) bool {
			return over(at)[name(r, r.Label)] || r.Share && r.Full && whole(at, r)
		}
		for i := range rows {
			r := &rows[i]
			switch {
			case full(noon, r) != r.Full || (r.Left == 0) != r.Full:
				t.Fatalf("%+v, and the gate says %v", r, over(noon))
			case r.From == nil:
				t.Fatalf("there is never room: %+v", r)
			case full(*r.From, r) && !r.Share || r.Full && !r.Share && !full(r.From.Add(-time.Second), r):
				t.Fatalf("room from %v: %+v; before %v, then %v", *r.From, r, over(r.From.Add(-time.Second)), over(*r.From))
			case r.Share && r.Full && over(*r.From)[name(r, r.Label)]:
				t.Fatalf("no room for a share at %v: %+v", *r.From, r)
			case r.Share && r.Full && !full(r.From.Add(-time.Second), r):
				t.Fatalf("room for a share before %v: %+v", *r.From, r)
			}
		}
	})
}

// TestNotTold: an account that there is not, and a store that fails; without limits of connections nobody
// is asked who is there.
func TestNotTold(t *testing.T) {
	s := &store{away: true}
	if _, err := Of(t.Context(), s, "nobody@example.org", netip.Addr{}, noon); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	s.set(t, subject, "messages/hour=1")
	if rows, err := Of(t.Context(), s, ann, netip.Addr{}, noon); err != nil || len(rows) != 1 {
		t.Error(rows, err)
	}
	s.set(t, domain, "connections/at-once=1")
	if rows, err := Of(t.Context(), s, ann, netip.Addr{}, noon); !fault.Is(err, fault.Unavailable) {
		t.Error(rows, err)
	}
}

// TestBesideShadow: a limit and the one in shadow beside it have a row each, with the rule of each.
func TestBesideShadow(t *testing.T) {
	s := &store{}
	live := s.set(t, limit.Subject{Kind: limit.Plan, Name: "small"}, "messages/hour=5")
	tried := s.set(t, subject, "messages/hour=2", func(r *limit.Rule) { r.Limit.Shadow = true })
	s.used(subject, time.Minute, limit.Hour, limit.Amounts{limit.Messages: 3})
	rows, err := Of(t.Context(), s, ann, netip.Addr{}, noon)
	if err != nil || len(rows) != 2 {
		t.Fatalf("%+v, %v", rows, err)
	}
	if r := rows[0]; r.Shadow || r.Rule != live.ID || r.Left != 2 || r.Full {
		t.Errorf("what counts: %+v", r)
	}
	if r := rows[1]; !r.Shadow || r.Rule != tried.ID || r.Left != 0 || !r.Full {
		t.Errorf("in shadow: %+v", r)
	}
}
