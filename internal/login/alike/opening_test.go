package alike

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/login/shape"
)

// A step has its own time, outlives the command that began it, and ends by End.
func TestOpenings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context) (string, []byte, bool, error) {
			<-ctx.Done()
			return "x", nil, false, ctx.Err()
		}
		command, over := context.WithCancel(t.Context())
		o := Open(command, 5*time.Second, hang)
		over()
		<-o.Done
		if o.Took != 5*time.Second || !errors.Is(o.Err, context.DeadlineExceeded) || o.Passed != "x" {
			t.Errorf("%+v", o)
		}
		o.End()
		o = Open(t.Context(), 5*time.Second, hang)
		o.End()
		if !errors.Is(o.Err, context.Canceled) || o.Took != 0 {
			t.Errorf("%+v", o)
		}
		o = Open(t.Context(), time.Second, func(context.Context) (string, []byte, bool, error) { panic("a defect") })
		if <-o.Done; !fault.Is(o.Err, fault.Internal) {
			t.Errorf("%+v", o)
		}
		o.End()
	})
}

// A challenge is held until its time, or until the client has gone.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFronts(lasting("a"), &shape.Memory{}, time.Now).Of("d", "SCRAM-SHA-256")
		began := time.Now()
		time.Sleep(100 * time.Millisecond)
		if err := f.Hold(t.Context(), began); err != nil || time.Since(began) != firstPace {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := f.Hold(t.Context(), began); err != nil || time.Since(began) != firstPace {
			t.Errorf("late: %v after %v", err, time.Since(began))
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := f.Hold(gone, time.Now()); !fault.Is(err, fault.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// One client has 32 places, its wide network 100, and gives each back once.
func TestPlaces(t *testing.T) {
	p := NewPlaces()
	var taken []*Place
	ended := 0
	enter := func(client netip.Addr, times int) (entered int) {
		for range times {
			if l := p.Enter(client, func() { ended++ }); l != nil {
				taken = append(taken, l)
				entered++
			}
		}
		return entered
	}
	for i, want := range []int{32, 32, 32, 4, 0} {
		if n := enter(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 40); n != want {
			t.Errorf("the client %d of a network has %d places, want %d", i, n, want)
		}
	}
	if n := enter(netip.MustParseAddr("198.51.100.1"), 1) + enter(netip.Addr{}, 200); n != 201 {
		t.Errorf("elsewhere, and from nowhere: %d", n)
	}
	for _, l := range taken {
		l.Leave()
		l.Leave()
	}
	if n := enter(netip.MustParseAddr("192.0.2.1"), 40); n != 32 || ended != 301 {
		t.Errorf("afterwards %d, %d have ended", n, ended)
	}
}

// Where all places are taken, the network that has most gives one up: its step ends, and what
// it holds is given back after that. One with as many as any gets none.
func TestPlacesAreSharedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces()
		at := func(network, client int) netip.Addr {
			return netip.AddrFrom4([4]byte{10, 0, byte(network), byte(client)})
		}
		var first *Place
		running, ended := false, 0
		for n := range MaxPlaces {
			l := p.Enter(at(n/perWide, n%perWide), func() {
				if running {
					t.Error("what a step needs is given back while it runs")
				}
				ended++
			})
			if first == nil {
				first = l
			}
		}
		result := make(chan error)
		go func() {
			result <- first.Step(t.Context(), func(ctx context.Context) error {
				running = true
				<-ctx.Done()
				running = false
				return nil
			})
		}()
		synctest.Wait()
		if p.Enter(at(9, 200), func() {}) != nil {
			t.Error("a network that has 100 gets one more")
		}
		newcomer := p.Enter(at(200, 1), func() {})
		if newcomer == nil {
			t.Fatal("a newcomer from elsewhere has no place")
		}
		if err := <-result; !fault.Is(err, fault.Busy) {
			t.Errorf("the step that lost its place: %v", err)
		}
		synctest.Wait()
		if err := first.Step(t.Context(), func(context.Context) error { t.Error("it goes on"); return nil }); !fault.Is(err, fault.Busy) || ended != 1 {
			t.Errorf("%v, %d have ended", err, ended)
		}
		first.Leave()
		if err := newcomer.Step(t.Context(), func(context.Context) error { return errors.New("its own") }); err == nil || err.Error() != "its own" || ended != 1 {
			t.Errorf("%v, %d have ended", err, ended)
		}
		newcomer.Leave()
	})
}
