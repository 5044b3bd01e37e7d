package introspect

import (
	"encoding/binary"
	"testing"
	"time"
)

func number(n int) (m mark) {
	binary.BigEndian.PutUint64(m[:], uint64(n))
	return m
}

// TestAnswersAreBounded in number and time, and make room by what is over first.
func TestAnswersAreBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := newAnswers[int](100, time.Minute)
	for n := range 100 {
		until := now.Add(time.Minute)
		if n < 30 {
			until = now.Add(time.Second)
		}
		a.put(number(n), Verdict[int]{Good: true, Value: n}, now, until)
	}
	now = now.Add(2 * time.Second)
	a.put(number(1000), Verdict[int]{}, now, now.Add(time.Minute))
	if len(a.kept) != 71 {
		t.Errorf("%d are kept, want those 70 that are not over, and the new one", len(a.kept))
	}
	for n := range 10_000 {
		a.put(number(2000+n), Verdict[int]{Value: n}, now, now.Add(time.Hour))
		if len(a.kept) > 100 {
			t.Fatalf("%d are kept", len(a.kept))
		}
		if v, ok := a.get(number(2000+n), now); !ok || v.Value != n {
			t.Fatalf("the newest is not there")
		}
	}
	m := number(2000 + 9999)
	if _, ok := a.get(m, now.Add(time.Minute-1)); !ok {
		t.Error("gone too soon")
	}
	if _, ok := a.get(m, now.Add(time.Minute)); ok {
		t.Error("kept for longer than the bound")
	}
	if _, ok := a.get(m, now.Add(-time.Hour)); ok {
		t.Error("fresh for longer than meant, as the clock went back")
	}
	a.put(number(1), Verdict[int]{}, now, now)
	if _, ok := a.get(number(1), now); ok {
		t.Error("what is over was kept")
	}
	tiny := newAnswers[int](0, time.Minute)
	for n := range 10 {
		tiny.put(number(n), Verdict[int]{}, now, now.Add(time.Minute))
	}
	if len(tiny.kept) != 1 {
		t.Errorf("%d are kept", len(tiny.kept))
	}
}
