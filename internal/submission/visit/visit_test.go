package visit

import (
	"testing"

	"countersign/internal/access/dnsbl"
)

// TestNames: a client is told of the lists that count against it, and of no others.
func TestNames(t *testing.T) {
	hits := []dnsbl.Hit{{List: "policy", Score: 0}, {List: "first", Score: 3}, {List: "friends", Score: -1}, {List: "second", Score: 2}}
	if got := names(hits); got != "first, second" {
		t.Errorf("told %q", got)
	}
	if got := describe(hits); got != "policy 0, first 3, friends -1, second 2" {
		t.Errorf("recorded %q", got)
	}
}
