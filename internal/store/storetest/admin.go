package storetest

import (
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

func adminCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"filters select":                     filtersSelect,
		"listings page":                      listingsPage,
		"hold and release":                   holdAndRelease,
		"retry makes deferred ones due":      retryMakesDue,
		"drop removes, with body and all":    dropRemoves,
		"a change of very many is complete":  manyAtOnce,
		"a limit bounds what changes":        limitBoundsChanges,
		"each change leaves one event each":  eventForEach,
		"a change of nothing changes nobody": nothingToChange,
	}
}

// mixed stores five messages: 1 to 3 of ann, 4 of bob, 5 a report.
func mixed(t *testing.T, s Store) {
	t.Helper()
	ctx := expect.Within(t)
	p := settle(t, s)
	one := messageOf(p.ann, "acme", p.generation, 1)
	one.Deliveries = Message(1, "a", "b").Deliveries
	one.Deliveries[1].Recipient.To.Domain = "elsewhere.example"
	expect.Must(t, s.Accept(ctx, one))
	two := messageOf(p.ann, "acme", p.generation, 2)
	two.Deliveries[0].State, two.Deliveries[0].Attempts, two.Deliveries[0].Next = queue.Deferred, 2, Start().Add(time.Hour)
	expect.Must(t, s.Accept(ctx, two))
	three := messageOf(p.ann, "acme", p.generation, 3)
	three.Deliveries[0].State, three.Deliveries[0].HoldReason = queue.Held, "policy"
	three.Submission.Credential = ID("CRE", 7)
	expect.Must(t, s.Accept(ctx, three))
	expect.Must(t, s.Accept(ctx, messageOf(p.bob, "acme", p.generation, 4)))
	b := bounce(5, ID("SUB", 1))
	expect.Must(t, s.Accept(ctx, &b))
}

// key names a delivery of the n-th message.
func key(n int, delivery string) string { return string(ID("SUB", n)) + "/" + delivery }

func filtersSelect(t *testing.T, s Store) {
	mixed(t, s)
	for what, c := range map[string]struct {
		filter queue.Filter
		want   []string
	}{
		"all":                   {queue.Filter{}, []string{key(1, "1"), key(1, "2"), key(2, "1"), key(3, "1"), key(4, "1"), key(5, "1")}},
		"submission":            {queue.Filter{Submission: ID("SUB", 1)}, []string{key(1, "1"), key(1, "2")}},
		"submission and number": {queue.Filter{Submission: ID("SUB", 1), N: 2}, []string{key(1, "2")}},
		"unknown submission":    {queue.Filter{Submission: ID("SUB", 9)}, nil},
		"login":                 {queue.Filter{Login: "ann@one.example"}, []string{key(1, "1"), key(1, "2"), key(2, "1"), key(3, "1")}},
		"domain":                {queue.Filter{Domain: "two.example"}, []string{key(4, "1")}},
		"login and domain":      {queue.Filter{Login: "ann@one.example", Domain: "two.example"}, nil},
		"login and submission":  {queue.Filter{Login: "ann@one.example", Submission: ID("SUB", 4)}, nil},
		"destination":           {queue.Filter{Destination: "elsewhere.example"}, []string{key(1, "2")}},
		"recipient":             {queue.Filter{To: mail.Address{Local: "B", Domain: "elsewhere.example"}}, []string{key(1, "2")}},
		"recipient of a login":  {queue.Filter{Login: "ann@one.example", To: mail.Address{Local: "a", Domain: "there.example"}}, []string{key(1, "1")}},
		"no recipient":          {queue.Filter{To: mail.Address{Local: "a", Domain: "elsewhere.example"}}, nil},
		"login and destination": {queue.Filter{Login: "ann@one.example", Destination: "there.example"}, []string{key(1, "1"), key(2, "1"), key(3, "1")}},
		"queued":                {queue.Filter{State: queue.Queued}, []string{key(1, "1"), key(1, "2"), key(4, "1"), key(5, "1")}},
		"deferred":              {queue.Filter{State: queue.Deferred}, []string{key(2, "1")}},
		"held of a login":       {queue.Filter{State: queue.Held, Login: "ann@one.example"}, []string{key(3, "1")}},
		"credential":            {queue.Filter{Credential: ID("CRE", 7)}, []string{key(3, "1")}},
		"credential of a login": {queue.Filter{Credential: ID("CRE", 1), Login: "ann@one.example"}, []string{key(1, "1"), key(1, "2"), key(2, "1")}},
		"credential of another": {queue.Filter{Credential: ID("CRE", 1), Login: "bob@two.example"}, nil},
		"why":                   {queue.Filter{Why: "policy"}, []string{key(3, "1")}},
		"another why":           {queue.Filter{Why: "Policy"}, nil},
		"why, and not held":     {queue.Filter{Why: "policy", State: queue.Queued}, nil},
		"why and credential":    {queue.Filter{Why: "policy", Credential: ID("CRE", 7), Login: "ann@one.example"}, []string{key(3, "1")}},
		"no waiting state":      {queue.Filter{State: queue.Delivered}, nil},
		"after":                 {queue.Filter{After: queue.Position{Submission: ID("SUB", 1), N: 1}, Limit: 2}, []string{key(1, "2"), key(2, "1")}},
		"after, of a login":     {queue.Filter{Login: "ann@one.example", After: queue.Position{Submission: ID("SUB", 2), N: 1}}, []string{key(3, "1")}},
	} {
		t.Run(what, func(t *testing.T) {
			expect.Equal(t, "list", names(expect.Got(s.List(expect.Within(t), c.filter))(t)), c.want)
		})
	}
}

func listingsPage(t *testing.T, s Store) {
	ctx := expect.Within(t)
	for n := range 1010 {
		expect.Must(t, s.Accept(ctx, Message(n, "a")))
	}
	first := expect.Got(s.List(ctx, queue.Filter{}))(t)
	if len(first) != 1000 {
		t.Fatalf("a listing without a limit has %d", len(first))
	}
	rest := expect.Got(s.List(ctx, queue.Filter{After: after(first[999])}))(t)
	expect.Equal(t, "the rest", names(rest), names(everything(t, s)[1000:]))
	rest = expect.Got(s.List(ctx, queue.Filter{Login: "ann@one.example", After: after(first[999])}))(t)
	expect.Equal(t, "the rest of a login", names(rest), names(everything(t, s)[1000:]))
	if n := expect.Got(s.Hold(ctx, queue.Filter{Login: "ann@one.example"}, "x", audit.Event{At: Start()}))(t); n != 1010 {
		t.Errorf("%d of 1010 were held", n)
	}
	for n := 1; n < 1010; n += 2 {
		expect.Must(t, s.Report(ctx, Outcome(ID("SUB", n), 1, queue.Delivered)))
	}
	expect.Equal(t, "what is left of a login", names(expect.Got(s.List(ctx, queue.Filter{Login: "ann@one.example"}))(t)), names(everything(t, s)))
}

func holdAndRelease(t *testing.T, s Store) {
	ctx := expect.Within(t)
	mixed(t, s)
	e := audit.Event{At: Start(), Kind: audit.DeliveryHeld, Actor: "cli:root", Text: "asked to"}
	if n := expect.Got(s.Hold(ctx, queue.Filter{Login: "ann@one.example"}, "asked to", e))(t); n != 3 {
		t.Errorf("%d were held, want the 3 that were not", n)
	}
	WantStats(t, s, 2, 0, 4)
	for _, item := range expect.Got(s.List(ctx, queue.Filter{State: queue.Held}))(t) {
		want := "asked to"
		if item.Submission.ID == ID("SUB", 3) {
			want = "policy"
		}
		if item.Delivery.HoldReason != want {
			t.Errorf("%s is held for %q", name(item), item.Delivery.HoldReason)
		}
	}
	before := time.Now().Add(-time.Minute)
	if n := expect.Got(s.Release(ctx, queue.Filter{}, audit.Event{At: Start(), Kind: audit.DeliveryReleased}))(t); n != 4 {
		t.Errorf("%d were released", n)
	}
	WantStats(t, s, 5, 1, 0) // what was tried before waits as deferred
	for _, item := range everything(t, s) {
		d := item.Delivery
		if d.HoldReason != "" {
			t.Errorf("%s keeps its hold reason %q", name(item), d.HoldReason)
		}
		if item.Submission.Login == "ann@one.example" && (d.Next.Before(before) || d.Next.After(time.Now())) {
			t.Errorf("%s is due at %v, not now", name(item), d.Next)
		}
	}
}

func retryMakesDue(t *testing.T, s Store) {
	ctx := expect.Within(t)
	mixed(t, s)
	if n := expect.Got(s.Retry(ctx, queue.Filter{}, audit.Event{At: Start(), Kind: audit.DeliveryRetried}))(t); n != 1 {
		t.Errorf("%d were made due, want the deferred one", n)
	}
	d := expect.Got(s.List(ctx, queue.Filter{Submission: ID("SUB", 2)}))(t)[0].Delivery
	if d.State != queue.Deferred || d.Attempts != 2 || d.Next.Equal(Start().Add(time.Hour)) || d.Next.After(time.Now()) {
		t.Errorf("got %+v", d)
	}
	WantStats(t, s, 4, 1, 1)
}

func dropRemoves(t *testing.T, s Store) {
	ctx := expect.Within(t)
	m := Message(9, "a", "b")
	m.Content.Body, m.Content.Large = nil, writeBody(t, s, long())
	expect.Must(t, s.Accept(ctx, m))
	stored := expect.Got(s.Content(ctx, ID("SUB", 9)))(t).Large
	e := audit.Event{At: Start(), Kind: audit.DeliveryDropped}
	expect.Got(s.Drop(ctx, queue.Filter{Submission: ID("SUB", 9), N: 1}, e))(t)
	if readBody(t, stored) != long() {
		t.Error("the body went before the last delivery")
	}
	expect.Got(s.Hold(ctx, queue.Filter{}, "x", e))(t)
	if n := expect.Got(s.Drop(ctx, queue.Filter{}, e))(t); n != 1 {
		t.Errorf("%d were dropped", n)
	}
	if _, err := stored.Open(); err == nil {
		t.Error("the body is still there")
	}
	WantStats(t, s, 0, 0, 0)
}

func manyAtOnce(t *testing.T, s Store) {
	ctx := expect.Within(t)
	var recipients []string
	for range 90 {
		recipients = append(recipients, "r")
	}
	for n := range 15 {
		expect.Must(t, s.Accept(ctx, Message(n, recipients...)))
	}
	e := audit.Event{At: Start()}
	if n := expect.Got(s.Hold(ctx, queue.Filter{Login: "ann@one.example"}, "x", e))(t); n != 1350 {
		t.Errorf("%d of 1350 were held", n)
	}
	if n := expect.Got(s.Release(ctx, queue.Filter{Domain: "one.example"}, e))(t); n != 1350 {
		t.Errorf("%d of 1350 were released", n)
	}
	for n := range 15 {
		r := &queue.Report{Submission: ID("SUB", n)}
		for i := range recipients {
			r.Outcomes = append(r.Outcomes, queue.Outcome{N: i + 1, State: queue.Deferred, Next: Start()})
		}
		expect.Must(t, s.Report(ctx, r))
	}
	if n := expect.Got(s.Retry(ctx, queue.Filter{}, e))(t); n != 1350 { // which still are as Retry wants them
		t.Errorf("%d of 1350 were made due", n)
	}
	if n := expect.Got(s.Drop(ctx, queue.Filter{}, e))(t); n != 1350 {
		t.Errorf("%d of 1350 were dropped", n)
	}
	WantStats(t, s, 0, 0, 0)
}

func limitBoundsChanges(t *testing.T, s Store) {
	ctx := expect.Within(t)
	mixed(t, s)
	e := audit.Event{At: Start()}
	if n := expect.Got(s.Drop(ctx, queue.Filter{Limit: 2}, e))(t); n != 2 {
		t.Errorf("%d were dropped, want the limit", n)
	}
	expect.Equal(t, "left", names(everything(t, s)), []string{key(2, "1"), key(3, "1"), key(4, "1"), key(5, "1")})
	// What a change does not apply to does not count.
	if n := expect.Got(s.Release(ctx, queue.Filter{Limit: 1}, e))(t); n != 1 {
		t.Errorf("%d were released, want the held one", n)
	}
}

func eventForEach(t *testing.T, s Store) {
	ctx := expect.Within(t)
	mixed(t, s)
	e := audit.Event{At: Start(), Kind: audit.DeliveryHeld, Actor: "cli:root", Text: "why", Data: map[string]string{"k": "v"}}
	expect.Got(s.Hold(ctx, queue.Filter{Submission: ID("SUB", 1)}, "why", e))(t)
	held := expect.Got(s.Search(ctx, audit.Query{Kind: audit.DeliveryHeld}))(t)
	if len(held) != 2 {
		t.Fatalf("two deliveries left %d events", len(held))
	}
	for i, h := range held {
		want := e
		want.Seq, want.Submission, want.Delivery, want.Login = h.Seq, ID("SUB", 1), i+1, "ann@one.example"
		want.Data = map[string]string{"k": "v", "to": []string{"a@there.example", "b@elsewhere.example"}[i]}
		expect.Equal(t, "event", h, want)
	}
}

func nothingToChange(t *testing.T, s Store) {
	ctx := expect.Within(t)
	e := audit.Event{At: Start()}
	f := queue.Filter{Submission: mail.ID("unknown")}
	if n := expect.Got(s.Hold(ctx, f, "x", e))(t) + expect.Got(s.Release(ctx, f, e))(t) + expect.Got(s.Retry(ctx, f, e))(t) + expect.Got(s.Drop(ctx, f, e))(t); n != 0 {
		t.Errorf("%d deliveries changed", n)
	}
	if n := len(expect.Got(s.Search(ctx, audit.Query{}))(t)); n != 0 {
		t.Errorf("there are %d events", n)
	}
}
