package fetch

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestStanding(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := NewStanding(1)
	if r := s.Report(); r != (Report{State: Untried}) || s.Blocked(now) || s.Failing() {
		t.Errorf("%+v", r)
	}
	failed := func(wait time.Duration) {
		t.Helper()
		s.Failed(now, now, errors.New("refused"))
		if s.Blocked(now.Add(wait)) || wait > 0 && !s.Blocked(now.Add(wait-1)) || s.Failing() != (wait > 0) {
			t.Errorf("not held back for %v: %+v", wait, s.Report())
		}
	}
	begin := now
	for _, wait := range []time.Duration{0, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second, 2 * time.Minute, 2 * time.Minute} {
		failed(wait)
		now = now.Add(time.Minute)
	}
	// One that was under way at the last failure is no further one.
	s.Failed(begin, now, errors.New(strings.Repeat("x", 1000)))
	if r := s.Report(); r.Failures != 9 || r.Since != begin || r.State != Unreachable || len(r.Reason) != maxReason {
		t.Errorf("%+v", r)
	}
	for range 100 { // no number is too large
		s.Failed(now, now, errors.New("refused"))
	}
	if !s.Blocked(now.Add(maxWait-1)) || s.Blocked(now.Add(maxWait)) || s.Blocked(begin.Add(-time.Hour)) {
		t.Error("held back for too long or not at all")
	}
	s.Succeeded(now)
	if r := s.Report(); r != (Report{State: Reachable, Since: now, LastAnswer: now}) || s.Blocked(now) || s.Failing() {
		t.Errorf("%+v", r)
	}
	s.Succeeded(now.Add(time.Hour))
	if r := s.Report(); r.Since != now || r.LastAnswer != now.Add(time.Hour) {
		t.Errorf("%+v", r)
	}
	s.Failed(now, now, errors.New("refused"))
	if r := s.Report(); r.LastAnswer.IsZero() || r.State != Unreachable || s.Blocked(now) {
		t.Errorf("%+v", r)
	}
}
