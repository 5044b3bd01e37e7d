package sqlite

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/list"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/bans"
	"countersign/internal/store/sqlkit/limits"
	"countersign/internal/store/sqlkit/lists"
	"countersign/internal/tenant"
)

// bounded is a store in which something happens between the look at what holds and the change.
type bounded struct {
	*testing.T
	*Store
	ids     mail.IDSource
	now     time.Time
	between func()
}

func newBounded(t *testing.T) *bounded {
	s, err := Open(t.Context(), Options{Path: t.TempDir() + "/x.db", Server: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, text := range []string{
		"INSERT INTO customer (name, state, created, revision) VALUES ('acme', 'active', 1, 1), ('rival', 'active', 1, 1)",
		"INSERT INTO domain (name, customer, state, created, revision) VALUES ('one.example', 'acme', 'active', 1, 1), ('two.example', 'rival', 'active', 1, 1)",
		"INSERT INTO account (login, id, address, domain, state, directory, plan_learned, null_sender, legacy, created, revision) SELECT 'ann@' || name, 'A' || name, 'ann@' || name, name, 'active', '', 0, 0, 0, 1, 1 FROM domain",
	} {
		if err := s.db.Change(t.Context(), "fill", func(t *database.Tx, _ *book) error { return t.Exec(text, nil) }); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return &bounded{T: t, Store: s, now: time.Now().UTC().Truncate(time.Microsecond)}
}

// base is the store's, but for what happens between.
func (b *bounded) base() sqlkit.Base {
	base := b.Store.base()
	base.Signal = sqlkit.NewSignal()
	look := base.Snapshot
	base.Snapshot = func(ctx context.Context, op string, fn func(sqlkit.Reader) error) error {
		err := look(ctx, op, fn)
		b.between()
		return err
	}
	return base
}

func (b *bounded) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// rule makes one of what is for a subject.
func (b *bounded) rule(kind limit.Kind, name, text string) limit.Rule {
	l, err := limit.Parse(text)
	b.must(err)
	return limit.Rule{ID: b.ids.New(), For: limit.Subject{Kind: kind, Name: name}, Limit: l, By: "x", Start: b.now}
}

// TestBoundOfWhatChangedMeanwhile: what comes or ends after the look at what holds is counted, too.
func TestBoundOfWhatChangedMeanwhile(t *testing.T) {
	within := tenant.Bound{Customers: []string{"acme"}, Most: 2}
	event := audit.Event{Kind: audit.LimitSet}
	set := func(b *bounded, kind limit.Kind, name, text string) limit.Rule {
		r := b.rule(kind, name, text)
		b.must(b.SetRules(b.Context(), []limit.Rule{r}, tenant.Bound{}, []audit.Event{event}))
		return r
	}
	lift := func(b *bounded, r limit.Rule) { b.must(b.LiftRule(b.Context(), r.ID, b.now, "x", event)) }
	for name, c := range map[string]struct {
		meanwhile func(b *bounded, first limit.Rule)
		refused   bool
	}{
		"nothing":         {func(*bounded, limit.Rule) {}, false},
		"of its customer": {func(b *bounded, _ limit.Rule) { set(b, limit.Customer, "acme", "messages/day=1") }, true},
		"of its domain":   {func(b *bounded, _ limit.Rule) { set(b, limit.Domain, "one.example", "messages/day=1") }, true},
		"of its account":  {func(b *bounded, _ limit.Rule) { set(b, limit.Account, "ann@one.example", "messages/hour=1") }, true},
		"of another":      {func(b *bounded, _ limit.Rule) { set(b, limit.Account, "ann@two.example", "messages/hour=1") }, false},
		"of all":          {func(b *bounded, _ limit.Rule) { set(b, limit.Everything, "", "messages/hour=1") }, false},
		"in its place":    {func(b *bounded, _ limit.Rule) { set(b, limit.Account, "ann@one.example", "messages/day=2") }, false},
		"come and gone":   {func(b *bounded, _ limit.Rule) { lift(b, set(b, limit.Customer, "acme", "messages/day=1")) }, false},
		"one for another": {func(b *bounded, first limit.Rule) {
			lift(b, first)
			set(b, limit.Customer, "acme", "messages/day=1")
		}, false},
		"two for one": {func(b *bounded, first limit.Rule) {
			lift(b, first)
			set(b, limit.Customer, "acme", "messages/day=1")
			set(b, limit.Domain, "one.example", "messages/day=1")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBounded(t)
			first := set(b, limit.Account, "ann@one.example", "messages/day=1")
			b.between = func() { c.meanwhile(b, first) }
			err := limits.New(limits.Options{Base: b.base()}).SetRules(t.Context(), []limit.Rule{b.rule(limit.Account, "ann@one.example", "bytes/day=1")}, within, []audit.Event{event})
			if c.refused != fault.Is(err, fault.Conflict) || !c.refused && err != nil {
				t.Error(err)
			}
		})
	}
}

// TestBoundOfOthersMeanwhile: so it is of bans and of entries, with one that there may be.
func TestBoundOfOthersMeanwhile(t *testing.T) {
	b := newBounded(t)
	within := tenant.Bound{Customers: []string{"acme"}, Most: 1}
	ban := func(login string) access.Ban {
		return access.Ban{ID: b.ids.New(), Prefix: netip.MustParsePrefix("192.0.2.1/32"), Login: login, Reason: "x", By: "x", Start: b.now}
	}
	entry := func(login, what string) list.Entry {
		w, err := list.ParseWhat(what)
		b.must(err)
		return list.Entry{ID: b.ids.New(), For: list.Subject{Kind: list.Account, Name: login}, What: w, Effect: list.Deny, Reason: "x", By: "x", Start: b.now}
	}
	event := audit.Event{Kind: audit.LimitSet}
	for _, domain := range []string{"two.example", "one.example"} { // another's first
		b.between = func() { b.must(b.AddBan(t.Context(), ban("ann@"+domain), tenant.Bound{}, event)) }
		b.refusedOf(domain, bans.New(bans.Options{Base: b.base()}).AddBan(t.Context(), ban("new@one.example"), within, event))
		b.between = func() { b.must(b.AddEntry(t.Context(), entry("ann@"+domain, "10.0.0.0/8"), tenant.Bound{}, event)) }
		b.refusedOf(domain, lists.New(lists.Options{Base: b.base()}).AddEntry(t.Context(), entry("ann@one.example", "192.0.2.0/24"), within, event))
		within.Most = 2
	}
}

// refusedOf wants a refusal where it was its own that came meanwhile.
func (b *bounded) refusedOf(domain string, err error) {
	b.Helper()
	if own := domain == "one.example"; own != fault.Is(err, fault.Conflict) || !own && err != nil {
		b.Errorf("%s: %v", domain, err)
	}
}
