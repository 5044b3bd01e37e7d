package directory

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
)

// Answers that make no sense are told of, with their login and without what they said, not
// more often than once a minute; those in between are counted, and the state has the latest.
func TestOdditiesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Oddity
		g, d := guarded(t, func(o *GuardOptions) { o.Odd = func(o Oddity) { told = append(told, o) } })
		d.will(func(context.Context, Question) (*Answer, error) {
			return &Answer{Login: "a@example.org", Hash: "no scheme, but a secret"}, nil
		})
		for range 5 {
			wants(t, g, fault.Corrupt)
			time.Sleep(20 * time.Second)
		}
		if len(told) != 2 || told[0].Untold != 0 || told[1].Untold != 2 || told[1].At.Sub(told[0].At) != time.Minute {
			t.Fatalf("%+v", told)
		}
		if told[0].Login != "a.user@example.org" || !strings.Contains(told[0].Err.Error(), "scheme") || strings.Contains(told[0].Err.Error(), "secret") {
			t.Errorf("%+v", told[0])
		}
		if s := g.State(); s.Odd.At.Sub(told[1].At) != 20*time.Second || s.Odd.Login != "a.user@example.org" || s.Phase != Well {
			t.Errorf("%+v", s)
		}
	})
}

// A text that is no address is not told of: it may be a password.
func TestOddLoginsAreAddresses(t *testing.T) {
	g, d := guarded(t, nil)
	d.fails(fault.New("x", fault.Invalid, "no such question"))
	if _, err := g.Ask(t.Context(), Question{Login: "my secret", Password: "x"}); !fault.Is(err, fault.Invalid) {
		t.Fatal(err)
	}
	if o := g.State().Odd; o.Login != "" || o.At.IsZero() {
		t.Errorf("%+v", o)
	}
}

// What a client says in an exchange is no oddity of the directory, nor is a refusal; what the
// directory says is.
func TestWhatIsOddInAnExchange(t *testing.T) {
	g, _ := guarded(t, nil)
	for _, kind := range []fault.Kind{fault.Invalid, fault.Unauthenticated, fault.Unavailable, fault.Canceled} {
		_ = g.Do(t.Context(), func(context.Context) error { return fault.Wrap("x", kind, errors.New("no")) })
		if o := g.State().Odd; !o.At.IsZero() {
			t.Errorf("%v: %+v", kind, o)
		}
	}
	_ = g.Do(t.Context(), func(context.Context) error { return fault.New("x", fault.Corrupt, "what?") })
	if o := g.State().Odd; o.At.IsZero() || o.Login != "" {
		t.Errorf("%+v", o)
	}
}

// Health warns of a directory that is left alone, and for a quarter of an hour of an answer
// that could not be used.
func TestWarnings(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	odd := Oddity{At: now.Add(-10 * time.Minute), Err: errors.New("the hash has no scheme")}
	for want, s := range map[string]State{
		"":                       {Phase: Well},
		"left alone: refused":    {Phase: LeftAlone, Last: errors.New("refused"), Odd: odd},
		"the hash has no scheme": {Phase: Well, Odd: odd},
	} {
		text := s.Warning(now)
		if (text != "") != (want != "") || !strings.Contains(text, want) {
			t.Errorf("%q, want %q", text, want)
		}
	}
	if text := (State{Odd: odd}).Warning(now.Add(10 * time.Minute)); text != "" {
		t.Errorf("long after: %q", text)
	}
}
