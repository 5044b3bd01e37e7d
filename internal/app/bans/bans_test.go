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
	"countersign/internal/audit"
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

// TestShadowIsRecorded: what a ban in shadow would have refused passes, and is recorded once an hour for
// each client network; what a real ban refuses is not.
func TestShadowIsRecorded(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	var events []audit.Event
	reg := prometheus.NewRegistry()
	set, err := Open(t.Context(), Options{
		Store: &store{}, Now: func() time.Time { return now }, Registry: reg, Logger: slog.New(slog.DiscardHandler),
		Record: func(e audit.Event) { events = append(events, e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	set.Apply([]access.Ban{
		{ID: "wide", Prefix: netip.MustParsePrefix("192.0.0.0/16"), Shadow: true, Reason: "guessing"},
		{ID: "six", Prefix: netip.MustParsePrefix("2001:db8::/32"), Shadow: true},
		{ID: "pair", Prefix: netip.MustParsePrefix("198.51.100.0/24"), Login: "ann@one.example", Shadow: true},
	})
	ask := func(client, login string, want ...string) {
		t.Helper()
		events = nil
		at := netip.MustParseAddr(client)
		if set.Network(at) != nil || set.Watch(at)(login) != nil || set.Hits(at, login) {
			t.Errorf("%s %s is refused", client, login)
		}
		var got []string
		for _, e := range events {
			got = append(got, e.Data["ban"]+" "+e.Data["what"]+" "+e.Client)
			if e.Kind != audit.BanShadow {
				t.Errorf("recorded as %s", e.Kind)
			}
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s %s: recorded %q, want %q", client, login, got, want)
		}
	}
	ask("192.0.3.1", "ann@one.example", "wide connection 192.0.3.1")
	ask("::ffff:192.0.3.1", "ann@one.example")
	ask("192.0.3.2", "", "wide connection 192.0.3.2")
	ask("2001:db8::1", "", "six connection 2001:db8::1")
	ask("2001:db8::2", "")
	ask("198.51.100.1", "bob@one.example")
	ask("198.51.100.1", "ann@one.example", "pair session 198.51.100.1")
	now = now.Add(noteEvery)
	ask("192.0.3.1", "", "wide connection 192.0.3.1")
	// Who asks with every command is told of each ban once an hour, and of another one at once.
	watched := set.Watch(netip.MustParseAddr("203.0.113.7"))
	commands := func(want string) {
		t.Helper()
		events = nil
		for range 3 {
			if watched("ann@one.example") != nil {
				t.Error("refused")
			}
		}
		if len(events) > 1 || len(events) == 0 && want != "" || len(events) == 1 && string(events[0].Data["ban"]+" "+events[0].Data["what"]) != want {
			t.Errorf("recorded %+v, want %q", events, want)
		}
	}
	commands("")
	set.Apply([]access.Ban{{ID: "later", Prefix: netip.MustParsePrefix("203.0.113.0/24"), Shadow: true}})
	commands("later session")
	now = now.Add(noteEvery - 1)
	commands("")
	set.Apply([]access.Ban{{ID: "own", Prefix: netip.MustParsePrefix("203.0.113.0/24"), Login: "ann@one.example", Shadow: true}})
	commands("own session")
	now = now.Add(noteEvery)
	commands("own session")
	events = nil
	if set.Network(netip.MustParseAddr("192.0.2.1")) == nil || len(events) != 0 {
		t.Errorf("a client that is refused: %v", events)
	}
	// However many come, what is remembered is bounded.
	for n := range maxNoted + 10 {
		set.Network(netip.AddrFrom4([4]byte{192, 0, byte(4 + n>>8), byte(n)}))
	}
	if len(set.notes.last) != maxNoted {
		t.Errorf("%d are remembered", len(set.notes.last))
	}
	figures, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	omitted := 0.0
	for _, f := range figures {
		if f.GetName() == "countersign_access_ban_shadow_omitted_total" {
			omitted = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	if omitted != 11 { // one was there
		t.Errorf("%v are counted as left out", omitted)
	}
}
