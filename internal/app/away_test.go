package app

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/textproto"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/sink"
	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
)

// dialogue is one session as a client has it.
type dialogue struct {
	t *testing.T
	*textproto.Conn
}

// openDialogue begins a session with the gate.
func openDialogue(t *testing.T, w *world) *dialogue {
	t.Helper()
	d := dialled(t, w)
	d.want(d.reply(), "220")
	d.want(d.say("EHLO client.example"), "250")
	return d
}

// dialled connects to the gate, which has not greeted yet.
func dialled(t *testing.T, w *world) *dialogue {
	t.Helper()
	roots := testkit.Roots(t, filepath.Join(w.dir, "data", testkit.CAFile))
	c, err := tls.Dial("tcp", w.app.Addresses()["submissions"], &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &dialogue{t, textproto.NewConn(c)}
}

// reply reads one.
func (d *dialogue) reply() string {
	d.t.Helper()
	for {
		line, err := d.ReadLine()
		if err != nil {
			d.t.Fatal(err)
		}
		if len(line) < 4 || line[3] != '-' {
			return line
		}
	}
}

func (d *dialogue) say(line string) string {
	d.t.Helper()
	if err := d.PrintfLine("%s", line); err != nil {
		d.t.Fatal(err)
	}
	return d.reply()
}

func (d *dialogue) want(reply, begin string) {
	d.t.Helper()
	if !strings.HasPrefix(reply, begin) {
		d.t.Errorf("got %q, want %s", reply, begin)
	}
}

// login logs in and returns the answer.
func (d *dialogue) login() string {
	d.t.Helper()
	return d.say("AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+testLogin+"\x00"+testPassword)))
}

// TestAnswersWhileTheDatabaseIsAway takes the database away from open sessions: each
// command is answered within what the manual says, with a code that lets the client
// come back.
func TestAnswersWhileTheDatabaseIsAway(t *testing.T) {
	const patience = time.Second
	const message = "From: " + testLogin + "\r\nTo: b@example.com\r\nDate: Thu, 26 Nov 2026 18:00:00 +0000\r\n\r\nx\r\n."
	for name, tt := range map[string]struct {
		away, back func(*pgcluster.Cluster)
		times      time.Duration // of the patience
	}{
		"stopped": {func(c *pgcluster.Cluster) { c.Stop(t, pgcluster.Immediate) }, func(c *pgcluster.Cluster) { c.Start(t) }, 2},
		"hanging": {func(c *pgcluster.Cluster) { c.Pause(t) }, func(c *pgcluster.Cluster) { c.Continue(t) }, 4},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
			w := newWorld(t, fmt.Sprintf("[store]\nurl = %q\npatience = %q\n", cluster.Database(t), patience), func(sink.Message) error { return nil })
			stranger, early, late := openDialogue(t, w), openDialogue(t, w), openDialogue(t, w)
			for _, d := range []*dialogue{early, late} {
				d.want(d.login(), "235")
			}
			begin := func(d *dialogue) {
				d.want(d.say("MAIL FROM:<"+testLogin+">"), "250")
				d.want(d.say("RCPT TO:<b@example.com>"), "250")
				d.want(d.say("DATA"), "354")
			}
			begin(early)
			early.want(early.say(message), "250") // the keys are known from now on
			begin(late)
			tt.away(cluster)
			defer tt.back(cluster)
			for _, step := range []struct {
				what, want string
				ask        func() string
			}{
				{"the end of DATA", "451 4.3.0", func() string { return late.say(message) }},
				{"MAIL", "451 4.3.0", func() string { return early.say("MAIL FROM:<" + testLogin + ">") }},
				{"AUTH", "454 4.7.0", stranger.login},
			} {
				began := time.Now()
				reply := step.ask()
				took := time.Since(began)
				t.Logf("%s: %s, after %v", step.what, reply, took)
				if !strings.HasPrefix(reply, step.want) {
					t.Errorf("%s got %q, want %s", step.what, reply, step.want)
				}
				if limit := tt.times*patience + 2*time.Second; took > limit {
					t.Errorf("%s was answered after %v, want at most %v", step.what, took, limit)
				}
			}
		})
	}
}
