package harness

import (
	"testing"

	"countersign/internal/testkit"
)

// ServeEmpty is Serve for a gate that knows nobody: no customer, no domain, no account.
// Its name is Host.
func ServeEmpty(t testing.TB, nextHop, extra string) *Gate {
	t.Helper()
	s := prepare(t, testkit.GateConfig{Hostname: Host, NextHop: nextHop, Extra: extra})
	s.begin()
	return s
}
