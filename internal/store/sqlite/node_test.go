package sqlite

import (
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/node"
)

// TestDrainIsRefused: where there can be no other node nobody drains, and what
// says so names what to do.
func TestDrainIsRefused(t *testing.T) {
	s := openNew(t)
	joined, err := s.Join(t.Context(), node.Node{ID: "1"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Drain(t.Context(), "1", true, audit.Event{At: time.Unix(1, 0), Kind: audit.AdminChanged, Actor: "cli:me", Object: "node 1"})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "stop the server instead") {
		t.Errorf("draining: %v", err)
	}
	renewed, err := s.Renew(t.Context(), joined.Lease, time.Minute, node.Condition{})
	if err != nil || renewed.State != node.Active {
		t.Errorf("afterwards it is told %+v, %v", renewed, err)
	}
}
