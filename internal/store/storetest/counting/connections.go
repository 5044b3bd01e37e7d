package counting

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/doors"
	"countersign/internal/store/storetest/expect"
)

// connecting makes the question about a connection.
func connecting(levels ...limit.Level) *limit.Question { return limit.Connects(levels) }

// connect lets one come.
func (y *story) connect(q *limit.Question) bool {
	y.Helper()
	d, err := y.s.Connect(y.ctx, q)
	expect.Must(y, err)
	if d.Passes() != (d.Decisive == nil) || !d.Passes() && d.Action != limit.Defer {
		y.Errorf("a connection is to %s", d.Action)
	}
	return d.Passes()
}

// passed lets so many come, and says how many were let in.
func (y *story) passed(tries int, q func() *limit.Question) (in int) {
	y.Helper()
	for range tries {
		if y.connect(q()) {
			in++
		}
	}
	return in
}

// connectionsInWindow: so many come in a minute as the limit says, however many try at once, and
// messages of the same subject are counted apart.
func connectionsInWindow(y *story) {
	levels := []limit.Level{level(ann, limit.Defer, "connections/hour=30"), level(all, limit.Defer, "connections/hour=1000")}
	var passed atomic.Int64
	var trying sync.WaitGroup
	for range 10 {
		trying.Go(func() {
			for range 6 {
				if y.connect(connecting(levels...)) {
					passed.Add(1)
				}
			}
		})
	}
	trying.Wait()
	if passed.Load() != 30 {
		y.Errorf("%d connections came, want 30", passed.Load())
	}
	y.used(limit.ApartOf(ann), limit.Connections, 30)
	y.used(limit.ApartOf(all), limit.Connections, 30) // those that were refused are counted nowhere
	y.used(ann, limit.Connections, 0)
	expect.Must(y, y.s.Accept(y.ctx, y.message(1, level(ann, limit.Defer, "messages/hour=1"))))
	y.used(limit.ApartOf(ann), limit.Messages, 0)
}

// connectionsBesideAlike: the connections of a domain and the messages of an account that is called so are
// counted apart, also when both come at the same time; and so are they of customers.
func connectionsBesideAlike(y *story) {
	domain, account := limit.Subject{Kind: limit.Domain, Name: "one.example"}, limit.Subject{Kind: limit.Account, Name: "connections@one.example"}
	acme, alike := limit.Subject{Kind: limit.Customer, Name: "acme"}, limit.Subject{Kind: limit.Customer, Name: "acme connections"}
	const each = 10
	var trying sync.WaitGroup
	for range 4 {
		trying.Go(func() {
			for range each {
				if !y.connect(connecting(level(domain, limit.Defer, "connections/hour=1000"), level(acme, limit.Defer, "connections/hour=1000"))) {
					y.Error("a connection is refused")
				}
			}
		})
		trying.Go(func() {
			for range each {
				m := y.message(1, level(account, limit.Defer, "recipients/hour=1000"), level(alike, limit.Defer, "recipients/hour=1000"))
				if err := y.s.Accept(y.ctx, m); err != nil {
					y.Errorf("a message is refused: %v", err)
				}
			}
		})
	}
	trying.Wait()
	for _, s := range []limit.Subject{domain, acme} {
		y.used(limit.ApartOf(s), limit.Connections, 4*each)
		y.used(limit.ApartOf(s), limit.Recipients, 0)
	}
	for _, s := range []limit.Subject{account, alike} {
		y.used(s, limit.Recipients, 4*each)
		y.used(s, limit.Connections, 0)
	}
}

// connectionsAtOnce: so many are held at once as the limit says, and who goes makes room.
func connectionsAtOnce(y *story) {
	q := func() *limit.Question { return connecting(level(ann, limit.Defer, "connections/at-once=3")) }
	for n := range 3 {
		if !y.connect(q()) {
			y.Fatalf("connection %d of 3 is refused", n+1)
		}
	}
	if y.connect(q()) {
		y.Error("a fourth comes")
	}
	expect.Must(y, y.s.Occupy(y.ctx, map[limit.Subject]int64{limit.ApartOf(ann): 1}))
	expect.Must(y, y.s.Occupy(y.ctx, map[limit.Subject]int64{limit.ApartOf(ann): 1})) // which says the same
	if y.passed(3, q) != 2 {
		y.Error("two that went have not made room for two")
	}
	expect.Must(y, y.s.Occupy(y.ctx, map[limit.Subject]int64{limit.ApartOf(ann): 0}))
	if !y.connect(q()) {
		y.Error("nobody is there, and nobody comes")
	}
	if d, err := y.s.Connect(y.ctx, connecting(level(ann, limit.Defer, "connections/at-once=0"))); err != nil || d.Passes() {
		y.Errorf("a limit of 0 lets somebody in: %v", err)
	}
	name, gates := y.s.Holder()
	if name == "" || gates != 1 {
		y.Errorf("the holder is %q of %d", name, gates)
	}
	if there := expect.Got(y.s.Present(y.ctx))(y); !there(name) || there("") || there(name+"0") {
		y.Errorf("that %q is there is %v", name, there(name))
	}
}

// Beside is what an engine must do for who looks at connections from beside the process that holds
// them: serving is that of the server, which end ends as one that stops, beside of another process.
func Beside(t *testing.T, serving, beside Store, end func()) {
	name, _ := serving.Holder()
	for at, s := range []Store{serving, beside} {
		there := expect.Got(s.Present(t.Context()))(t)
		if other, _ := beside.Holder(); !there(name) || other != name && there(other) {
			t.Errorf("process %d: that the server is there is %v", at, there(name))
		}
	}
	held := func(s Store) int64 {
		counters, at, err := s.Counted(t.Context(), []limit.Subject{limit.ApartOf(all)})
		if err != nil {
			t.Fatal(err)
		}
		counters[0].Bury(expect.Got(s.Present(t.Context()))(t))
		return counters[0].Used(limit.AtOnce, limit.Connections, at)
	}
	if d := expect.Got(serving.Connect(t.Context(), connecting(level(all, limit.Defer, "connections/at-once=5"))))(t); !d.Passes() {
		t.Fatalf("%+v", d)
	}
	if here, there := held(serving), held(beside); here != 1 || there != 1 {
		t.Errorf("of the connection that is there %d are seen here, %d beside", here, there)
	}
	end()
	if n := held(beside); n != 0 {
		t.Errorf("%d connections are seen of a server that has ended", n)
	}
	if there := expect.Got(beside.Present(t.Context()))(t); there(name) {
		t.Error("a server that has ended is there")
	}
}

// Outlived is what an engine must do about connections that a process held which is gone: they
// count no more. reopen ends the first store as a crash would, and opens it anew.
func Outlived(t *testing.T, first Store, reopen func() Store) {
	y := &story{T: t, s: first, ctx: t.Context()}
	q := func() *limit.Question {
		return connecting(level(ann, limit.Defer, "connections/at-once=2", "connections/day=5"))
	}
	if y.passed(3, q) != 2 {
		t.Fatal("the limit does not hold")
	}
	before, _ := first.Holder()
	y.s = reopen()
	after, _ := y.s.Holder()
	if after == before {
		t.Errorf("both are %q", after)
	}
	if there := expect.Got(y.s.Present(y.ctx))(y); there(before) || !there(after) {
		t.Errorf("there is %v, and who is gone %v", there(after), there(before))
	}
	if y.passed(3, q) != 2 {
		t.Error("what a process held that is gone is still counted, or nothing is")
	}
	list, at, err := y.s.Counted(y.ctx, []limit.Subject{limit.ApartOf(ann)})
	expect.Must(y, err)
	if n := list[0].Used(limit.Day, limit.Connections, at); n != 4 {
		t.Errorf("%d came in a day, want 4", n)
	}
	if n, err := y.s.PruneCounts(y.ctx, time.Now().Add(48*time.Hour), 10); err != nil || n != 0 {
		t.Errorf("%d counters with holders are removed (%v)", n, err)
	}
}

// Away is what limits of connections do while an engine is away, by what each says: lose makes the store
// one that cannot be reached any more.
func Away(t *testing.T, s Store, lose func()) {
	d := doors.New(doors.Options{Store: s, Now: time.Now})
	enter := func(away limit.Away) bool {
		l := level(limit.Subject{Kind: limit.Network, Name: away.String()}, limit.Defer, "connections/hour=4", "connections/at-once=100")
		for i := range l.Limits {
			l.Limits[i].Away = away
		}
		_, decision, err := d.Enter(t.Context(), []limit.Level{l}, 0)
		if err != nil && !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		return err == nil && decision.Passes()
	}
	came := func(want map[limit.Away]int) {
		t.Helper()
		for away, n := range want {
			in := 0
			for range 6 {
				if enter(away) {
					in++
				}
			}
			if in != n {
				t.Errorf("%s: %d of 6 were let in, want %d", away, in, n)
			}
		}
	}
	for _, away := range []limit.Away{limit.AwayOpen, limit.AwayClosed, limit.AwayShare} {
		for range 2 {
			if !enter(away) {
				t.Fatalf("%s: there is room for four", away)
			}
		}
	}
	lose()
	came(map[limit.Away]int{limit.AwayOpen: 6, limit.AwayClosed: 0, limit.AwayShare: 2})
}
