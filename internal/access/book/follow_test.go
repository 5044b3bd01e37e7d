package book

import (
	"context"
	"net/netip"
	"testing"

	"countersign/internal/access"
	"countersign/internal/feed"
)

// drawer is a store of which somebody has one ban, with a number.
type drawer struct{ number uint64 }

func (d *drawer) BansSince(_ context.Context, since uint64) ([]access.Ban, uint64, error) {
	if since >= d.number {
		return nil, d.number, nil
	}
	return []access.Ban{{ID: "one", Prefix: netip.MustParsePrefix("192.0.2.0/24")}}, d.number, nil
}

func (d *drawer) BansChanged() (<-chan struct{}, bool) { return nil, true }

// TestFollowsTheStore: all bans are read, before what changes is followed (package feed).
func TestFollowsTheStore(t *testing.T) {
	d, b := &drawer{7}, New(nil)
	f := Follow(d, b, feed.Options{})
	if err := f.Load(t.Context()); err != nil || b.Len() != 1 || b.Network(netip.MustParseAddr("192.0.2.1")) == nil {
		t.Errorf("%d are loaded: %v", b.Len(), err)
	}
}
