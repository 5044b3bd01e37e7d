package keyset

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/oauth/fetch"
)

var bounds = Bounds{Refresh: 15 * time.Minute, Stale: 6 * time.Hour, Interval: 30 * time.Second, Timeout: 10 * time.Second}

// ring returns a Ring whose provider has one key, and the count of its requests.
func ring(t *testing.T, now func() time.Time) (*Ring, *atomic.Int32) {
	asked := new(atomic.Int32)
	text := set(t, member(t, rsa2048().Public(), nil))
	r := NewRing(func(context.Context) ([]byte, error) { asked.Add(1); return text, nil }, bounds, now)
	t.Cleanup(r.Close)
	return r, asked
}

// TestClockGoesBack: keys are asked for again, attempts are not held back for ever, and
// nothing is fresh for longer than meant.
func TestClockGoesBack(t *testing.T) {
	now := time.Unix(1_800_000_000, 0) // without a monotonic reading
	r, asked := ring(t, func() time.Time { return now })
	find := func(kid string) error {
		_, err := r.Find(t.Context(), Wanted{Algorithm: "RS256", ID: kid})
		return err
	}
	if err := find("k"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(-365 * 24 * time.Hour)
	if err := find("unknown"); !errors.Is(err, ErrUnknown) || asked.Load() != 2 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
	if err := find("unknown"); !errors.Is(err, ErrUnknown) || asked.Load() != 2 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
}

// TestNamelessKeys: a signature without a name is tried with a bounded number of keys.
func TestNamelessKeys(t *testing.T) {
	members := make([]any, MaxKeys)
	for i := range members {
		members[i] = member(t, rsa2048().Public(), map[string]any{"kid": nil})
	}
	text := set(t, members...)
	r := NewRing(func(context.Context) ([]byte, error) { return text, nil }, bounds, time.Now)
	defer r.Close()
	keys, err := r.Find(t.Context(), Wanted{Algorithm: "RS256"})
	if err != nil || len(keys) != maxTried {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	if _, err := r.Find(t.Context(), Wanted{Algorithm: "ES256"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

// TestSourceThatHangs is given up after the bound, and its error is told.
func TestSourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRing(func(ctx context.Context) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, bounds, time.Now)
		defer r.Close()
		begin := time.Now()
		_, err := r.Find(t.Context(), Wanted{Algorithm: "RS256", ID: "k"})
		if !fault.Is(err, fault.Unavailable) || time.Since(begin) != bounds.Timeout || !strings.Contains(err.Error(), "deadline exceeded") {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		report, keys := r.Standing()
		if report.State != fetch.Unreachable || keys != 0 || report.Failures != 1 {
			t.Errorf("%+v", report)
		}
	})
}

// TestClosedRing asks nobody any more.
func TestClosedRing(t *testing.T) {
	r, asked := ring(t, time.Now)
	r.Close()
	_, err := r.Find(t.Context(), Wanted{Algorithm: "RS256"})
	if !fault.Is(err, fault.Unavailable) || asked.Load() != 0 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
}

// TestUnknownNameBetweenLooks: within an interval nobody is asked for a name that is not
// there. Where the last look succeeded the provider has no such key; where it failed, nobody
// knows, until one succeeds again.
func TestUnknownNameBetweenLooks(t *testing.T) {
	text := set(t, member(t, rsa2048().Public(), nil))
	synctest.Test(t, func(t *testing.T) {
		var asked int
		var away error
		r := NewRing(func(context.Context) ([]byte, error) { asked++; return text, away }, bounds, time.Now)
		defer r.Close()
		find := func(what, name string, looks int, want error) {
			t.Helper()
			before := asked
			_, err := r.Find(t.Context(), Wanted{Algorithm: "RS256", ID: name})
			if want == errAway && (!fault.Is(err, fault.Unavailable) || errors.Is(err, ErrUnknown)) || want != errAway && !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
			if asked-before != looks {
				t.Errorf("%s: %d looks, want %d", what, asked-before, looks)
			}
		}
		find("the first use", "k", 1, nil)
		away = errAway
		time.Sleep(bounds.Interval - 1)
		find("away, and not known to be", "new", 0, ErrUnknown)
		time.Sleep(time.Nanosecond)
		find("the look fails", "new", 1, errAway)
		find("between looks of which the last has failed", "new", 0, errAway)
		find("what is there goes on", "k", 0, nil)
		time.Sleep(2 * time.Second) // what is waited after the first failure
		find("it fails again", "new", 1, errAway)
		find("between those", "newer", 0, errAway)
		away = nil
		time.Sleep(4 * time.Second)
		find("it is back", "new", 1, ErrUnknown)
		find("after it is back", "newer", 0, ErrUnknown)
	})
}

var errAway = errors.New("the provider is away")
