package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
)

// double is a Source that does what it is told.
type double struct {
	mu    sync.Mutex // guards what follows
	ask   func(ctx context.Context, q Question) (*Answer, error)
	asked int
	ended bool
}

func (d *double) Ask(ctx context.Context, q Question) (*Answer, error) {
	d.mu.Lock()
	d.asked++
	ask := d.ask
	d.mu.Unlock()
	return ask(ctx, q)
}

func (d *double) Name() string { return "double" }
func (d *double) Close() error { d.ended = true; return nil }

// will makes a double answer so from now on.
func (d *double) will(ask func(ctx context.Context, q Question) (*Answer, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ask = ask
}

// fails makes a double fail so from now on, nil for not.
func (d *double) fails(err error) {
	d.will(func(context.Context, Question) (*Answer, error) {
		if err != nil {
			return nil, err
		}
		return sound(), nil
	})
}

func (d *double) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// sound is an answer with nothing wrong in it.
func sound() *Answer {
	return &Answer{
		Login: "A.User@Example.ORG", Hash: "{SSHA}xyz", Aliases: []string{"Info@b\u00fccher.example"},
		Plan: "basic", Customer: "Acme & Co", Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}
}

var question = Question{Login: "a.user@example.org", Password: "secret"}

// guarded returns a Guard for a double.
func guarded(t *testing.T, more func(*GuardOptions)) (*Guard, *double) {
	t.Helper()
	d := &double{}
	d.fails(nil)
	opt := GuardOptions{Timeout: 2 * time.Second, Concurrent: 4, Failures: 3, Pause: 10 * time.Second}
	if more != nil {
		more(&opt)
	}
	g, err := NewGuard(d, opt)
	if err != nil {
		t.Fatal(err)
	}
	return g, d
}

// wants asks and wants an error of that kind.
func wants(t *testing.T, g *Guard, kind fault.Kind) {
	t.Helper()
	if a, err := g.Ask(t.Context(), question); !fault.Is(err, kind) || a != nil {
		t.Errorf("the answer is %v, %v; want %v", a, err, kind)
	}
}

// wantsAnswer asks and wants one.
func wantsAnswer(t *testing.T, g *Guard) {
	t.Helper()
	if a, err := g.Ask(t.Context(), question); err != nil || a.Login != "a.user@example.org" {
		t.Errorf("the answer is %v, %v", a, err)
	}
}

func down() error { return fault.Wrap("x", fault.Unavailable, errors.New("connection refused")) }

// TestAnswerIsNormal: addresses come back as the gate keeps them.
func TestAnswerIsNormal(t *testing.T) {
	g, d := guarded(t, nil)
	a, err := g.Ask(t.Context(), question)
	if err != nil || a.Login != "a.user@example.org" || !slices.Equal(a.Aliases, []string{"info@xn--bcher-kva.example"}) {
		t.Errorf("%+v, %v", a, err)
	}
	d.will(func(context.Context, Question) (*Answer, error) {
		return &Answer{Login: `"A b"@Example.org`, Hash: "{SSHA}x"}, nil
	})
	if a, err := g.Ask(t.Context(), question); err != nil || a.Login != `"a b"@example.org` {
		t.Errorf("%+v, %v", a, err)
	}
	if g.Name() != "double" || g.Close() != nil || !d.ended {
		t.Error("name or end are not those of the source")
	}
}

// TestBreaker goes through all phases in virtual time.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, d := guarded(t, nil)
		d.fails(down())
		for range 2 {
			wants(t, g, fault.Unavailable)
		}
		d.fails(nil)
		wantsAnswer(t, g) // so they are not in a row
		d.fails(down())
		for i := range 3 {
			if s := g.State(); s.Phase != Well || s.Failures != i || !s.Until.IsZero() {
				t.Errorf("after %d failures it is %+v", i, s)
			}
			wants(t, g, fault.Unavailable)
		}
		opened := time.Now()
		if s := g.State(); s.Phase != LeftAlone || !s.Until.Equal(opened.Add(10*time.Second)) || s.Last == nil {
			t.Errorf("after three failures it is %+v", s)
		}
		before := d.count()
		time.Sleep(10*time.Second - 1)
		wants(t, g, fault.Unavailable)
		if d.count() != before {
			t.Error("it was asked while it is left alone")
		}
		time.Sleep(time.Nanosecond)
		wants(t, g, fault.Unavailable) // the probe fails
		if s := g.State(); s.Phase != LeftAlone || d.count() != before+1 || !s.Until.Equal(time.Now().Add(10*time.Second)) {
			t.Errorf("after a failed probe it is %+v", s)
		}
		wants(t, g, fault.Unavailable)
		time.Sleep(10 * time.Second)
		d.fails(nil)
		wantsAnswer(t, g)
		if s := g.State(); s.Phase != Well || s.Failures != 0 || d.count() != before+2 {
			t.Errorf("after a good probe it is %+v, asked %d times", s, d.count()-before)
		}
		wantsAnswer(t, g)
		want := Counts{Answered: 3, Failed: 6, LeftAlone: 2}
		if got := g.State().Counts; got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	})
}

// TestTroubleWithOneLogin: what a directory cannot say of one login, however often, is no failure
// of it; operators are told.
func TestTroubleWithOneLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		g, d := guarded(t, func(o *GuardOptions) { o.Odd = func(Oddity) { told++ } })
		d.fails(&fault.Error{Op: "x", Kind: fault.Unavailable, Err: fmt.Errorf("trouble (%w)", ErrThisLogin)})
		for range 10 {
			wants(t, g, fault.Unavailable)
		}
		s := g.State()
		if want := (Counts{Nonsense: 10}); s.Phase != Well || s.Failures != 0 || s.Counts != want || d.count() != 10 {
			t.Errorf("it is %+v, asked %d times", s, d.count())
		}
		if told != 1 || !strings.Contains(s.Warning(time.Now()), "trouble") {
			t.Errorf("told %d times, warns %q", told, s.Warning(time.Now()))
		}
		d.fails(nil)
		wantsAnswer(t, g)
		// While it is away, such an answer shows that it is there again.
		d.fails(down())
		for range 3 {
			wants(t, g, fault.Unavailable)
		}
		time.Sleep(10 * time.Second)
		d.fails(&fault.Error{Op: "x", Kind: fault.Unavailable, Err: ErrThisLogin})
		wants(t, g, fault.Unavailable)
		if s := g.State(); s.Phase != Well {
			t.Errorf("it is %+v", s)
		}
	})
}

// TestOneProbe: while one question probes, no other is asked.
func TestOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, d := guarded(t, func(o *GuardOptions) { o.Failures = 1 })
		d.fails(down())
		wants(t, g, fault.Unavailable)
		time.Sleep(10 * time.Second)
		d.will(func(ctx context.Context, _ Question) (*Answer, error) {
			time.Sleep(time.Second)
			return sound(), nil
		})
		var all sync.WaitGroup
		all.Go(func() { wantsAnswer(t, g) })
		synctest.Wait()
		if s := g.State(); s.Phase != Probed || s.Running != 1 {
			t.Errorf("it is %+v", s)
		}
		wants(t, g, fault.Unavailable)
		all.Wait()
		wantsAnswer(t, g)
	})
}

// TestProbeIsGivenUp: a probe whose caller goes away, or that panics, leaves the
// next question to probe.
func TestProbeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, d := guarded(t, func(o *GuardOptions) { o.Failures = 1 })
		d.fails(down())
		wants(t, g, fault.Unavailable)
		time.Sleep(10 * time.Second)
		d.will(func(ctx context.Context, _ Question) (*Answer, error) { <-ctx.Done(); return nil, ctx.Err() })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := g.Ask(ctx, question); !fault.Is(err, fault.Canceled) {
			t.Errorf("given up: %v", err)
		}
		d.will(func(context.Context, Question) (*Answer, error) { panic("a broken source") })
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is lost")
				}
			}()
			_, _ = g.Ask(t.Context(), question)
		}()
		if s := g.State(); s.Phase != LeftAlone || s.Running != 0 || s.Counts.Canceled != 1 {
			t.Errorf("it is %+v", s)
		}
		time.Sleep(10 * time.Second)
		d.fails(nil)
		wantsAnswer(t, g)
	})
}

// TestOldNews: what was asked before the directory was left alone changes nothing
// when it comes back, neither for the better nor for the worse.
func TestOldNews(t *testing.T) {
	for name, err := range map[string]error{"good": nil, "bad": down()} {
		synctest.Test(t, func(t *testing.T) {
			g, d := guarded(t, func(o *GuardOptions) { o.Failures, o.Timeout, o.Pause = 1, time.Minute, 5*time.Second })
			d.will(func(context.Context, Question) (*Answer, error) {
				time.Sleep(20 * time.Second)
				if err != nil {
					return nil, err
				}
				return sound(), nil
			})
			var all sync.WaitGroup
			all.Go(func() { _, _ = g.Ask(t.Context(), question) })
			synctest.Wait()
			d.fails(down())
			wants(t, g, fault.Unavailable)
			if name == "bad" { // it is well again when the old failure comes
				time.Sleep(5 * time.Second)
				d.fails(nil)
				wantsAnswer(t, g)
			} else { // it has just been found ill once more
				time.Sleep(18 * time.Second)
				wants(t, g, fault.Unavailable)
			}
			before := g.State().Phase
			all.Wait()
			if after := g.State().Phase; after != before {
				t.Errorf("%s old news change %v to %v", name, before, after)
			}
		})
	}
}

// TestTimeout: a source that only ends with its context fails, and three of them in
// a row are enough.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, d := guarded(t, nil)
		d.will(func(ctx context.Context, _ Question) (*Answer, error) { <-ctx.Done(); return nil, ctx.Err() })
		began := time.Now()
		for range 3 {
			wants(t, g, fault.Unavailable)
		}
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("three time-outs took %v", took)
		}
		if s := g.State(); s.Phase != LeftAlone || s.Counts.Failed != 3 {
			t.Errorf("it is %+v", s)
		}
	})
}

// TestCallerGivesUp: callers that go away, or had little time, tell nothing of the
// directory.
func TestCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, d := guarded(t, func(o *GuardOptions) { o.Failures = 1 })
		d.will(func(ctx context.Context, _ Question) (*Answer, error) { <-ctx.Done(); return nil, down() })
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := g.Ask(ctx, question); !fault.Is(err, fault.Canceled) {
				t.Errorf("%v", err)
			}
			if _, err := g.Ask(ctx, question); !fault.Is(err, fault.Canceled) {
				t.Errorf("%v", err)
			}
			cancel()
		}
		if s := g.State(); s.Phase != Well || d.count() != 5 {
			t.Errorf("it is %+v, asked %d times", s, d.count())
		}
	})
}

// TestTooManyAtOnce: what is beyond the bound is refused at once, and is no failure.
func TestTooManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, d := guarded(t, func(o *GuardOptions) { o.Failures = 1 })
		d.will(func(context.Context, Question) (*Answer, error) { time.Sleep(time.Second); return sound(), nil })
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { wantsAnswer(t, g) })
		}
		synctest.Wait()
		began := time.Now()
		wants(t, g, fault.Busy)
		if time.Since(began) != 0 || g.State().Running != 4 {
			t.Errorf("refused after %v, %d run", time.Since(began), g.State().Running)
		}
		all.Wait()
		wantsAnswer(t, g)
		if s := g.State(); s.Phase != Well || s.Running != 0 || s.Counts.Busy != 1 {
			t.Errorf("it is %+v", s)
		}
	})
}

// TestWhatIsNoFailure: what a directory says of accounts does not have it left
// alone; everything else does.
func TestWhatIsNoFailure(t *testing.T) {
	for _, kind := range fault.Kinds() {
		g, d := guarded(t, func(o *GuardOptions) { o.Failures = 1 })
		d.fails(fault.New("x", kind, "so"))
		wants(t, g, kind)
		ill := true
		switch kind {
		case fault.NotFound, fault.Unauthenticated, fault.Denied, fault.Corrupt, fault.Invalid, fault.Canceled:
			ill = false
		}
		if got := g.State().Phase == LeftAlone; got != ill {
			t.Errorf("after %v it is left alone: %v", kind, got)
		}
	}
	g, d := guarded(t, func(o *GuardOptions) { o.Failures = 1 })
	d.fails(errors.New("unheard of"))
	if _, err := g.Ask(t.Context(), question); err == nil || g.State().Phase != LeftAlone {
		t.Errorf("an error of no kind: %v", err)
	}
}

// TestQuestionsThatAreNone never reach the directory: it would fail, and be left
// alone for it.
func TestQuestionsThatAreNone(t *testing.T) {
	g, d := guarded(t, nil)
	for _, c := range []struct {
		q    Question
		kind fault.Kind
	}{
		{Question{}, fault.NotFound},
		{Question{Login: strings.Repeat("a", MaxLogin+1)}, fault.NotFound},
		{Question{Login: "a\x00b@example.org"}, fault.NotFound},
		{Question{Login: "a\r\nb@example.org"}, fault.NotFound},
		{Question{Login: "\xff@example.org"}, fault.NotFound},
		{Question{Login: "a", Password: strings.Repeat("a", MaxPassword+1)}, fault.Unauthenticated},
		{Question{Login: "a", Password: "\xff"}, fault.Unauthenticated},
		{Question{Login: "a", Password: "a\x00"}, fault.Unauthenticated},
	} {
		if _, err := g.Ask(t.Context(), c.q); !fault.Is(err, c.kind) {
			t.Errorf("%q: %v", c.q.Login, err)
		}
	}
	if d.count() != 0 {
		t.Errorf("asked %d times", d.count())
	}
}

// TestAnswersThatAreNone let nobody in.
func TestAnswersThatAreNone(t *testing.T) {
	g, d := guarded(t, nil)
	for name, spoil := range map[string]func(*Answer){
		"no hash":                    func(a *Answer) { a.Hash = "" },
		"no scheme":                  func(a *Answer) { a.Hash = "xyz" },
		"an empty scheme":            func(a *Answer) { a.Hash = "{}xyz" },
		"a scheme alone":             func(a *Answer) { a.Hash = "{SSHA}" },
		"a brace late":               func(a *Answer) { a.Hash = "x{SSHA}y" },
		"a hash too long":            func(a *Answer) { a.Hash += strings.Repeat("x", MaxHash) },
		"a hash of two lines":        func(a *Answer) { a.Hash += "\nx" },
		"verified, and a hash":       func(a *Answer) { a.Verified = true },
		"no login":                   func(a *Answer) { a.Login = "" },
		"a login that is a name":     func(a *Answer) { a.Login = "a.user" },
		"an alias that is none":      func(a *Answer) { a.Aliases = append(a.Aliases, "@example.org") },
		"too many aliases":           func(a *Answer) { a.Aliases = make([]string, MaxAliases+1) },
		"too many networks":          func(a *Answer) { a.Networks = slices.Repeat(a.Networks, MaxNetworks+1) },
		"a network that is none":     func(a *Answer) { a.Networks = []netip.Prefix{{}} },
		"a plan of control":          func(a *Answer) { a.Plan = "a\x1b[2J" },
		"a plan too long":            func(a *Answer) { a.Plan = strings.Repeat("p", MaxName+1) },
		"a customer that is no text": func(a *Answer) { a.Customer = "\xff" },
	} {
		d.will(func(context.Context, Question) (*Answer, error) {
			a := sound()
			spoil(a)
			return a, nil
		})
		_, err := g.Ask(t.Context(), question)
		if !fault.Is(err, fault.Corrupt) || strings.Contains(err.Error(), "xyz") {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.will(func(context.Context, Question) (*Answer, error) { return nil, nil })
	wants(t, g, fault.Corrupt)
	if s := g.State(); s.Phase != Well {
		t.Errorf("it is %+v", s)
	}
}

// TestVerifiedWithoutPassword: a directory cannot have verified what it was not
// given.
func TestVerifiedWithoutPassword(t *testing.T) {
	g, d := guarded(t, nil)
	d.will(func(context.Context, Question) (*Answer, error) {
		return &Answer{Login: "a@example.org", Verified: true}, nil
	})
	wantsVerified := func(password string, want bool) {
		a, err := g.Ask(t.Context(), Question{Login: "a@example.org", Password: password})
		if want && (err != nil || !a.Verified) || !want && !fault.Is(err, fault.Corrupt) {
			t.Errorf("%q: %+v, %v", password, a, err)
		}
	}
	wantsVerified("secret", true)
	wantsVerified("", false)
}

// TestDo: what is asked in another form counts as a question does, and has its bounds.
func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := guarded(t, nil)
		if err := g.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
		err := g.Do(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("without an answer: %v", err)
		}
		refused := fault.New("double", fault.Unauthenticated, "")
		if err := g.Do(t.Context(), func(context.Context) error { return refused }); err != refused {
			t.Errorf("refused: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = g.Do(ctx, func(context.Context) error { cancel(); return errors.New("x") })
		if !fault.Is(err, fault.Canceled) || !fault.Is(g.Do(ctx, nil), fault.Canceled) {
			t.Errorf("given up: %v", err)
		}
		if c := g.State().Counts; c != (Counts{Answered: 1, Failed: 1, Refused: 1, Canceled: 1}) {
			t.Errorf("%+v", c)
		}
		for range 3 {
			_ = g.Do(t.Context(), func(context.Context) error { return errors.New("x") })
		}
		if err := g.Do(t.Context(), nil); !fault.Is(err, fault.Unavailable) {
			t.Errorf("left alone: %v", err)
		}
	})
}

// TestStep: steps of exchanges that a server holds back take nothing from questions, nor
// the other way, and have a bound of their own.
func TestStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := NewGuard(&double{}, GuardOptions{Timeout: time.Minute, Concurrent: 2, Steps: 3, Failures: 3, Pause: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		held := func(context.Context) error { time.Sleep(2 * time.Second); return nil }
		busy := func(err error) bool { return fault.Is(err, fault.Busy) }
		for range 3 {
			go g.Step(t.Context(), held)
		}
		synctest.Wait()
		if err := g.Step(t.Context(), held); !busy(err) {
			t.Errorf("a fourth step: %v", err)
		}
		for range 2 {
			go g.Do(t.Context(), held)
		}
		synctest.Wait()
		if n := g.State().Running; n != 5 {
			t.Errorf("%d run", n)
		}
		if err := g.Do(t.Context(), held); !busy(err) {
			t.Errorf("a third question: %v", err)
		}
		time.Sleep(3 * time.Second)
		if errs := errors.Join(g.Do(t.Context(), held), g.Step(t.Context(), held)); errs != nil || g.State().Running != 0 {
			t.Errorf("afterwards: %v, %d run", errs, g.State().Running)
		}
	})
}

// TestCheckProven: an account of an exchange is checked as an answer is.
func TestCheckProven(t *testing.T) {
	a := &Answer{Login: "A@b\u00fccher.example", Verified: true}
	if err := a.CheckProven(); err != nil || a.Login != "a@xn--bcher-kva.example" {
		t.Errorf("%+v, %v", a, err)
	}
	for _, bad := range []*Answer{{Login: "shop", Verified: true}, {Login: "a@example.org"}, {Login: "a@example.org", Verified: true, Hash: "{X}y"}} {
		if err := bad.CheckProven(); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestGuardOptionsHaveBounds(t *testing.T) {
	good := GuardOptions{Timeout: 1, Concurrent: 1, Failures: 1, Pause: 1}
	if _, err := NewGuard(&double{}, good); err != nil {
		t.Error(err)
	}
	for _, spoil := range []func(*GuardOptions){
		func(o *GuardOptions) { o.Timeout = 0 }, func(o *GuardOptions) { o.Concurrent = 0 },
		func(o *GuardOptions) { o.Failures = 0 }, func(o *GuardOptions) { o.Pause = 0 },
	} {
		o := good
		spoil(&o)
		if _, err := NewGuard(&double{}, o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
