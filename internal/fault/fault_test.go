package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestWrapKeepsReasonAndCause(t *testing.T) {
	inner := Refuse("queue.accept", Full, "store-full")
	outer := Wrap("submission.data", Internal, fmt.Errorf("while storing: %w", inner))
	if KindOf(outer) != Full || ReasonOf(outer) != "store-full" || !errors.Is(outer, inner) {
		t.Errorf("kind %v, reason %q", KindOf(outer), ReasonOf(outer))
	}
	if Wrap("x", Busy, nil) != nil {
		t.Error("a nil cause became an error")
	}
	if got := Wrap("x", Busy, inner); KindOf(got) != Busy || ReasonOf(got) != "store-full" {
		t.Errorf("an explicit kind is not kept: %v", got)
	}
}

func TestReasonStandsBehindOtherFaults(t *testing.T) {
	err := &Error{Op: "a", Err: &Error{Op: "b", Err: fmt.Errorf("c: %w", Refuse("d", Denied, "r"))}}
	if ReasonOf(err) != "r" {
		t.Errorf("reason is %q", ReasonOf(err))
	}
	if ReasonOf(io.EOF) != "" || ReasonOf(nil) != "" {
		t.Error("a reason out of nothing")
	}
}

func TestUnknownErrorsAreInternalAndTemporary(t *testing.T) {
	if k := KindOf(io.EOF); k != Internal || !k.Temporary() {
		t.Errorf("kind %v", k)
	}
	if Is(io.EOF, Internal) {
		t.Error("Is matches an error that is no fault")
	}
}

func TestEveryKindHasAName(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if name := k.String(); name == "" || seen[name] {
			t.Errorf("kind %d has the name %q", k, name)
		} else {
			seen[name] = true
		}
	}
	if Kind(200).String() != "unknown kind" {
		t.Error("a foreign number has a name")
	}
}

func TestErrorTextNamesOpDetailAndCause(t *testing.T) {
	err := &Error{Op: "account.add", Kind: Conflict, Detail: "a@example.org exists", Err: io.EOF}
	if got := err.Error(); got != "account.add: a@example.org exists: EOF" {
		t.Errorf("text is %q", got)
	}
	if got := New("", NotFound, "no plan %q", "x").Error(); got != `no plan "x"` {
		t.Errorf("text is %q", got)
	}
}

func TestDetailOf(t *testing.T) {
	inner := New("b", Full, "its disk is full")
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""}, {errors.New("x"), ""}, {inner, "its disk is full"}, {Wrap("a", Internal, fmt.Errorf("x: %w", inner)), "its disk is full"},
		{Wrap("a", Unavailable, inner), "its disk is full"}, {New("a", Unavailable, "away"), ""}, {Wrap("a", Full, errors.New("x")), ""},
	} {
		if got := DetailOf(c.err, Full); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
