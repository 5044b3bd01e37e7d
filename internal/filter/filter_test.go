package filter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/fault"
)

// program does what a test says.
type program struct {
	ask   func(ctx context.Context) (*Answer, error)
	probe error
	asked atomic.Int32
}

func (p *program) Ask(ctx context.Context, _ *Message) (*Answer, error) {
	p.asked.Add(1)
	return p.ask(ctx)
}

func (p *program) Probe(context.Context) error { return p.probe }

func passes(context.Context) (*Answer, error) { return &Answer{Verdict: Pass}, nil }

var errGone = errors.New("gone")

// clock is a time that a test moves on.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time       { return time.Unix(1_800_000_000, c.at.Load()) }
func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }

func made(t *testing.T, p *program, change func(*Options)) (*Filter, *clock) {
	t.Helper()
	c := &clock{}
	o := Options{Name: "f", Timeout: time.Minute, Concurrent: 2, Failures: 3, Pause: 10 * time.Second, Now: c.now}
	if change != nil {
		change(&o)
	}
	f, err := New(p, o, NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

func (f *Filter) about(t *testing.T, login string) error {
	t.Helper()
	_, err := f.Ask(t.Context(), &Message{Login: login})
	return err
}

func wantKind(t *testing.T, err error, kind fault.Kind, cause error) {
	t.Helper()
	if !fault.Is(err, kind) || !errors.Is(err, cause) {
		t.Errorf("%v, want %v for %v", err, kind, cause)
	}
}

func TestOptionsAreBounded(t *testing.T) {
	for i, bad := range []func(*Options){
		func(o *Options) { o.Timeout = 0 }, func(o *Options) { o.Concurrent = 0 }, func(o *Options) { o.Failures = 0 }, func(o *Options) { o.Pause = 0 },
	} {
		o := Options{Timeout: 1, Concurrent: 1, Failures: 1, Pause: 1}
		bad(&o)
		if _, err := New(&program{}, o, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestLeftAlone: after failures in a row the program is not asked until a pause is over; then
// by one message, whose outcome decides.
func TestLeftAlone(t *testing.T) {
	p := &program{ask: func(context.Context) (*Answer, error) { return nil, errors.Join(ErrNotReached, errGone) }}
	f, c := made(t, p, nil)
	for range 3 {
		wantKind(t, f.about(t, "a"), fault.Unavailable, errGone)
	}
	if f.Phase() != LeftAlone {
		t.Fatal(f.Phase())
	}
	err := f.about(t, "a")
	wantKind(t, err, fault.Unavailable, errLeftAlone)
	if !errors.Is(err, errGone) || p.asked.Load() != 3 {
		t.Errorf("%v, asked %d times, want 3 and the reason", err, p.asked.Load())
	}
	if err := f.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "left alone") {
		t.Errorf("health says %v", err)
	}
	c.pass(10 * time.Second)
	wantKind(t, f.about(t, "a"), fault.Unavailable, errGone) // the probe
	wantKind(t, f.about(t, "a"), fault.Unavailable, errLeftAlone)
	c.pass(10 * time.Second)
	p.ask = func(context.Context) (*Answer, error) {
		if err := f.about(t, "b"); !errors.Is(err, errLeftAlone) { // while one probes
			t.Errorf("%v, want it left alone", err)
		}
		return passes(t.Context())
	}
	if err := f.about(t, "a"); err != nil || f.Phase() != Well {
		t.Errorf("%v, %s", err, f.Phase())
	}
	p.ask = passes
	if err := f.about(t, "a"); err != nil {
		t.Error(err)
	}
}

// TestOneLoginDoesNotSilenceAFilter: messages of one account that no filter survives are
// failures for it, and others are looked at all the same; those of several have it left alone.
func TestOneLoginDoesNotSilenceAFilter(t *testing.T) {
	p := &program{ask: func(context.Context) (*Answer, error) { return nil, errGone }}
	f, _ := made(t, p, nil)
	for range 20 {
		wantKind(t, f.about(t, "attacker"), fault.Unavailable, errGone)
	}
	if f.Phase() != Well {
		t.Fatal("one account has it left alone")
	}
	wantKind(t, f.about(t, "b"), fault.Unavailable, errGone)
	wantKind(t, f.about(t, "c"), fault.Unavailable, errGone)
	if f.Phase() != LeftAlone {
		t.Error("three accounts do not")
	}
}

// TestAnAnswerEndsTheRow of failures.
func TestAnAnswerEndsTheRow(t *testing.T) {
	p := &program{}
	f, _ := made(t, p, nil)
	for range 5 {
		p.ask = func(context.Context) (*Answer, error) { return nil, ErrNotReached }
		_, _ = f.about(t, "a"), f.about(t, "b")
		p.ask = passes
		if err := f.about(t, "a"); err != nil || f.Phase() != Well {
			t.Fatalf("%v, %s", err, f.Phase())
		}
	}
}

// TestTime: a program has its time and no more; who gives up before is told that, and the
// program is not blamed for it.
func TestTime(t *testing.T) {
	p := &program{ask: func(ctx context.Context) (*Answer, error) { <-ctx.Done(); return nil, ctx.Err() }}
	f, _ := made(t, p, func(o *Options) { o.Timeout = 50 * time.Millisecond; o.Failures = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Ask(ctx, &Message{Login: "a"})
	wantKind(t, err, fault.Canceled, context.Canceled)
	if f.Phase() != Well {
		t.Error("blamed for a caller that gave up")
	}
	wantKind(t, f.about(t, "a"), fault.Unavailable, errSlow)
	if f.Phase() != LeftAlone {
		t.Error("not blamed for being slow")
	}
}

// TestGivenUpProbe: a probe whose caller gave up leaves the next message to probe.
func TestGivenUpProbe(t *testing.T) {
	p := &program{ask: func(context.Context) (*Answer, error) { return nil, ErrNotReached }}
	f, c := made(t, p, func(o *Options) { o.Failures = 1 })
	wantKind(t, f.about(t, "a"), fault.Unavailable, ErrNotReached)
	c.pass(10 * time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	p.ask = func(ctx context.Context) (*Answer, error) { cancel(); return nil, ctx.Err() }
	_, err := f.Ask(ctx, &Message{})
	wantKind(t, err, fault.Canceled, context.Canceled)
	p.ask = passes
	if err := f.about(t, "a"); err != nil || f.Phase() != Well {
		t.Errorf("%v, %s", err, f.Phase())
	}
}

// TestUnread: a body that cannot be read is no fault of the program, and keeps its kind.
func TestUnread(t *testing.T) {
	p := &program{ask: func(context.Context) (*Answer, error) {
		return nil, fmt.Errorf("%w: %w", ErrUnread, fault.New("body", fault.Corrupt, "broken"))
	}}
	f, _ := made(t, p, func(o *Options) { o.Failures = 1 })
	wantKind(t, f.about(t, "a"), fault.Corrupt, ErrUnread)
	if f.Phase() != Well {
		t.Error("blamed for a body that cannot be read")
	}
}

// TestPlaces: no more messages at once than there are places; others wait, and are told when
// that takes too long, which is no fault of the program.
func TestPlaces(t *testing.T) {
	in, out := make(chan struct{}), make(chan struct{})
	p := &program{ask: func(context.Context) (*Answer, error) { in <- struct{}{}; <-out; return passes(t.Context()) }}
	f, _ := made(t, p, func(o *Options) { o.Failures = 1 })
	done := make(chan error)
	for range 3 {
		go func() { done <- f.about(t, "a") }()
	}
	<-in
	<-in
	if n := p.asked.Load(); n != 2 {
		t.Errorf("%d at once, want 2", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Ask(ctx, &Message{}); !errors.Is(err, errBusy) {
		t.Errorf("%v, want it busy", err)
	}
	out <- struct{}{}
	<-in // the third has come in
	close(out)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if f.Phase() != Well {
		t.Error("blamed for being busy")
	}
}

// TestCheck: health asks a program that has answered nothing lately, and no other.
func TestCheck(t *testing.T) {
	p := &program{ask: passes, probe: errGone}
	f, c := made(t, p, nil)
	wantKind(t, f.Check(t.Context()), fault.Unavailable, errGone)
	if err := f.about(t, "a"); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(t.Context()); err != nil {
		t.Error(err)
	}
	c.pass(11 * time.Second)
	wantKind(t, f.Check(t.Context()), fault.Unavailable, errGone)
	p.probe = nil
	if err := f.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPanicEndsAProbe: the program is asked again after it.
func TestPanicEndsAProbe(t *testing.T) {
	p := &program{ask: func(context.Context) (*Answer, error) { panic("defect") }}
	f, c := made(t, p, func(o *Options) { o.Failures = 1 })
	for range 2 {
		func() {
			defer func() { _ = recover() }()
			_ = f.about(t, "a")
		}()
		if f.Phase() != LeftAlone {
			t.Fatal(f.Phase())
		}
		c.pass(10 * time.Second)
	}
	p.ask = passes
	if err := f.about(t, "a"); err != nil || f.places.count() != 0 {
		t.Errorf("%v, %d places taken", err, f.places.count())
	}
}

func TestForbidden(t *testing.T) {
	sender := ""
	for _, c := range []struct {
		may  []Part
		c    Changes
		want Part
	}{
		{[]Part{Headers, Recipients}, Changes{Header: []HeaderChange{{}}, Added: []string{"a"}, Removed: []string{"b"}}, ""},
		{[]Part{Headers, Recipients}, Changes{ReplacesBody: true}, Body},
		{[]Part{Headers, Recipients}, Changes{Sender: &sender}, Sender},
		{nil, Changes{Header: []HeaderChange{{}}}, Headers},
		{nil, Changes{Removed: []string{"a"}}, Recipients},
		{nil, Changes{Added: []string{"a"}}, Recipients},
		{nil, Changes{}, ""},
		{[]Part{Body, Sender}, Changes{ReplacesBody: true, Sender: &sender}, ""},
	} {
		if got := (&Options{May: c.may}).Forbidden(&c.c); got != c.want {
			t.Errorf("%+v of %v: %q, want %q", c.c, c.may, got, c.want)
		}
	}
}
