package bans

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/access"
)

// store has one ban, and notes what is pruned.
type store struct {
	access.Store
	away    bool
	pruned  []time.Time
	refuses bool
}

func (s *store) BansSince(context.Context, uint64) ([]access.Ban, uint64, error) {
	if s.away {
		return nil, 0, errors.New("away")
	}
	return []access.Ban{{ID: "one", Prefix: netip.MustParsePrefix("192.0.2.0/24")}}, 1, nil
}

func (s *store) BansChanged() (<-chan struct{}, bool) { return nil, true }

func (s *store) PruneBans(_ context.Context, before time.Time, _ int) (int, error) {
	s.pruned = append(s.pruned, before)
	if s.refuses {
		return 0, errors.New("no space")
	}
	return 0, nil
}

// TestPrunedEveryHour: what ended 30 days ago is removed at the start and then each hour,
// also after it could not be.
func TestPrunedEveryHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, log := &store{refuses: true}, new(bytes.Buffer)
		set, err := Open(t.Context(), Options{Store: s, Now: time.Now, Registry: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil || set.Network(netip.MustParseAddr("192.0.2.1")) == nil {
			t.Fatalf("it is not read: %v", err)
		}
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { set.Run(ctx); close(done) }()
		time.Sleep(2*time.Hour + time.Minute) // of the bubble
		cancel()
		<-done
		if len(s.pruned) != 3 {
			t.Fatalf("pruned at %v", s.pruned)
		}
		for n, before := range s.pruned {
			if want := began.Add(time.Duration(n)*time.Hour - 30*24*time.Hour); !before.Equal(want) {
				t.Errorf("%d: before %v, want %v", n, before, want)
			}
		}
		if strings.Count(log.String(), "could not be removed yet") != 3 {
			t.Errorf("the log says %s", log)
		}
	})
}

func TestNotOpenedWithoutBans(t *testing.T) {
	if _, err := Open(t.Context(), Options{Store: &store{away: true}, Now: time.Now, Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("it opens although nobody knows who is banned")
	}
}
