package hindsight

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/limit/network"
	"countersign/internal/limit/simulation"
	"countersign/internal/mail"
	"countersign/internal/node"
)

// run is what has happened: a record, and who was there.
type run struct{ book }

// planOf and customerOf are of the domains a.example and b.example.
func planOf(login string) string { return "plan-" + login[:1] }
func customerOf(login string) string {
	return "customer-" + login[strings.IndexByte(login, '@')+1:][:1]
}

func (run) Sender(_ context.Context, login string) (*account.Sender, error) {
	return &account.Sender{Plan: account.Plan{Name: planOf(login)}, Customer: account.Customer{Name: customerOf(login)}}, nil
}

func (run) Nodes(context.Context) ([]node.Node, error) {
	return []node.Node{{ID: "g"}, {ID: "h"}}, nil
}

// offered is a message, or a connection, of somebody.
type offered struct {
	at       time.Time
	who      limit.Who
	client   string
	id       mail.ID
	to       []string
	size     int64
	help     bool
	failed   []time.Time // of its recipients, those that another server refused
	ends     time.Time   // of a connection
	gateLeft string      // the gate that delivers
}

var theNoon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// drawRun draws what is offered: times lie so close that a window sees many, and none is that of another.
func drawRun(t *rapid.T, w limit.Window) (list []*offered) {
	span, _ := w.Span()
	at, most := theNoon, int64(max(span, time.Hour)/6)
	for n := range rapid.IntRange(1, 60).Draw(t, "messages") {
		at = at.Add(time.Duration(rapid.Int64Range(0, most).Draw(t, "gap"))).Truncate(time.Millisecond).Add(time.Millisecond)
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		login := pick("login", "x@a.example", "y@a.example", "x@b.example")
		client := pick("client", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2")
		o := &offered{
			at: at, client: client, id: mail.ID(fmt.Sprintf("01K%023d", n)), size: rapid.Int64Range(1, 5).Draw(t, "size"),
			help: rapid.IntRange(0, 9).Draw(t, "help") == 0, gateLeft: pick("delivers", "g", "h"),
			who: limit.Who{
				Credential: pick("credential", "", login+" 1", login+" 2"), Account: login, Plan: planOf(login), Domain: login[2:], Customer: customerOf(login),
				Network: network.Of(netip.MustParseAddr(client)), Node: pick("node", "g", "h"),
			},
		}
		o.ends = at.Add(time.Duration(rapid.Int64Range(0, 4*most).Draw(t, "lasts"))).Truncate(time.Millisecond).Add(100 * time.Microsecond)
		for r := range rapid.IntRange(1, 4).Draw(t, "recipients") {
			o.to = append(o.to, fmt.Sprintf("r%d@there.example", r*3+rapid.IntRange(0, 2).Draw(t, "who")))
			if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
				o.failed = append(o.failed, at.Add(time.Duration(rapid.Int64Range(0, most).Draw(t, "later"))).Truncate(time.Millisecond).Add(time.Duration(200+r)*time.Microsecond))
			}
		}
		list = append(list, o)
	}
	return list
}

// record is what gates write of all that, had there been no limit.
func record(all []*offered) run {
	var b book
	add := func(o *offered, at time.Time, kind audit.Kind, data map[string]string) *audit.Event {
		b = append(b, audit.Event{At: at, Kind: kind, Login: o.who.Account, Client: o.client, Submission: o.id, Session: o.id, Data: data})
		return &b[len(b)-1]
	}
	for _, o := range all {
		accepted := map[string]string{
			"from": o.who.Account, "recipients": strconv.Itoa(len(o.to)), "size": strconv.FormatInt(o.size, 10),
			limit.DataCredential: cmp.Or(o.who.Credential, limit.NoCredential), "node": o.who.Node,
		}
		if o.help {
			accepted[limit.DataCounts] = limit.CountsApart
		}
		add(o, o.at, audit.Accepted, accepted)
		add(o, o.at, audit.SessionOpened, map[string]string{"node": o.who.Node}).Login = ""
		add(o, o.at, audit.AuthPassed, map[string]string{limit.DataCredential: cmp.Or(o.who.Credential, limit.NoCredential)})
		add(o, o.ends, audit.SessionClosed, nil)
		for i, to := range o.to {
			if i < len(o.failed) {
				add(o, o.failed[i], audit.DeliveryFailed, map[string]string{"to": to, "remote": "mx.there.example", "node": o.gateLeft}).Code = 550
			} else {
				add(o, o.at, audit.DeliveryDelivered, map[string]string{"to": to, "remote": "mx.there.example"})
			}
		}
	}
	slices.SortStableFunc(b, func(x, y audit.Event) int { return x.At.Compare(y.At) })
	for i := range b {
		b[i].Seq = int64(i + 1)
	}
	return run{b}
}

// ledger is what a store has counted.
type ledger struct {
	counters map[limit.Subject]*limit.Counter
	met      map[limit.Contact]int64
}

func (l *ledger) Counter(s limit.Subject) *limit.Counter {
	if l.counters[s] == nil {
		l.counters[s] = &limit.Counter{}
	}
	return l.counters[s]
}

func (l *ledger) Met(c limit.Contact) int64 { return l.met[c] }

// outcomes are what really became of what was offered, by whom it counts for.
type outcomes map[string]map[simulation.Outcome]int64

func (o outcomes) add(name string, what simulation.Outcome) {
	if o[name] == nil {
		o[name] = map[simulation.Outcome]int64{}
	}
	o[name][what]++
}

// became reads a decision.
func became(d *limit.Decision) simulation.Outcome {
	switch {
	case d.Decisive == nil && len(d.Over) > 0:
		return simulation.Noted
	case d.Decisive == nil:
		return simulation.Passed
	}
	return map[limit.Action]simulation.Outcome{limit.Slow: simulation.Slowed, limit.Hold: simulation.Held, limit.Defer: simulation.Deferred, limit.Refuse: simulation.Refused}[d.Action]
}

// nameIn is as what somebody counts for a limit.
func nameIn(k limit.Kind, w *limit.Who) string {
	return map[limit.Kind]string{
		limit.Credential: w.Credential, limit.Account: w.Account, limit.Plan: w.Account, limit.Domain: w.Domain, limit.Customer: w.Customer,
		limit.Network: w.Network, limit.Node: w.Node,
	}[k]
}

// happen sends what is offered through gates that have the limits, as a store judges and counts it.
func happen(all []*offered, of limit.Subject, limits []limit.Limit) outcomes {
	rules := func(s limit.Subject) (list []limit.Rule) {
		if s == of {
			for _, l := range limits {
				list = append(list, limit.Rule{For: of, Limit: l})
			}
		}
		return list
	}
	l, out := &ledger{map[limit.Subject]*limit.Counter{}, map[limit.Contact]int64{}}, outcomes{}
	type step struct {
		at  time.Time
		run func()
	}
	var steps []step
	for _, o := range all {
		unsent := false
		levels := func(node string) []limit.Level {
			who := o.who
			who.Node = node
			return who.Levels(rules, o.at)
		}
		steps = append(steps, step{o.at, func() {
			q := &limit.Question{Levels: limit.OfStore(levels(o.who.Node)), Want: limit.Amounts{limit.Messages: 1, limit.Recipients: int64(len(o.to)), limit.Bytes: o.size}}
			if len(q.Levels) == 0 || o.help {
				return
			}
			if limit.Bounds(q.Levels, limit.NewRecipients) {
				q.Contacts = &limit.Contacts{Login: o.who.Account}
				for _, to := range o.to {
					q.Contacts.Recipients = append(q.Contacts.Recipients, limit.DigestOf(to))
				}
			}
			d := q.Judge(l, o.at)
			out.add(nameIn(of.Kind, &o.who), became(&d))
			unsent = !d.Passes() || d.Decisive != nil && d.Action == limit.Hold
			if d.Passes() {
				q.Count(&d)
				for _, c := range q.Contacts.All() {
					l.met[c] = limit.DayOf(o.at)
				}
			}
		}})
		for _, at := range o.failed {
			steps = append(steps, step{at, func() {
				q := &limit.Question{Levels: limit.Failing(levels(o.gateLeft)), Want: limit.Amounts{limit.FailedRecipients: 1}}
				if len(q.Levels) > 0 && !unsent {
					q.Judge(l, at)
					limit.Count(q.Levels, q.Want, &limit.Decision{At: at, Slot: at})
				}
			}})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })
	for _, s := range steps {
		s.run()
	}
	return out
}

// drawSubject draws whom a limit is for.
func drawSubject(t *rapid.T) limit.Subject {
	k := limit.Kind(rapid.IntRange(0, int(limit.Plan)).Draw(t, "kind"))
	if k == limit.Everything {
		return limit.Subject{Kind: k}
	}
	one := map[limit.Kind]string{
		limit.Credential: "x@a.example 1", limit.Account: "x@a.example", limit.Plan: "plan-x", limit.Domain: "a.example", limit.Customer: "customer-a",
		limit.Network: "2001:db8::/64", limit.Node: "g",
	}[k]
	if k != limit.Plan && rapid.Bool().Draw(t, "each") {
		one = limit.Each
	}
	return limit.Subject{Kind: k, Name: one}
}

// drawLimit draws one that could be set for somebody.
func drawLimit(t *rapid.T, of limit.Subject, w limit.Window, measures ...string) limit.Limit {
	for {
		l, err := limit.Parse(rapid.SampledFrom(measures).Draw(t, "measure") + "/" + w.String() + "=" + strconv.Itoa(rapid.IntRange(0, 12).Draw(t, "max")))
		if err != nil {
			t.Fatal(err)
		}
		if l.Measure != limit.Connections {
			l.Action = rapid.SampledFrom([]limit.Action{limit.Slow, limit.Hold, limit.Defer, limit.Refuse}).Draw(t, "action")
		}
		l.Shadow = rapid.IntRange(0, 4).Draw(t, "shadow") == 0
		if rapid.Bool().Draw(t, "shared") {
			l.Share = rapid.IntRange(1, 100).Draw(t, "share")
		}
		if l.Measure == limit.FailedShare {
			l.Least = rapid.Int64Range(1, 4).Draw(t, "least")
		}
		if (&limit.Rule{For: of, Limit: l}).CheckLimit() != nil {
			l.Share = 0
		}
		if (&limit.Rule{For: of, Limit: l}).CheckLimit() == nil {
			return l
		}
	}
}

// differ compares what really became with what is told.
func differ(t *rapid.T, really outcomes, s *Simulated, of func(*Sums) map[simulation.Outcome]int64) {
	told := map[string]map[simulation.Outcome]int64{}
	sum := map[simulation.Outcome]int64{}
	for i := range s.Over {
		told[s.Over[i].Name] = of(&s.Over[i].Sums)
	}
	for name, one := range really {
		for what, n := range one {
			sum[what] += n
		}
		if one[simulation.Passed] == 0 {
			one[simulation.Passed] = 0
		}
		if len(one) == 1 { // nothing was over
			delete(really, name)
		}
	}
	clean := func(m map[simulation.Outcome]int64) map[simulation.Outcome]int64 {
		maps.DeleteFunc(m, func(_ simulation.Outcome, n int64) bool { return n == 0 })
		return m
	}
	for name, one := range really {
		if !maps.Equal(clean(one), clean(told[name])) {
			t.Fatalf("%q: really %v, told is %v", name, one, told[name])
		}
	}
	if len(told) != len(really) || !maps.Equal(clean(sum), clean(of(&s.Sums))) {
		t.Fatalf("really %v (%v), told is %v (%v)", really, sum, told, of(&s.Sums))
	}
}

func ofMessages(s *Sums) map[simulation.Outcome]int64 {
	return map[simulation.Outcome]int64{
		simulation.Passed: s.Messages - s.OverMessages, simulation.Noted: s.Noted, simulation.Slowed: s.Slowed,
		simulation.Held: s.Held, simulation.Deferred: s.Deferred, simulation.Refused: s.Refused,
	}
}

// TestAsItReallyWas: for whomever limits are, in whatever window, and whatever is done at them: what they do
// to a run while they are in force is what is told of the record of the same run without them.
func TestAsItReallyWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := drawSubject(t)
		w := limit.Window(rapid.IntRange(0, int(limit.Month)).Draw(t, "window"))
		limits := []limit.Limit{drawLimit(t, of, w, "messages", "recipients", "bytes", "new-recipients", "failed-recipients", "failed-share")}
		if rapid.Bool().Draw(t, "two") {
			limits = append(limits, drawLimit(t, of, limit.Day, "messages", "recipients"))
		}
		if len(limits) == 2 && limits[0].Measure == limits[1].Measure && w == limit.Day {
			limits = limits[:1] // one would take the place of the other
		}
		all := drawRun(t, w)
		s, err := Simulate(context.Background(), record(all), Question{Limits: limits, For: of, Since: theNoon, Now: theNoon})
		if err != nil {
			t.Fatal(err)
		}
		if s.UnplacedMessages != 0 {
			t.Fatalf("%d are unplaced", s.UnplacedMessages)
		}
		differ(t, happen(all, of, limits), &s, ofMessages)
	})
}

// enter lets connections in as far as limits have room, as a gate does.
func enter(all []*offered, of limit.Subject, limits []limit.Limit) outcomes {
	rules := func(s limit.Subject) (list []limit.Rule) {
		if s == of {
			for _, l := range limits {
				list = append(list, limit.Rule{For: of, Limit: l})
			}
		}
		return list
	}
	l, out := &ledger{map[limit.Subject]*limit.Counter{}, nil}, outcomes{}
	steps := slices.Clone(all)
	left := map[*offered]func(){}
	for len(steps) > 0 || len(left) > 0 {
		var gone *offered
		for o := range left {
			if gone == nil || o.ends.Before(gone.ends) {
				gone = o
			}
		}
		if gone != nil && (len(steps) == 0 || gone.ends.Before(steps[0].at)) {
			left[gone]()
			delete(left, gone)
			continue
		}
		o := steps[0]
		steps = steps[1:]
		q := limit.Connects(o.who.Levels(rules, o.at))
		if q == nil {
			continue
		}
		q.Self = "here"
		d := q.Judge(l, o.at)
		// The client is told to come again, also where there is never room.
		out.add(nameIn(of.Kind, &o.who), min(became(&d), simulation.Deferred))
		if d.Passes() {
			q.Count(&d)
			left[o] = func() {
				for _, s := range q.Holds() {
					l.Counter(s).Hold("here", -1, o.ends)
				}
			}
		}
	}
	return out
}

// TestConnectionsAsTheyWere: connections are let in and turned away as they would have been, when they
// come or when somebody logs in.
func TestConnectionsAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := drawSubject(t)
		w := rapid.SampledFrom([]limit.Window{limit.Minute, limit.Hour, limit.Day, limit.Month}).Draw(t, "window")
		limits := []limit.Limit{drawLimit(t, of, w, "connections"), drawLimit(t, of, limit.AtOnce, "connections")}
		all := drawRun(t, w)
		for _, o := range all { // the gate would have closed it otherwise
			if o.ends.Sub(o.at) > 23*time.Hour {
				o.ends = o.at.Add(23 * time.Hour).Add(100 * time.Microsecond)
			}
		}
		s, err := Simulate(context.Background(), record(all), Question{Limits: limits, For: of, Since: theNoon, Now: theNoon})
		if err != nil {
			t.Fatal(err)
		}
		differ(t, enter(all, of, limits), &s, func(s *Sums) map[simulation.Outcome]int64 {
			return map[simulation.Outcome]int64{
				simulation.Passed: s.Connections - s.OverConnections, simulation.Noted: s.NotedConnections, simulation.Deferred: s.OverConnections - s.NotedConnections,
			}
		})
	})
}

// slowly is what a limit does to a run, told in the slowest way: all that was let through is added up again for
// each message. It knows no limits that slow down.
func slowly(all []*offered, of limit.Subject, l limit.Limit) outcomes {
	type passed struct {
		at     time.Time
		n      int64
		name   string
		login  string
		whole  bool // it counts of the subject, not only of the account
		single bool // it counts of the account
	}
	window, cell := l.Window.Span()
	var through []passed
	out := outcomes{}
	for _, o := range all {
		name := nameIn(of.Kind, &o.who)
		switch {
		case o.help, of.Kind == limit.Plan && o.who.Plan != of.Name:
			continue
		case of.Kind != limit.Plan && of.Kind != limit.Everything && (name == "" || of.Name != limit.Each && of.Name != name):
			continue
		}
		n := map[limit.Measure]int64{limit.Messages: 1, limit.Recipients: int64(len(o.to)), limit.Bytes: o.size}[l.Measure]
		from := o.at.Add(-window).Truncate(cell) // the cell in which the window begins counts as a whole
		var used, own int64
		for _, p := range through {
			if p.at.Before(from) {
				continue
			}
			if p.name == name && p.whole {
				used += p.n
			}
			if p.login == o.who.Account && p.single {
				own += p.n
			}
		}
		over := used+n > l.Max
		part := l.Max * int64(l.Share) / 100
		most := max(part, (l.Max+1)/2) // what one account has while there is plenty
		allowed := most
		if 2*used >= l.Max {
			allowed = part
		}
		shareOver := !over && l.Share > 0 && own+n > allowed
		never := n > l.Max || shareOver && n > most
		what := simulation.Passed
		switch {
		case !over && !shareOver:
		case l.Shadow:
			what = simulation.Noted
		case l.Action == limit.Hold:
			what = simulation.Held
		case never || l.Action == limit.Refuse:
			what = simulation.Refused
		default:
			what = simulation.Deferred
		}
		out.add(name, what)
		if what <= simulation.Held {
			held := what == simulation.Held
			through = append(through, passed{o.at, n, name, o.who.Account, !held || over, !held || shareOver})
		}
	}
	return out
}

// TestAsAddedUpSlowly: what is told is what one finds who adds everything up.
func TestAsAddedUpSlowly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := drawSubject(t)
		w := limit.Window(rapid.IntRange(0, int(limit.Month)).Draw(t, "window"))
		l := drawLimit(t, of, w, "messages", "recipients", "bytes")
		if l.Action == limit.Slow {
			l.Action = limit.Defer
		}
		all := drawRun(t, w)
		s, err := Simulate(context.Background(), record(all), Question{Limits: []limit.Limit{l}, For: of, Since: theNoon, Now: theNoon})
		if err != nil {
			t.Fatal(err)
		}
		differ(t, slowly(all, of, l), &s, ofMessages)
	})
}
