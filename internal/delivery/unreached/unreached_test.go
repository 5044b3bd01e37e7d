package unreached

import (
	"testing"
	"time"
)

const hold = 30 * time.Second

func TestReasonHoldsForAWhile(t *testing.T) {
	l, now := New[string, string](), time.Unix(1_800_000_000, 0)
	down := func(site string, at time.Time, want string) {
		t.Helper()
		if why, _ := l.Why(site, at, hold); why != want {
			t.Errorf("%s: %q, want %q", site, why, want)
		}
		if _, is := l.Why(site, at, hold); is != (want != "") {
			t.Errorf("%s is down: %v", site, is)
		}
	}
	l.Set("a", "no answer", now.Add(hold))
	l.Set("b", "refused", now.Add(hold))
	down("a", now, "no answer")
	down("b", now.Add(hold-1), "refused")
	down("c", now, "")
	l.Clear("b")
	down("b", now, "")
	l.Sweep(now.Add(hold-1), hold)
	down("a", now.Add(hold-1), "no answer")
	for _, later := range []time.Duration{hold, -time.Second} { // its time is over, the clock went back
		if _, is := l.Why("a", now.Add(later), hold); is {
			t.Errorf("it still is down after %v", later)
		}
	}
	l.Sweep(now.Add(hold), hold)
	down("a", now, "")
}

// TestMemoryIsBounded: however many there are, few are remembered, the last one
// among them.
func TestMemoryIsBounded(t *testing.T) {
	l, now := New[int, string](), time.Unix(1_800_000_000, 0)
	for i := range 3 * most {
		l.Set(i, "no answer", now.Add(hold))
		if _, is := l.Why(i, now, hold); !is {
			t.Fatalf("%d is forgotten at once", i)
		}
	}
	if n := len(l.sites); n != most {
		t.Errorf("%d are remembered, want %d", n, most)
	}
}
