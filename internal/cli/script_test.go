package cli

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"countersign/internal/account"
	"countersign/internal/app"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/postgres"
	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
)

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

// Each script of testdata runs commands on a store of its own, in this process.
// Besides those of testscript there are:
//
//	countersign ARGS [<FILE]   the command line; "!" in front wants it to fail
//	status N                   the exit status of the last countersign
//	fill                       see the function
//	guess NET LOGIN N  stores what N wrong passwords leave, see guess
//	send LOGIN NAME            stores what sending with a credential leaves, see send
//	looked DOMAIN VERDICT POLICY REASON
//	                           stores what the regular look at a domain finds, see looked
//	resolver FILE...           has names looked up at a server with the TXT and A records of
//	                           the files, whose other lines do not count
func TestScripts(t *testing.T) {
	runScripts(t, testscript.Params{Dir: "testdata"}, func(string) string { return smallConfig })
}

// TestScriptsOnPostgres runs the scripts that are about what the store keeps on
// the other engine.
func TestScriptsOnPostgres(t *testing.T) {
	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true, Prepare: func(ctx context.Context, url string) error {
		s, err := postgres.Open(ctx, postgres.Options{URL: url})
		if err != nil {
			return err
		}
		return s.Close()
	}})
	var files []string
	databases := map[string]string{}
	for _, name := range []string{"access", "account", "audit", "auth", "ban", "credential", "customer", "domain", "grant", "guard", "import", "key", "limit", "plan", "queue", "rule", "trace"} {
		files = append(files, filepath.Join("testdata", name+".txt"))
		databases["script-"+name] = cluster.Database(t)
	}
	runScripts(t, testscript.Params{Files: files}, func(script string) string {
		return smallConfig + fmt.Sprintf("[store]\nurl = %q\n", databases[script])
	})
}

// runScripts runs scripts with the configuration of each.
func runScripts(t *testing.T, p testscript.Params, config func(script string) string) {
	t.Helper()
	p.Setup = func(env *testscript.Env) error {
		return os.WriteFile(filepath.Join(env.WorkDir, "countersign.toml"), []byte(config(filepath.Base(env.WorkDir))), 0o600)
	}
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){
		"countersign": runCommand,
		"status": func(ts *testscript.TestScript, _ bool, args []string) {
			if got := ts.Getenv("status"); len(args) != 1 || got != args[0] {
				ts.Fatalf("the last exit status was %s", got)
			}
		},
		"fill": func(ts *testscript.TestScript, _ bool, _ []string) {
			ts.Check(fill(context.Background(), ts.MkAbs("countersign.toml")))
		},
		"guess": func(ts *testscript.TestScript, _ bool, args []string) {
			if len(args) != 3 {
				ts.Fatalf("guess NETWORK LOGIN N")
			}
			ts.Check(guess(context.Background(), ts.MkAbs("countersign.toml"), args))
		},
		"send": func(ts *testscript.TestScript, _ bool, args []string) {
			if len(args) != 2 {
				ts.Fatalf("send LOGIN NAME")
			}
			ts.Check(send(context.Background(), ts.MkAbs("countersign.toml"), args[0], args[1]))
		},
	}
	p.Cmds["looked"] = func(ts *testscript.TestScript, _ bool, args []string) {
		if len(args) != 4 {
			ts.Fatalf("looked DOMAIN VERDICT POLICY REASON")
		}
		ts.Check(looked(context.Background(), ts.MkAbs("countersign.toml"), args))
	}
	p.Cmds["resolver"] = func(ts *testscript.TestScript, _ bool, files []string) {
		d := testkit.NewDNS(t)
		for _, file := range files {
			for line := range strings.Lines(ts.ReadFile(file)) {
				if strings.Contains(line, ". IN TXT ") || strings.Contains(line, ". IN A ") {
					d.Add(strings.TrimSpace(line))
				}
			}
		}
		path := ts.MkAbs("countersign.toml")
		text, _, _ := strings.Cut(ts.ReadFile(path), "[dns]")
		ts.Check(os.WriteFile(path, []byte(text+fmt.Sprintf("[dns]\nservers = [%q]\n[alignment]\naddresses = [\"192.0.2.10\"]\n", d.Addr())), 0o600))
	}
	testscript.Run(t, p)
}

// runCommand is "countersign" in scripts.
func runCommand(ts *testscript.TestScript, neg bool, args []string) {
	var stdin io.Reader = strings.NewReader("")
	if last := len(args) - 1; last >= 0 && strings.HasPrefix(args[last], "<") {
		stdin = strings.NewReader(ts.ReadFile(args[last][1:]))
		args = args[:last]
	}
	env := SystemEnv("test")
	env.Actor = "cli:tester"
	args = append([]string{"--config", ts.MkAbs("countersign.toml")}, args...)
	status := Run(args, stdin, ts.Stdout(), ts.Stderr(), env)
	ts.Setenv("status", strconv.Itoa(status))
	if (status != statusDone) != neg {
		ts.Fatalf("exit status %d", status)
	}
}

// The ids of what fill makes.
const (
	filledSession = "01K0000000000000000000SESS"
	filledFirst   = "01K000000000000000000F1RST"
	filledSecond  = "01K00000000000000000SEC0ND"
	filledReport  = "01K00000000000000000REP0RT"
)

// storeOf opens the store of a configuration as the commands do.
func storeOf(ctx context.Context, path string) (*config.Config, app.Store, error) {
	cfg, _, err := loading.Load(path)
	if err != nil {
		return nil, nil, err
	}
	store, err := app.OpenStore(ctx, cfg, false)
	return cfg, store, err
}

// fill stores what a session leaves in which a@example.org sends two messages:
// of the first, one recipient was delivered to, one is deferred and one failed
// with a report to the sender; the second has not been tried.
func fill(ctx context.Context, path string) error {
	_, store, err := storeOf(ctx, path)
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
				ID: id, Session: filledSession, Account: sender.Account.ID, Credential: sender.Account.Password().ID, Login: "a@example.org",
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

// send stores a message to two recipients that came under a credential, neither of
// which was tried, and the use of it from 192.0.2.7 by PLAIN; by nothing for a network.
func send(ctx context.Context, path, login, name string) error {
	_, store, err := storeOf(ctx, path)
	if err != nil {
		return err
	}
	defer store.Close()
	sender, err := store.Sender(ctx, login)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(sender.Account.Credentials, func(c account.Credential) bool { return c.Name == name })
	if i < 0 {
		return fmt.Errorf("%s has no credential %s", login, name)
	}
	credential, at := sender.Account.Credentials[i], time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	id := (&mail.IDSource{Now: time.Now}).New()
	a := &queue.Acceptance{
		Submission: queue.Submission{
			ID: id, Session: filledSession, Account: sender.Account.ID, Login: login, Credential: credential.ID,
			Domain: sender.Domain.Name, Customer: sender.Customer.Name, At: at, Expires: at.Add(time.Hour),
			Envelope: mail.Envelope{From: sender.Account.Address, Body: mail.Body7Bit}, Size: 12,
		},
		Content:    queue.Content{Head: []byte("A: b\r\n\r\n"), Body: []byte("x\r\n")},
		Events:     []audit.Event{{At: at, Kind: audit.Accepted, Session: filledSession, Submission: id, Login: login}},
		Generation: sender.Generation, Revision: sender.Account.Revision,
	}
	for n := 1; n <= 2; n++ {
		a.Deliveries = append(a.Deliveries, queue.Delivery{
			Submission: id, N: n, State: queue.Queued, Next: at,
			Recipient: mail.Recipient{To: mail.Address{Local: "to", Domain: "dest.example"}},
		})
	}
	if err := store.Accept(ctx, a); err != nil {
		return err
	}
	use := account.Use{Credential: credential.ID, At: at, Client: netip.MustParseAddr("192.0.2.7"), Session: filledSession, Program: "printer.example"}
	if credential.Kind != account.Network {
		use.Mechanism = "PLAIN"
	}
	return store.Used(ctx, []account.Use{use})
}
