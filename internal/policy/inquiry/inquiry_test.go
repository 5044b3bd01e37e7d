package inquiry

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mx"
)

// oracle answers by a function.
type oracle struct {
	asked  atomic.Int64
	answer func(name string) (mx.Answer, error)
}

func (o *oracle) Ask(_ context.Context, name string, _ mx.Type) (mx.Answer, error) {
	o.asked.Add(1)
	return o.answer(name)
}

func TestEachQuestionIsAskedOnce(t *testing.T) {
	away := errors.New("away")
	o := &oracle{answer: func(name string) (mx.Answer, error) {
		if name == "away" {
			return mx.Answer{TTL: time.Minute}, away
		}
		return mx.Answer{Texts: []string{name}, TTL: time.Minute}, nil
	}}
	q := New(o)
	for range 3 {
		a, err := q.Ask(t.Context(), "a", mx.TXT)
		if err != nil || len(a.Texts) != 1 || a.Texts[0] != "a" {
			t.Fatalf("Ask = %v, %v", a, err)
		}
		if _, err := q.Ask(t.Context(), "away", mx.TXT); !errors.Is(err, away) {
			t.Fatalf("error = %v, want the one of the first time", err)
		}
	}
	if _, err := q.Ask(t.Context(), "a", mx.A); err != nil || o.asked.Load() != 3 || q.Asked() != 3 {
		t.Errorf("%d questions, %d counted, %v; want 3", o.asked.Load(), q.Asked(), err)
	}
}

func TestTTLIsTheLeast(t *testing.T) {
	o := &oracle{answer: func(name string) (mx.Answer, error) {
		ttl, err := time.ParseDuration(name)
		if err != nil {
			return mx.Answer{}, err
		}
		return mx.Answer{TTL: ttl}, fault.New("t", fault.NotFound, "none")
	}}
	q := New(o)
	for _, step := range []struct {
		name string
		want time.Duration
	}{{"", time.Hour}, {"2h", time.Hour}, {"20m", 20 * time.Minute}, {"30m", 20 * time.Minute}, {"10s", 10 * time.Second}, {"x", 0}} {
		if step.name != "" {
			if _, err := q.Ask(t.Context(), step.name, mx.TXT); err == nil {
				t.Error("the error is lost")
			}
		}
		if got := q.TTL(); got != step.want {
			t.Errorf("after %s: TTL %v, want %v", step.name, got, step.want)
		}
	}
}

func TestBounds(t *testing.T) {
	size := 10
	o := &oracle{answer: func(string) (mx.Answer, error) {
		return mx.Answer{Texts: []string{strings.Repeat("x", size)}, TTL: time.Hour}, nil
	}}
	q := New(o)
	for i := range MaxQuestions {
		if _, err := q.Ask(t.Context(), fmt.Sprint(i), mx.TXT); err != nil {
			t.Fatalf("question %d: %v", i+1, err)
		}
	}
	if _, err := q.Ask(t.Context(), "more", mx.TXT); !fault.Is(err, fault.Busy) || o.asked.Load() != MaxQuestions {
		t.Errorf("one question more: %v after %d, want busy", err, o.asked.Load())
	}
	if _, err := q.Ask(t.Context(), "7", mx.TXT); err != nil {
		t.Errorf("what is known costs no question: %v", err)
	}

	q, size = New(o), MaxAnswer
	if a, err := q.Ask(t.Context(), "a", mx.TXT); err != nil || len(a.Texts[0]) != MaxAnswer {
		t.Errorf("an answer of %d octets: %v", size, err)
	}
	size++
	if a, err := q.Ask(t.Context(), "b", mx.TXT); !fault.Is(err, fault.TooLarge) || len(a.Texts) != 0 {
		t.Errorf("an answer of %d octets: %v, want too large", size, err)
	}
	size = MaxAnswer
	var err error
	got := 1
	for i := 0; err == nil; i++ {
		if _, err = q.Ask(t.Context(), fmt.Sprint(i), mx.TXT); err == nil {
			got++
		}
	}
	if want := MaxOctets / MaxAnswer; got != want || !fault.Is(err, fault.TooLarge) {
		t.Errorf("%d long answers are kept, then %v; want %d, too large", got, err, want)
	}
}

func TestEveryKindOfAnswerHasAWeight(t *testing.T) {
	for _, a := range []mx.Answer{
		{Texts: []string{"x"}}, {Names: []string{"x"}}, {Hosts: []mx.Record{{Host: "x"}}}, {Addresses: []netip.Addr{{}}},
	} {
		if weight(a) == 0 {
			t.Errorf("%+v weighs nothing", a)
		}
	}
}
