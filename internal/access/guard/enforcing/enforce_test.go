package enforcing

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/guard"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

// ledger keeps bans and events, or fails.
type ledger struct {
	access.Store
	mu     sync.Mutex
	bans   []access.Ban
	events []audit.Event
	err    error
}

func (l *ledger) AddBan(_ context.Context, b access.Ban, _ tenant.Bound, e audit.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	if err := b.Check(); err != nil {
		return err
	}
	l.bans, l.events = append(l.bans, b), append(l.events, e)
	return nil
}

func (l *ledger) Bans(context.Context, access.Query) ([]access.Ban, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]access.Ban(nil), l.bans...), l.err
}

func (l *ledger) record(e audit.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// force runs an Enforcer until the test ends.
func force(t *testing.T, l *ledger) (*Enforcer, *guard.Guard, func()) {
	e := New(Options{Bans: l, IDs: &mail.IDSource{Now: time.Now}, Now: time.Now, Record: l.record, Node: "n1", Logger: slog.New(slog.DiscardHandler)})
	g := guard.New(guard.Options{Rules: guard.Default(), Now: time.Now, Draw: func(string, string) uint16 { return 0 }, Act: e.Do})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		e.Run(ctx, g, func() Lengths { return Lengths{time.Hour, 5 * time.Hour} })
		close(done)
	}()
	return e, g, func() { cancel(); <-done }
}

var pair = guard.Action{Rule: guard.RuleSecrets, Network: netip.MustParsePrefix("192.0.2.1/32"), Login: "ann@one.example", Ban: true, Count: 10}

// TestBansGrow: each ban of the same is twice as long, up to the longest, until the last one
// is long ago or was lifted.
func TestBansGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		e, _, stop := force(t, l)
		defer stop()
		for _, want := range []time.Duration{time.Hour, 2 * time.Hour, 4 * time.Hour, 5 * time.Hour, 5 * time.Hour} {
			e.Do(pair)
			synctest.Wait()
			b := l.bans[len(l.bans)-1]
			if got := b.End.Sub(b.Start); got != want || b.By != "guard" || b.Login != "ann@one.example" {
				t.Errorf("%+v holds for %v, want %v", b, got, want)
			}
			time.Sleep(6 * time.Hour)
		}
		ev := l.events[4]
		if ev.Kind != audit.BanAdded || ev.Actor != "guard" || ev.Data["rule"] != "secrets" || ev.Data["count"] != "10" || ev.Data["times"] != "5" || ev.Data["node"] != "n1" ||
			ev.Object != "ban ann@one.example from 192.0.2.1/32" || ev.Data["ban"] != string(l.bans[4].ID) {
			t.Errorf("the event is %+v", ev)
		}
		for i := range l.bans {
			l.bans[i].Lifted = "cli:root"
		}
		e.Do(pair)
		synctest.Wait()
		if b := l.bans[5]; b.End.Sub(b.Start) != time.Hour {
			t.Errorf("after all were lifted: %v", b.End.Sub(b.Start))
		}
	})
}

// TestBanWhileTheStoreIsAway: who is to be banned is kept out, and the ban comes later.
func TestBanWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{err: fault.New("test", fault.Unavailable, "away")}
		_, g, stop := force(t, l)
		defer stop()
		client := netip.MustParseAddr("192.0.2.1")
		for n := range 20 {
			g.Failed(guard.Failure{Client: client, Login: "ann@one.example", Missing: n > 9, Digest: uint16(n), Seen: true})
		}
		for range 60 {
			time.Sleep(time.Second)
			if err := g.Enter(client, "ann@one.example", ""); err != guard.ErrBarred {
				t.Fatalf("without a store: %v", err)
			}
		}
		l.mu.Lock()
		l.err = nil
		l.mu.Unlock()
		time.Sleep(retryAfter + time.Second)
		synctest.Wait()
		if len(l.bans) != 1 {
			t.Errorf("the bans are %+v", l.bans)
		}
	})
}

// TestWhoCameInMeanwhile: a ban that could not be set at once is not set where somebody has
// come in there since.
func TestWhoCameInMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{err: fault.New("test", fault.Unavailable, "away")}
		e, g, stop := force(t, l)
		defer stop()
		all := pair
		all.Rule, all.Login = guard.RuleNames, ""
		other := pair
		other.Login = "bob@one.example"
		for _, a := range []guard.Action{pair, all, other} {
			e.Do(a)
		}
		synctest.Wait()
		g.Passed(netip.MustParseAddr("192.0.2.1"), "ann@one.example", "", true) // by a certificate
		l.mu.Lock()
		l.err = nil
		l.mu.Unlock()
		time.Sleep(retryAfter + time.Second)
		synctest.Wait()
		if len(l.bans) != 1 || l.bans[0].Login != "bob@one.example" {
			t.Errorf("the bans are %+v", l.bans)
		}
	})
}

// TestToldOnly: closings and shadows are events alone.
func TestToldOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		e, _, stop := force(t, l)
		defer stop()
		shadow, now := pair, time.Now()
		shadow.Shadow = true
		e.Do(shadow)
		e.Do(guard.Action{Rule: guard.RuleSources, Login: "ann@one.example", Count: 20, Until: now})
		e.Do(guard.Action{Rule: guard.RuleNames, Network: pair.Network, Count: 20, Until: now})
		synctest.Wait()
		if len(l.bans) != 0 || len(l.events) != 3 {
			t.Fatalf("%+v, %+v", l.bans, l.events)
		}
		for i, want := range []struct {
			kind       audit.Kind
			object, do string
		}{
			{audit.GuardShadow, "ban ann@one.example from 192.0.2.1/32", "ban"},
			{audit.GuardClosed, "ann@one.example", "close"},
			{audit.GuardClosed, "192.0.2.1/32", "close"},
		} {
			if ev := l.events[i]; ev.Kind != want.kind || ev.Object != want.object || ev.Data["do"] != want.do || ev.Actor != "guard" {
				t.Errorf("event %d is %+v", i, ev)
			}
		}
	})
}
