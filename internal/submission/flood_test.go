package submission

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/ration"
	"countersign/internal/submission/recording"
)

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
	opt := f.gate.opt
	opt.Recorder = audit.NewRecorder(f.store, audit.RecorderOptions{Logger: slog.New(log)})
	defer opt.Recorder.Close(ctx)
	began := time.Now()
	opt.Now = func() time.Time { return began } // with time, the network would get some of its ration back
	f.gate = New(opt)
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
	recorded, omitted, opened, missed := 0, 0, map[mail.ID]bool{}, 0
	for _, e := range all {
		if e.Kind == audit.SessionOpened {
			opened[e.Session] = true
		}
		if e.Kind == audit.SessionClosed {
			delete(opened, e.Session)
		}
		if n, err := strconv.Atoi(e.Data["connections"]); err == nil {
			missed += n
		}
		switch {
		case e.Kind == audit.EventsOmitted:
			n, _ := strconv.Atoi(e.Data["events"])
			omitted += n
		case e.Login == "" && e.Actor == "":
			recorded++
		}
	}
	if recorded < ration.NetworkEvents || recorded > 2*ration.NetworkEvents || recorded+omitted != 5*sessions+2 {
		t.Errorf("%d recorded, %d omitted of %d", recorded, omitted, 5*sessions+2)
	}
	begun, err := f.store.Search(ctx, audit.Query{Kind: audit.SessionOpened})
	f.must(err)
	if len(begun)+missed != sessions+1 || len(opened) > 0 {
		t.Errorf("%d sessions are recorded and %d told of, of %d; of %d there is no end", len(begun), missed, sessions+1, len(opened))
	}
	if n := log.n.Load(); n > 2*ration.NetworkEvents+100 {
		t.Errorf("%d lines of log", n)
	}
}

// TestLoginsGiveTheRationBack wants a network whose clients all log in to be
// recorded whole, however many they are.
func TestLoginsGiveTheRationBack(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	const sessions = 2 * ration.NetworkEvents
	for range sessions {
		s := f.connect().(*session)
		s.record.Login = testLogin // as VerifyPassword does
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

// TestEndOfWhatIsRecorded: a session whose beginning is recorded has its end recorded, also when the ration of its
// network is used up meanwhile; one whose beginning is not recorded has not.
func TestEndOfWhatIsRecorded(t *testing.T) {
	f := newFixture(t)
	ctx, at := t.Context(), time.Now()
	f.gate.records = recording.New(recording.Options{ // in which nothing comes back
		Record: f.recorder.Record, LeftOut: func() {}, Now: func() time.Time { return at },
	})
	first := f.connect()
	for range ration.NetworkEvents {
		first.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedRefusal, Code: 500})
	}
	late := f.connect()
	for _, s := range []smtpserver.Session{late, first} {
		s.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedClose, Text: "eof"})
	}
	f.must(f.recorder.Flush(ctx))
	ends, err := f.store.Search(ctx, audit.Query{Kind: audit.SessionClosed})
	f.must(err)
	if len(ends) != 1 || ends[0].Session != first.(*session).peer.ID {
		t.Errorf("recorded are %+v", ends)
	}
}
