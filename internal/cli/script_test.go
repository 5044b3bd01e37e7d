package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"countersign/internal/app"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"countersign": func() {
			env := SystemEnv("test")
			env.Actor = "cli:tester"
			os.Exit(Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, env))
		},
		"fill": func() {
			if err := fill(context.Background(), os.Getenv("COUNTERSIGN_CONFIG")); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
	})
}

// smallConfig is the configuration of every script, unless it has its own.
const smallConfig = `hostname = "mail.example.net"
data_dir = "data"

[auth]
hash_memory = "7MiB"
hash_iterations = 1

[[listener]]
name = "submission"
kind = "submission"
address = ["127.0.0.1:0"]

[[certificate]]
name = "main"
source = "self-signed"
`

// Each script of testdata runs the commands on a store of its own. The program
// "fill" puts a session with two submissions into it, see below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			path := filepath.Join(env.WorkDir, "countersign.toml")
			env.Setenv("COUNTERSIGN_CONFIG", path)
			return os.WriteFile(path, []byte(smallConfig), 0o600)
		},
	})
}

// The ids of what fill makes.
const (
	filledSession = "01K0000000000000000000SESS"
	filledFirst   = "01K000000000000000000F1RST"
	filledSecond  = "01K00000000000000000SEC0ND"
	filledReport  = "01K00000000000000000REP0RT"
)

// fill stores what a session leaves in which a@example.org sends two messages:
// of the first, one recipient was delivered to, one is deferred and one failed
// with a report to the sender; the second has not been tried.
func fill(ctx context.Context, path string) error {
	cfg, _, err := config.Load(path)
	if err != nil {
		return err
	}
	store, err := app.OpenStore(ctx, cfg, false)
	if err != nil {
		return err
	}
	defer store.Close()
	sender, err := store.Sender(ctx, "a@example.org")
	if err != nil {
		return err
	}
	start := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	from := mail.Address{Local: "a", Domain: "example.org"}
	accept := func(id mail.ID, second int, to ...string) error {
		a := &queue.Acceptance{
			Submission: queue.Submission{
				ID: id, Session: filledSession, Account: sender.Account.ID, Login: "a@example.org",
				Domain: "example.org", Customer: "acme", At: at(second), Expires: at(432000),
				Envelope: mail.Envelope{From: from, Body: mail.Body7Bit}, Size: 12,
			},
			Content: queue.Content{Head: []byte("A: b\r\n\r\n"), Body: []byte("x\r\n")},
			Events: []audit.Event{{
				At: at(second), Kind: audit.Accepted, Session: filledSession, Submission: id, Login: "a@example.org",
				Client: "192.0.2.1", Data: map[string]string{"from": "a@example.org"},
			}},
			Generation: sender.Generation,
		}
		for i, local := range to {
			a.Deliveries = append(a.Deliveries, queue.Delivery{
				Submission: id, N: i + 1, State: queue.Queued, Next: at(second),
				Recipient: mail.Recipient{To: mail.Address{Local: local, Domain: "dest.example"}},
			})
		}
		return store.Accept(ctx, a)
	}
	if err := accept(filledFirst, 3, "ok", "later", "never"); err != nil {
		return err
	}
	if err := accept(filledSecond, 5, "other"); err != nil {
		return err
	}
	result := func(code int, enhanced, text string) queue.Result {
		return queue.Result{At: at(8), Code: code, Enhanced: enhanced, Text: text, Remote: "mx.dest.example [198.51.100.1]"}
	}
	event := func(kind audit.Kind, n int, r queue.Result, to string) audit.Event {
		return audit.Event{
			At: at(8), Kind: kind, Session: filledSession, Submission: filledFirst, Delivery: n, Login: "a@example.org",
			Code: r.Code, Enhanced: r.Enhanced, Text: r.Text, Data: map[string]string{"to": to, "remote": r.Remote},
		}
	}
	ok, later, never := result(250, "2.0.0", "taken"), result(451, "4.7.1", "greylisted"), result(550, "5.1.1", "no such user")
	err = store.Report(ctx, &queue.Report{
		Submission: filledFirst,
		Outcomes: []queue.Outcome{
			{N: 1, State: queue.Delivered, Result: ok},
			{N: 2, State: queue.Deferred, Result: later, Next: at(308)},
			{N: 3, State: queue.Failed, Result: never},
		},
		Reports: []queue.Acceptance{{
			Submission: queue.Submission{ID: filledReport, Cause: filledFirst, At: at(8), Expires: at(432000)},
			Content:    queue.Content{Head: []byte("A: b\r\n\r\n")},
			Deliveries: []queue.Delivery{{Submission: filledReport, N: 1, State: queue.Queued, Next: at(8), Recipient: mail.Recipient{To: from}}},
			Events: []audit.Event{{
				At: at(8), Kind: audit.BounceAccepted, Submission: filledReport,
				Data: map[string]string{"cause": filledFirst, "to": "a@example.org"},
			}},
		}},
		Events: []audit.Event{
			event(audit.DeliveryDelivered, 1, ok, "ok@dest.example"),
			event(audit.DeliveryDeferred, 2, later, "later@dest.example"),
			event(audit.DeliveryFailed, 3, never, "never@dest.example"),
		},
	})
	if err != nil {
		return err
	}
	// The session's own events are written last, as the recorder does.
	session := func(second int, kind audit.Kind, e audit.Event) audit.Event {
		e.At, e.Kind, e.Session, e.Client = at(second), kind, filledSession, "192.0.2.1"
		return e
	}
	return store.Append(ctx, []audit.Event{
		session(0, audit.SessionOpened, audit.Event{Data: map[string]string{"listener": "submission"}}),
		session(1, audit.AuthFailed, audit.Event{Login: "b@example.org", Code: 535, Enhanced: "5.7.8", Reason: "auth-failed"}),
		session(2, audit.AuthPassed, audit.Event{Login: "a@example.org", Data: map[string]string{"mechanism": "PLAIN"}}),
		session(9, audit.SessionClosed, audit.Event{Login: "a@example.org", Text: "QUIT \x1b[31m"}),
	})
}
