package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/limit/admin"
	"countersign/internal/mail"
	"countersign/internal/sink"
	"countersign/internal/testkit/pgcluster"
)

// setLimits sets limits, those of connections with what happens while the store is away, and waits until the gate knows it.
func setLimits(t *testing.T, w *world, of limit.Subject, away limit.Away, texts ...string) {
	t.Helper()
	sets := admin.New(admin.Options{Store: w.app.store, IDs: &mail.IDSource{}, Actor: "test", Now: time.Now})
	wanted := admin.Wanted{For: of}
	for _, text := range texts {
		l, err := limit.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		l.Away = away
		wanted.Limits = append(wanted.Limits, l)
	}
	if _, err := sets.Set(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	w.until("the gate to know the limits", func() bool { return w.app.limited.Len() >= len(texts) })
}

// TestConnectionLimitsAtTheSocket: who comes too often from a network gets 421 in place of the
// greeting, which says when there is room and nothing of how much is used, an account with too many connections 454 at AUTH, and who leaves makes room.
func TestConnectionLimitsAtTheSocket(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return nil })
	setLimits(t, w, limit.Subject{Kind: limit.Account, Name: testLogin}, limit.AwayOpen, "connections/at-once=1")
	first, second := openDialogue(t, w), openDialogue(t, w)
	first.want(first.login(), "235")
	reply := second.login()
	second.want(reply, "454 4.7.0")
	if !strings.Contains(reply, "1 connection at once for account "+testLogin+", 1 used") {
		t.Errorf("the client is told %q", reply)
	}
	first.want(first.say("QUIT"), "221")
	w.until("room", func() bool { return strings.HasPrefix(second.login(), "235") })
	setLimits(t, w, limit.Subject{Kind: limit.Network, Name: "127.0.0.1"}, limit.AwayOpen, "connections/hour=2", "connections/at-once=100")
	for range 2 {
		openDialogue(t, w)
	}
	refused := dialled(t, w)
	reply = refused.reply()
	refused.want(reply, "421 4.7.0")
	if !strings.HasPrefix(reply, "421 4.7.0 A limit of connections is reached: that of your network, room from 20") || !strings.Contains(reply, " UTC; try again later. [") || strings.Contains(reply, "used") {
		t.Errorf("the client is told %q", reply)
	}
	e := w.last(audit.ConnectionRefused)
	if e.Reason != "connection-limit" || e.Data["subject"] != "network 127.0.0.1" || e.Data["used"] != "2" || e.Data["listener"] == "" {
		t.Errorf("the record has %+v", e)
	}
}

// TestConnectionsWhileTheStoreIsAway: with PostgreSQL stopped a limit of connections lets in,
// turns away, or goes by this gate's share, as it was set.
func TestConnectionsWhileTheStoreIsAway(t *testing.T) {
	for away, want := range map[limit.Away]int{limit.AwayOpen: 6, limit.AwayClosed: 0, limit.AwayShare: 2} {
		t.Run(away.String(), func(t *testing.T) {
			cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
			w := newWorld(t, fmt.Sprintf("[store]\nurl = %q\npatience = \"1s\"\n", cluster.Database(t)), func(sink.Message) error { return nil })
			setLimits(t, w, limit.Subject{Kind: limit.Network, Name: "127.0.0.1"}, away, "connections/hour=4")
			for range 2 {
				openDialogue(t, w)
			}
			cluster.Stop(t, pgcluster.Immediate)
			defer cluster.Start(t)
			in := 0
			for range 6 {
				switch reply := dialled(t, w).reply(); {
				case strings.HasPrefix(reply, "220"):
					in++
				case !strings.HasPrefix(reply, "421 4.7.0"):
					t.Errorf("got %q", reply)
				}
			}
			if in != want {
				t.Errorf("%d were let in while the store was away, want %d", in, want)
			}
		})
	}
}
