package serve

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestGarbagePercent: there is twice as much garbage as usual, but never more than 64 MiB beyond that.
func TestGarbagePercent(t *testing.T) {
	last := mostPercent
	for inUse := uint64(1); inUse < 1<<40; inUse += 1 + inUse/7 {
		percent := garbagePercent(inUse)
		if more := float64(inUse) * float64(percent-usualPercent) / 100; more > 64<<20 || percent < usualPercent || percent > last {
			t.Fatalf("of %d octets in use %d percent, %.0f octets more than usual, after %d percent", inUse, percent, more, last)
		}
		last = percent
	}
	if got := garbagePercent(64 << 20); got != 200 {
		t.Errorf("of 64 MiB %d percent", got)
	}
	if got := garbagePercent(256 << 20); got != 125 {
		t.Errorf("of 256 MiB %d percent", got)
	}
}

// TestBoundGarbage: the runtime is told, unless the operator has told it.
func TestBoundGarbage(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "77")
	boundGarbage(ended)
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("GOGC has become %d", got)
	}
	t.Setenv("GOGC", "")
	runtime.GC()
	boundGarbage(ended)
	if got, want := debug.SetGCPercent(77), garbagePercent(memoryInUse()); got/5 != want/5 || memoryInUse() == 0 {
		t.Errorf("with %d octets in use it is %d percent, want %d", memoryInUse(), got, want)
	}
}
