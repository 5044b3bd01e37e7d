// Package expect has what the cases of the conformance suite want of an engine's answers.
//
// It knows no store. Main functions: Must, Got, Kind, Equal.
package expect

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"countersign/internal/fault"
)

// T is what is needed of a test; a random one is not a testing.TB.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

// Within is a context for one store call that must not hang: it ends after a minute, or with
// the test.
func Within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Must ends the test at an error.
func Must(t T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// Got ends the test at an error and passes the value on.
func Got[V any](v V, err error) func(T) V {
	return func(t T) V {
		t.Helper()
		Must(t, err)
		return v
	}
}

// Kind ends the test unless err is of that kind. what says what was tried.
func Kind(t T, err error, kind fault.Kind, what ...any) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Fatalf("%sgot error %v (%v), want one that means %v", fmt.Sprint(what...), err, fault.KindOf(err), kind)
	}
}

// Equal ends the test unless two values are the same to the last field.
func Equal(t T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
