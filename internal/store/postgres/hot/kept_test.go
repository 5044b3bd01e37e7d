package hot

import (
	"bytes"
	"fmt"
	"testing"

	"countersign/internal/limit"
)

// leave makes a counter of which the row has that many octets.
func leave(octets int) *leftover {
	return &leftover{counter: &limit.Counter{}, data: bytes.Repeat([]byte{1}, octets)}
}

// TestKeptIsBounded: what was not used for longest is dropped, by number and by octets, and what
// is used stays.
func TestKeptIsBounded(t *testing.T) {
	for name, octets := range map[string]int{"many": 1, "large": maxKeptOctets / 100} {
		var k kept
		k.put("used", leave(octets))
		for n := range 4 * maxKept {
			k.put(fmt.Sprint(n), leave(octets))
			l := k.take("used")
			if l == nil {
				t.Fatalf("%s: what is used is gone after %d others", name, n)
			}
			k.put("used", l)
			if n%1000 > 0 {
				continue
			}
			held := 0
			for _, l := range k.young {
				held += len(l.data)
			}
			if held != k.octets || held > maxKeptOctets || len(k.young) > maxKept || len(k.old) > maxKept {
				t.Fatalf("%s: %d and %d counters, %d octets that are said to be %d", name, len(k.young), len(k.old), held, k.octets)
			}
			if octets > 1 && n == 1000 {
				break
			}
		}
		if k.take("0") != nil {
			t.Errorf("%s: the first is there still", name)
		}
	}
}

// TestTakenOnce: nobody gets a counter that somebody else has.
func TestTakenOnce(t *testing.T) {
	var k kept
	k.put("a", leave(1))
	k.put("a", leave(2))
	if l := k.take("a"); l == nil || len(l.data) != 2 || k.take("a") != nil || k.octets != 0 {
		t.Errorf("taken %+v, %d octets are left", l, k.octets)
	}
}

// TestSharedCountersAreLocked: one in which others count is locked until they have left it alone
// for a while, each time for longer.
func TestSharedCountersAreLocked(t *testing.T) {
	var k kept
	l := leave(1)
	if !k.trusts(l) {
		t.Fatal("one that nobody else has used is not trusted")
	}
	for _, want := range []int{firstShyness, 3 * firstShyness, 7 * firstShyness} {
		others := fmt.Append(nil, want)
		if l.found(others) || l.counter != nil {
			t.Fatal("another row is as it was left")
		}
		l.counter = &limit.Counter{}
		for n := range want {
			if k.trusts(l) {
				t.Fatalf("trusted after %d, want %d", n, want)
			}
			if !l.found(others) {
				t.Fatal("the same row is another")
			}
		}
		if !k.trusts(l) {
			t.Fatalf("not trusted after %d", want)
		}
	}
	for range 100 {
		l.found([]byte("one"))
		l.found([]byte("other"))
	}
	if l.shy > lastShyness {
		t.Errorf("locked for %d", l.shy)
	}
	if rowAlone := (&leftover{data: []byte{1}}); k.trusts(rowAlone) {
		t.Error("a row without its counter is trusted")
	}
}

// TestAfterAMissAllAreLocked: where transactions have to be made again, everything is locked for
// a while, longer each time that it comes again soon.
func TestAfterAMissAllAreLocked(t *testing.T) {
	var k kept
	locked := func() (n int) {
		for ; !k.trusts(leave(1)); n++ {
			k.passed()
		}
		return n
	}
	k.missed()
	first := locked()
	k.missed()
	second := locked()
	if first != firstWait || second != 3*firstWait {
		t.Errorf("locked for %d and %d transactions", first, second)
	}
	for range 100 {
		k.missed()
	}
	if n := locked(); n != lastWait {
		t.Errorf("locked for %d transactions", n)
	}
	for range lastWait {
		k.passed()
	}
	k.missed()
	if n := locked(); n != firstWait {
		t.Errorf("locked for %d transactions long after the last", n)
	}
}
