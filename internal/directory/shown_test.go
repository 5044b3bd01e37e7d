package directory

import (
	"context"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

// believer is a source that is shown things.
type believer struct {
	answer   *Answer
	err      error
	believes bool
	asked    []Question
	shown    []string
}

func (b *believer) Name() string      { return "believer" }
func (b *believer) Close() error      { return nil }
func (b *believer) TakesTokens() bool { return b.believes }
func (b *believer) Believes() bool    { return b.believes }

func (b *believer) Ask(context.Context, Question) (*Answer, error) {
	return nil, fault.New("test", fault.Internal, "nobody asks for a password")
}

func (b *believer) AskToken(ctx context.Context, q Question, token string) (*Answer, error) {
	b.shown = append(b.shown, token)
	return b.AskProven(ctx, q)
}

func (b *believer) AskProven(_ context.Context, q Question) (*Answer, error) {
	b.asked = append(b.asked, q)
	return b.answer, b.err
}

// shownTo asks a guard before a source by both ways.
func shownTo(t *testing.T, s Source, q Question, token string) (g *Guard, answers []*Answer, errs []error) {
	t.Helper()
	g, err := NewGuard(s, GuardOptions{Timeout: time.Second, Concurrent: 1, Failures: 1, Pause: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	a, err := g.AskToken(t.Context(), q, token)
	b, err2 := g.AskProven(t.Context(), q)
	return g, []*Answer{a, b}, []error{err, err2}
}

// An answer to what was shown is believed where it makes sense and says that it is verified.
func TestShown(t *testing.T) {
	for name, c := range map[string]struct {
		answer *Answer
		err    error
		kind   fault.Kind // Internal: it is right
	}{
		"right":          {answer: &Answer{Login: "A@Example.org", Verified: true}},
		"nothing":        {kind: fault.Corrupt},
		"a hash":         {answer: &Answer{Login: "a@example.org", Hash: "{PLAIN}x"}, kind: fault.Corrupt},
		"not verified":   {answer: &Answer{Login: "a@example.org"}, kind: fault.Corrupt},
		"no address":     {answer: &Answer{Login: "a", Verified: true}, kind: fault.Corrupt},
		"both":           {answer: &Answer{Login: "a@example.org", Verified: true, Hash: "{PLAIN}x"}, kind: fault.Corrupt},
		"a strange plan": {answer: &Answer{Login: "a@example.org", Verified: true, Plan: "a\nb"}, kind: fault.Corrupt},
		"no":             {err: fault.New("test", fault.Unauthenticated, "no"), kind: fault.Unauthenticated},
		"cannot":         {err: fault.New("test", fault.Invalid, "no"), kind: fault.Invalid},
	} {
		b := &believer{answer: c.answer, err: c.err, believes: true}
		g, answers, errs := shownTo(t, b, Question{Login: "a@example.org", Password: "secret"}, "token")
		for i, err := range errs {
			if right := c.kind == fault.Internal; right && (err != nil || answers[i].Login != "a@example.org") || !right && (answers[i] != nil || !fault.Is(err, c.kind)) {
				t.Errorf("%s: %+v, %v", name, answers[i], err)
			}
		}
		if len(b.asked) != 2 || b.asked[0].Password != "" || b.asked[1].Password != "" || !g.TakesTokens() || !g.Believes() {
			t.Errorf("%s: asked %+v", name, b.asked)
		}
		if odd := c.kind == fault.Corrupt || c.kind == fault.Invalid; g.State().Phase != Well || (g.State().Odd.Login != "") != odd {
			t.Errorf("%s: %+v", name, g.State())
		}
	}
	b := &believer{err: fault.New("test", fault.Unavailable, "away"), believes: true}
	g, _, errs := shownTo(t, b, Question{Login: "a@example.org"}, "token")
	if g.State().Phase != LeftAlone || len(b.asked) != 1 || !fault.Is(errs[1], fault.Unavailable) {
		t.Errorf("%+v, %v", g.State(), errs)
	}
}

// What no account can be right with is not asked about, and no failure of the directory's.
func TestShownIsNotAsked(t *testing.T) {
	b := &believer{answer: &Answer{Login: "a@example.org", Verified: true}, believes: true}
	for _, login := range []string{"", "a\x00", "a\x01b", strings.Repeat("a", MaxLogin+1)} {
		if _, _, errs := shownTo(t, b, Question{Login: login}, "token"); !fault.Is(errs[0], fault.NotFound) || !fault.Is(errs[1], fault.NotFound) {
			t.Errorf("%q: %v", login, errs)
		}
	}
	for _, token := range []string{"", "a b", "a,b", "a\x01", "a\x00", "ä", strings.Repeat("a", MaxToken+1)} {
		if _, _, errs := shownTo(t, b, Question{Login: "a@example.org"}, token); !fault.Is(errs[0], fault.Unauthenticated) {
			t.Errorf("%.9q: %v", token, errs[0])
		}
	}
	if len(b.shown) != 0 {
		t.Errorf("shown %q", b.shown)
	}
	for _, token := range []string{"a", "aZ09-._~+/=", strings.Repeat("a", MaxToken)} {
		if err := CheckToken(token); err != nil {
			t.Errorf("%.20q: %v", token, err)
		}
	}
	// A source that is none of them is not asked, nor one that does not believe the gate.
	for _, s := range []Source{&believer{}, struct{ Source }{&believer{}}} {
		g, answers, errs := shownTo(t, s, Question{Login: "a@example.org"}, "token")
		if _, bearer := s.(Bearer); answers[1] != nil || !fault.Is(errs[1], fault.Invalid) || g.TakesTokens() || g.Believes() || !bearer && !fault.Is(errs[0], fault.Invalid) {
			t.Errorf("%v", errs)
		}
	}
}
