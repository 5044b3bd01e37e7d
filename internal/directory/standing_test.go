package directory

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
)

// witness is a double that knows how accounts stand, and can be tried.
type witness struct {
	double
	knows    bool
	standing func(ctx context.Context, q Question) (Standing, error)
	checked  error
}

func (w *witness) Witnesses() bool { return w.knows }
func (w *witness) Standing(ctx context.Context, q Question) (Standing, error) {
	w.mu.Lock()
	w.asked++
	w.mu.Unlock()
	return w.standing(ctx, q)
}
func (w *witness) Check(context.Context) error { return w.checked }

func guardOf(t *testing.T, s Source) *Guard {
	t.Helper()
	g, err := NewGuard(s, GuardOptions{Timeout: time.Second, Concurrent: 2, Failures: 2, Pause: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestStanding(t *testing.T) {
	w := &witness{knows: true, standing: func(_ context.Context, q Question) (Standing, error) {
		if q.Password != "" {
			t.Errorf("the password was passed on")
		}
		return Standing{Login: "Shop@EXAMPLE.org", Disabled: true}, nil
	}}
	g := guardOf(t, w)
	s, err := g.Standing(t.Context(), Question{Login: "shop@example.org", Password: "secret"})
	if err != nil || !reflect.DeepEqual(s, Standing{Login: "shop@example.org", Disabled: true}) || !g.Witnesses() {
		t.Errorf("%+v, %v", s, err)
	}
	if n := g.State().Counts.Answered; n != 1 {
		t.Errorf("%d answers are counted", n)
	}
	for login, kind := range map[string]fault.Kind{"": fault.NotFound, "a\x00@example.org": fault.NotFound, strings.Repeat("x", MaxLogin+1): fault.NotFound} {
		if _, err := g.Standing(t.Context(), Question{Login: login}); !fault.Is(err, kind) {
			t.Errorf("%.20q: %v", login, err)
		}
	}
	if w.count() != 1 {
		t.Errorf("%d questions came through", w.count())
	}
	w.standing = func(context.Context, Question) (Standing, error) { return Standing{Login: "no address"}, nil }
	if s, err := g.Standing(t.Context(), Question{Login: "a@example.org"}); !fault.Is(err, fault.Corrupt) || !reflect.DeepEqual(s, Standing{}) {
		t.Errorf("%+v, %v", s, err)
	}
}

// What looks nobody up is not asked.
func TestNoWitness(t *testing.T) {
	for name, s := range map[string]Source{"another kind": &double{}, "another way": &witness{}} {
		g := guardOf(t, s)
		if _, err := g.Standing(t.Context(), Question{Login: "a@example.org"}); g.Witnesses() || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A directory that does not say how accounts stand is left alone as for any question.
func TestStandingIsGuarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{knows: true, standing: func(ctx context.Context, _ Question) (Standing, error) {
			<-ctx.Done()
			return Standing{}, errors.New("late")
		}}
		g := guardOf(t, w)
		for range 5 {
			if _, err := g.Standing(t.Context(), Question{Login: "a@example.org"}); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%v", err)
			}
		}
		if w.count() != 2 {
			t.Errorf("it was asked %d times, want as often as it may fail", w.count())
		}
	})
}

func TestCheck(t *testing.T) {
	if err := guardOf(t, &double{}).Check(t.Context()); err != nil {
		t.Error(err)
	}
	w := &witness{}
	g := guardOf(t, w)
	if err := g.Check(t.Context()); err != nil {
		t.Error(err)
	}
	w.checked = errors.New("broken")
	if err := g.Check(t.Context()); !errors.Is(err, w.checked) {
		t.Error(err)
	}
}
