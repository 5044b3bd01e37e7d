package storage

import (
	"context"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/store/transfer"
)

// TestInterruptedSaysSo: whatever a copy was doing when it was interrupted, it says that it was, and
// not that something is away.
func TestInterruptedSaysSo(t *testing.T) {
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	away := fault.New("store.copy", fault.Unavailable, "the database is away")
	canceled := fault.New("store.copy", fault.Canceled, "canceled")
	for _, c := range []struct {
		name        string
		ctx         context.Context
		err         error
		begun, says bool
	}{
		{"the connection broke", t.Context(), away, true, false},
		{"the connection broke as it was interrupted", interrupted, away, true, true},
		{"a statement was canceled", interrupted, canceled, true, true},
		{"nothing was begun", interrupted, away, false, false},
	} {
		got := ending(c.ctx, &transfer.Result{Begun: c.begun}, c.err).Error()
		if says := strings.Contains(got, "interrupted; what is in the target so far stays there"); says != c.says {
			t.Errorf("%s: the copy says %q", c.name, got)
		}
		if away := strings.Contains(got, "away"); away == c.says {
			t.Errorf("%s: the copy says %q", c.name, got)
		}
	}
}
