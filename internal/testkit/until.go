package testkit

import (
	"testing"
	"time"
)

// patience is how long Until waits, generously: the machine may be busy.
const patience = time.Minute

// Until waits for what others make true, and fails the test when that takes a
// minute. what names it; holds is asked by the calling goroutine, a hundred times a
// second.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(patience)
	defer end.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("waited in vain for this: %s", what)
		}
	}
}
