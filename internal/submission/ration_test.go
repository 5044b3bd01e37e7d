package submission

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/audit"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
)

// spendMany asks n times and returns how many may be recorded.
func spendMany(r *rations, network string, kind audit.Kind, n int) int {
	allowed := 0
	for range n {
		if r.spend(netip.MustParsePrefix(network), kind) {
			allowed++
		}
	}
	return allowed
}

// inRations runs f in fake time with rations whose summaries go into told.
func inRations(t *testing.T, f func(t *testing.T, r *rations, told *[]audit.Event)) {
	synctest.Test(t, func(t *testing.T) {
		var told []audit.Event
		r := newRations(time.Now, func(e audit.Event) { told = append(told, e) })
		f(t, r, &told)
		r.close()
	})
}

// pass lets fake time pass.
func pass(d time.Duration) { <-time.After(d) }

func TestRationOfANetwork(t *testing.T) {
	inRations(t, func(t *testing.T, r *rations, told *[]audit.Event) {
		const flood, quiet = "2001:db8:1::/48", "192.0.2.0/24"
		wants := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
		wants("at once", spendMany(r, flood, audit.SessionOpened, 1000), networkEvents)
		wants("of another network", spendMany(r, quiet, audit.SessionOpened, 20), 20)
		wants("failed logins", spendMany(r, flood, audit.AuthFailed, 5000), networkLogins)
		r.refund(netip.MustParsePrefix(flood), 7)
		wants("given back", spendMany(r, flood, audit.SessionOpened, 100), 7)
		pass(rationTime / 2)
		wants("after half a minute", spendMany(r, flood, audit.SessionHello, 1000), networkEvents/2)
		pass(rationTime/2 + time.Second)
		synctest.Wait()
		if len(*told) != 1 {
			t.Fatalf("told %+v", *told)
		}
		e := (*told)[0]
		if e.Kind != audit.EventsOmitted || e.Data["network"] != flood || e.Data["events"] != strconv.Itoa(700+93+850) || e.Data["logins"] != "2000" {
			t.Errorf("told %+v", e)
		}
		pass(time.Hour)
		synctest.Wait()
		wants("summaries after a quiet hour", len(*told), 1)
		wants("an hour later", spendMany(r, flood, audit.SessionHello, networkEvents+1), networkEvents)
		r.close()
		if len(*told) != 2 || (*told)[1].Data["events"] != "1" {
			t.Errorf("told at the end: %+v", *told)
		}
	})
}

// TestRationsOfManyNetworks is a crowd of more networks than are told apart: neither
// memory nor the record grows with it.
func TestRationsOfManyNetworks(t *testing.T) {
	inRations(t, func(t *testing.T, r *rations, told *[]audit.Event) {
		network := func(i int) string { return fmt.Sprintf("2001:db8:%x::/48", i) }
		allowed := 0
		for i := range 3 * maxNetworks {
			allowed += spendMany(r, network(i), audit.SessionOpened, 10)
		}
		if allowed != allEvents || len(r.networks) > maxNetworks {
			t.Errorf("%d events recorded of %d networks", allowed, len(r.networks))
		}
		pass(rationTime + time.Second)
		synctest.Wait()
		omitted := 0
		for _, e := range *told {
			n, _ := strconv.Atoi(e.Data["events"])
			omitted += n
		}
		if omitted != 30*maxNetworks-allEvents || len(*told) > maxNetworks+1 {
			t.Errorf("%d summaries tell of %d events", len(*told), omitted)
		}
		pass(rationTime)
		if got := spendMany(r, network(4*maxNetworks), audit.SessionOpened, 1); got != 1 || len(r.networks) != 1 {
			t.Errorf("after the flood %d networks are kept, %d recorded", len(r.networks), got)
		}
	})
}

// lines counts what is logged.
type lines struct {
	slog.Handler
	n atomic.Int64
}

func (l *lines) Handle(ctx context.Context, r slog.Record) error {
	l.n.Add(1)
	return l.Handler.Handle(ctx, r)
}

// TestFloodBeforeLogin lets many sessions of one network come and go, be refused,
// and one of them log in: record and log stay small, nothing is lost from
// the count, and that one's story is whole from AUTH on.
func TestFloodBeforeLogin(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	log := &lines{Handler: slog.NewTextHandler(io.Discard, nil)}
	f.gate.opt.Recorder = audit.NewRecorder(f.store, audit.RecorderOptions{Logger: slog.New(log)})
	defer f.gate.opt.Recorder.Close(ctx)
	const sessions = 500
	for range sessions {
		s := f.connect()
		s.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedHello, Text: strings.Repeat("x", 300)})
		s.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedRefusal, Code: 500})
		s.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedClose, Text: "eof"})
		f.gate.Refused(s.(*session).peer, smtp.ETooManyConnectionsFromYou)
	}
	honest := f.login().(*session)
	honest.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedAuthOK, Text: "PLAIN"})
	honest.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedRefusal, Code: 550})
	f.must(f.gate.opt.Recorder.Flush(ctx))
	_, err := f.submit(honest, testLogin, strings.NewReader("From: "+testLogin+"\r\n\r\nx\r\n"), "b@example.com")
	f.must(err)
	honest.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedClose, Text: "quit"})
	f.gate.Close()
	f.must(f.gate.opt.Recorder.Flush(ctx))

	story, err := f.store.Search(ctx, audit.Query{Session: honest.peer.ID})
	f.must(err)
	var kinds []string
	for _, e := range story {
		kinds = append(kinds, string(e.Kind))
	}
	if got := strings.Join(kinds, " "); got != "auth.passed command.refused submission.accepted session.closed" {
		t.Errorf("the story of who logged in: %s", got)
	}
	if got := story[len(story)-1].Data["unrecorded"]; got != "2" { // its session.opened and session.tls
		t.Errorf("%q events of it are said to be missing", got)
	}
	all, err := f.store.Search(ctx, audit.Query{})
	f.must(err)
	recorded, omitted := 0, 0
	for _, e := range all {
		switch {
		case e.Kind == audit.EventsOmitted:
			n, _ := strconv.Atoi(e.Data["events"])
			omitted += n
		case e.Login == "" && e.Actor == "":
			recorded++
		}
	}
	if recorded < networkEvents || recorded > 2*networkEvents || recorded+omitted != 5*sessions+2 {
		t.Errorf("%d recorded, %d omitted of %d", recorded, omitted, 5*sessions+2)
	}
	if n := log.n.Load(); n > 2*networkEvents+100 {
		t.Errorf("%d lines of log", n)
	}
}

// TestLoginsGiveTheRationBack wants a network whose clients all log in to be
// recorded whole, however many they are.
func TestLoginsGiveTheRationBack(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	const sessions = 2 * networkEvents
	for range sessions {
		s := f.connect().(*session)
		s.login = testLogin // as VerifyPassword does
		s.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedAuthOK, Text: "PLAIN"})
	}
	f.gate.Close()
	f.must(f.recorder.Flush(ctx))
	for kind, want := range map[audit.Kind]int{audit.SessionOpened: sessions, audit.AuthPassed: sessions, audit.EventsOmitted: 0} {
		events, err := f.store.Search(ctx, audit.Query{Kind: kind})
		f.must(err)
		if len(events) != want {
			t.Errorf("%d events %s, want %d", len(events), kind, want)
		}
	}
}
