package hot

import (
	"bytes"
	"fmt"
	"testing"

	"countersign/internal/limit"
)

// subject is one of many.
func subject(n int) limit.Subject { return limit.Subject{Kind: limit.Network, Name: fmt.Sprint(n)} }

// stored is a counter that was stored.
func stored(k *kept, n int) *leftover {
	l := k.find(subject(n))
	k.leave(l, &limit.Counter{}, []byte{1})
	return l
}

// TestKeptIsBounded: what was not used for longest is dropped, by number and by octets, and what
// is used stays.
func TestKeptIsBounded(t *testing.T) {
	const used = -1
	for name, octets := range map[string]int{"many": 1, "large": maxKeptOctets / 100} {
		var k kept
		data := bytes.Repeat([]byte{1}, octets)
		k.leave(k.find(subject(used)), &limit.Counter{}, data)
		for n := range 4 * maxKept {
			k.leave(k.find(subject(n)), &limit.Counter{}, data)
			if l := k.find(subject(used)); l.counter == nil {
				t.Fatalf("%s: what is used is gone after %d others", name, n)
			}
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
		if k.find(subject(0)).known {
			t.Errorf("%s: the first is there still", name)
		}
	}
}

// TestKeptGrowsNotBeyond: what is there already and becomes longer and longer is bounded, too.
func TestKeptGrowsNotBeyond(t *testing.T) {
	var k kept
	const counters = 1000
	for size := 1; size < 1<<14; size *= 2 {
		for n := range counters {
			k.leave(k.find(subject(n)), &limit.Counter{}, make([]byte, size))
		}
		held := 0
		for _, half := range []map[limit.Subject]*leftover{k.young, k.old} {
			for _, l := range half {
				held += len(l.data)
			}
		}
		if most := 2*maxKeptOctets + size; held > most {
			t.Fatalf("%d octets are kept of counters of %d, want at most %d", held, size, most)
		}
	}
	if k.halves < 3 {
		t.Error("it never was too much: this proves nothing")
	}
}

// TestSharedCountersAreLocked: one in which others count is locked until they have left it alone
// for a while, each time for longer.
func TestSharedCountersAreLocked(t *testing.T) {
	var k kept
	l := stored(&k, 1)
	if !k.trusts(l) {
		t.Fatal("one that nobody else has used is not trusted")
	}
	for _, want := range []int{firstShyness, 3 * firstShyness, 7 * firstShyness} {
		others := fmt.Append(nil, want)
		if k.found(l, others) || l.counter != nil {
			t.Fatal("another row is as it was left")
		}
		l.counter = &limit.Counter{}
		for n := range want {
			if k.trusts(l) {
				t.Fatalf("trusted after %d, want %d", n, want)
			}
			if !k.found(l, others) {
				t.Fatal("the same row is another")
			}
		}
		if !k.trusts(l) {
			t.Fatalf("not trusted after %d", want)
		}
	}
	for range 100 {
		k.found(l, []byte("one"))
		k.found(l, []byte("other"))
	}
	if l.shy > lastShyness {
		t.Errorf("locked for %d", l.shy)
	}
	if rowAlone := (&leftover{data: []byte{1}, known: true}); k.trusts(rowAlone) {
		t.Error("a row without its counter is trusted")
	}
}

// TestAfterAMissAllAreLocked: where transactions have to be made again, everything is locked for
// a while, longer each time that it comes again soon.
func TestAfterAMissAllAreLocked(t *testing.T) {
	var k kept
	locked := func() (n int) {
		for ; !k.trusts(stored(&k, 1)); n++ {
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
