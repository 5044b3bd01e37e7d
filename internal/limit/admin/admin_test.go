package admin

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// notebook is a store of rules and events that does what it is told.
type notebook struct {
	limit.Store
	rules  []limit.Rule
	events []audit.Event
	err    error
}

func (n *notebook) SetRules(_ context.Context, rules []limit.Rule, _ tenant.Bound, events []audit.Event) error {
	if n.err == nil {
		n.rules, n.events = append(n.rules, rules...), append(n.events, events...)
	}
	return n.err
}

func (n *notebook) LiftRule(_ context.Context, id mail.ID, at time.Time, by string, e audit.Event) error {
	for i := range n.rules {
		if n.rules[i].ID == id {
			n.rules[i].End, n.rules[i].Lifted = at, by
		}
	}
	n.events = append(n.events, e)
	return n.err
}

func (n *notebook) Rules(_ context.Context, q limit.Query) (list []limit.Rule, err error) {
	for _, r := range n.rules {
		if (q.ID == "" || q.ID == r.ID) && (q.For == nil || *q.For == r.For) && (q.Holding.IsZero() || r.Holds(q.Holding)) {
			list = append(list, r)
		}
	}
	return list, n.err
}

// desk is an Admin over a notebook at noon and a bit.
func desk() (*Admin, *notebook) {
	n := &notebook{}
	clock := func() time.Time { return noon.Add(123456789) }
	return New(Options{Store: n, IDs: &mail.IDSource{Now: clock}, Actor: "cli:root", Now: clock}), n
}

func limits(texts ...string) (list []limit.Limit) {
	for _, text := range texts {
		l, err := limit.Parse(text)
		if err != nil {
			panic(err)
		}
		list = append(list, l)
	}
	return list
}

func TestSet(t *testing.T) {
	a, n := desk()
	of := limit.Subject{Kind: limit.Account, Name: "ann@one.example"}
	w := Wanted{For: of, Limits: limits("messages/hour=5", "bytes/day=1MiB"), Because: " a newsletter ", End: noon.Add(time.Hour)}
	w.Limits[1].Action, w.Limits[1].Shadow = limit.Slow, true
	rules, err := a.Set(t.Context(), w)
	if err != nil || len(rules) != 2 || len(n.rules) != 2 || rules[0].ID == rules[1].ID {
		t.Fatalf("%+v, %v", rules, err)
	}
	want := limit.Rule{ID: rules[0].ID, For: of, Limit: w.Limits[0], Because: "a newsletter", Start: noon.Add(123456 * time.Microsecond), End: noon.Add(time.Hour), By: "cli:root"}
	if n.rules[0] != want || n.rules[0] != rules[0] {
		t.Errorf("stored %+v, want %+v", n.rules[0], want)
	}
	e := n.events[0]
	if e.Kind != audit.LimitSet || e.Object != "limit account ann@one.example messages/hour=5" || e.Login != of.Name || e.Actor != "cli:root" || e.Text != "a newsletter" ||
		e.Data["rule"] != string(want.ID) || e.Data["until"] != "2026-11-27T13:00:00Z" || len(e.Data) != 2 {
		t.Errorf("the event is %+v", e)
	}
	if e := n.events[1]; e.Object != "limit account ann@one.example bytes/day=1048576" || e.Data["action"] != "slow" || e.Data["shadow"] != "true" {
		t.Errorf("the event is %+v", e)
	}
	w = Wanted{For: limit.Subject{Kind: limit.Credential, Name: "01K00000000000000000000099"}, Login: "bob@one.example", Limits: limits("messages/hour=5")}
	if _, err := a.Set(t.Context(), w); err != nil || n.events[2].Login != "bob@one.example" || n.events[2].Data["until"] != "" {
		t.Errorf("%v, %+v", err, n.events)
	}
	w = Wanted{For: limit.Subject{Kind: limit.Domain, Name: "one.example"}, Limits: limits("messages/hour=5")}
	w.Limits[0].Share = 20
	if _, err := a.Set(t.Context(), w); err != nil || n.events[3].Login != "" || n.events[3].Data["share"] != "20" {
		t.Errorf("%v, %+v", err, n.events)
	}
	n.err = errors.New("away")
	if _, err := a.Set(t.Context(), w); !errors.Is(err, n.err) {
		t.Errorf("a store that is away: %v", err)
	}
}

func TestSetRefuses(t *testing.T) {
	of, five := limit.Subject{Kind: limit.Account, Name: "ann@one.example"}, limits("messages/hour=5")
	later := noon.Add(time.Hour)
	for says, w := range map[string]Wanted{
		"no limit is named":  {For: of},
		"which is past":      {For: of, Limits: five, End: noon},
		"extra needs an end": {For: of, Limits: five, Extra: true},
		"nothing extra":      {For: of, Limits: limits("messages/hour=0"), Extra: true, End: later},
		"one line":           {For: of, Limits: five, Because: "a\nb"},
		"no name of what":    {For: limit.Subject{Kind: limit.Account, Name: "ann"}, Limits: five},
		"messages/hour=0 stops all mail of account ann@one.example; --force": {For: of, Limits: limits("bytes/day=1", "messages/hour=0")},
		"stops all mail of every domain without a limit of its own;":         {For: limit.Subject{Kind: limit.Domain, Name: limit.Each}, Limits: limits("bytes/month=0")},
		"messages/minute=0 stops all mail;":                                  {For: limit.Subject{Kind: limit.Everything}, Limits: limits("messages/minute=0")},
		"failed-recipients/day=0 stops nothing before":                       {For: of, Limits: limits("failed-recipients/day=0"), Force: true},
		"to recipients that were not written to before of plan small;":       {For: limit.Subject{Kind: limit.Plan, Name: "small"}, Limits: limits("new-recipients/day=0")},
	} {
		a, n := desk()
		if _, err := a.Set(t.Context(), w); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) || len(n.rules) > 0 {
			t.Errorf("%q: %v, %v", says, err, n.rules)
		}
	}
	a, n := desk()
	shadow := limits("messages/hour=0")
	shadow[0].Shadow = true
	for _, w := range []Wanted{
		{For: of, Limits: limits("messages/hour=0"), Force: true}, {For: of, Limits: shadow}, {For: of, Limits: limits("failed-recipients/day=1", "failed-share/day=0")},
	} {
		if _, err := a.Set(t.Context(), w); err != nil {
			t.Errorf("who insists, or only looks: %v", err)
		}
	}
	if len(n.rules) != 4 {
		t.Errorf("set are %v", n.rules)
	}
}

func TestLift(t *testing.T) {
	a, n := desk()
	of := limit.Subject{Kind: limit.Account, Name: "ann@one.example"}
	set := func(w Wanted) limit.Rule {
		t.Helper()
		w.For = of
		rules, err := a.Set(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		return rules[0]
	}
	hour := set(Wanted{Limits: limits("messages/hour=5")})
	day := set(Wanted{Limits: limits("messages/day=5")})
	more := set(Wanted{Limits: limits("messages/day=50"), Extra: true, End: noon.Add(time.Hour)})
	liftOf := func(w limit.Window) func() (limit.Rule, error) {
		return func() (limit.Rule, error) { return a.LiftOf(t.Context(), of, limit.Messages, w, false) }
	}
	lift := func(id mail.ID) func() (limit.Rule, error) {
		return func() (limit.Rule, error) { return a.Lift(t.Context(), id) }
	}
	for what, c := range []struct {
		lift func() (limit.Rule, error)
		want mail.ID
		says string
	}{
		{liftOf(limit.Month), "", "account ann@one.example has no limit messages/month of its own that holds"},
		{liftOf(limit.Hour), hour.ID, ""},
		{liftOf(limit.Hour), "", "has no limit messages/hour of its own"},
		{liftOf(limit.Day), "", "by its id, " + string(day.ID) + " (account ann@one.example messages/day=5), " + string(more.ID) + " (account ann@one.example messages/day=+50)"},
		{lift(more.ID), more.ID, ""},
		{liftOf(limit.Day), day.ID, ""},
		{lift("01K00000000000000000000009"), "", "there is no limit 01K00000000000000000000009"},
	} {
		r, err := c.lift()
		if r.ID != c.want || (err == nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%d: lifted %+v (%v), want %s", what, r, err, c.want)
		}
		if err == nil && (!r.End.Equal(noon.Add(123456*time.Microsecond)) || r.Lifted != "cli:root") {
			t.Errorf("lifted %+v", r)
		}
	}
	if e := n.events[3]; e.Kind != audit.LimitLifted || e.Object != "limit account ann@one.example messages/hour=5" || e.Data["rule"] != string(hour.ID) || e.Login != of.Name {
		t.Errorf("the event is %+v", e)
	}
	n.err = errors.New("away")
	if _, err := a.Lift(t.Context(), hour.ID); !errors.Is(err, n.err) {
		t.Errorf("a store that is away: %v", err)
	}
	if _, err := a.LiftOf(t.Context(), of, limit.Messages, limit.Hour, false); !errors.Is(err, n.err) {
		t.Errorf("a store that is away: %v", err)
	}
}

// TestLiftBesideShadow: a place names the limit that counts, where there is one; the one in shadow beside it is
// lifted where that is said.
func TestLiftBesideShadow(t *testing.T) {
	a, _ := desk()
	of := limit.Subject{Kind: limit.Account, Name: "ann@one.example"}
	set := func(max int64, shadow bool, end time.Time) mail.ID {
		rules, err := a.Set(t.Context(), Wanted{For: of, End: end, Limits: []limit.Limit{{Measure: limit.Messages, Window: limit.Hour, Max: max, Action: limit.Defer, Shadow: shadow}}})
		if err != nil {
			t.Fatal(err)
		}
		return rules[0].ID
	}
	wants := func(shadow bool, want mail.ID) {
		t.Helper()
		if r, err := a.LiftOf(t.Context(), of, limit.Messages, limit.Hour, shadow); err != nil || r.ID != want {
			t.Errorf("lifted %+v, %v; want %s", r, err, want)
		}
	}
	refuses := func(shadow bool, kind fault.Kind, says string) {
		t.Helper()
		if _, err := a.LiftOf(t.Context(), of, limit.Messages, limit.Hour, shadow); !fault.Is(err, kind) || !strings.Contains(err.Error(), says) {
			t.Error(err)
		}
	}
	live, tried := set(5, false, time.Time{}), set(3, true, time.Time{})
	wants(true, tried)
	refuses(true, fault.NotFound, "has no limit messages/hour in shadow of its own")
	tried = set(3, true, time.Time{})
	wants(false, live)
	wants(false, tried)
	refuses(false, fault.NotFound, "has no limit messages/hour of its own")
	tried, while := set(3, true, time.Time{}), set(4, true, noon.Add(time.Hour))
	refuses(false, fault.Conflict, "by its id, "+string(tried))
	refuses(true, fault.Conflict, string(while)+" (account ann@one.example messages/hour=4)")
}

// TestLiftBesideAllowance: where more is allowed on top of a limit, a place names two of which neither is
// meant more than the other, also where the limit is in shadow; --shadow names that one alone.
func TestLiftBesideAllowance(t *testing.T) {
	a, _ := desk()
	of := limit.Subject{Kind: limit.Account, Name: "ann@one.example"}
	set := func(w Wanted, shadow bool) mail.ID {
		w.For, w.Limits = of, limits("messages/hour=5")
		w.Limits[0].Shadow = shadow
		rules, err := a.Set(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		return rules[0].ID
	}
	more := Wanted{Extra: true, End: noon.Add(time.Hour)}
	tried, allowed := set(Wanted{}, true), set(more, false)
	_, err := a.LiftOf(t.Context(), of, limit.Messages, limit.Hour, false)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), string(tried)) || !strings.Contains(err.Error(), string(allowed)+" (account ann@one.example messages/hour=+5)") {
		t.Error(err)
	}
	for _, c := range []struct {
		shadow bool
		want   mail.ID
	}{{true, tried}, {false, allowed}} {
		if r, err := a.LiftOf(t.Context(), of, limit.Messages, limit.Hour, c.shadow); err != nil || r.ID != c.want {
			t.Errorf("lifted %+v, %v; want %s", r, err, c.want)
		}
	}
}
