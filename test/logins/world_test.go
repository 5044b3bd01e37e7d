package logins

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"countersign/internal/sink"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// other is a second account of the same domain, with a password of its own.
const (
	other         = "b@example.org"
	otherPassword = "another long test password"
)

// world is a gate with every mechanism and two accounts, whose record is compared with
// what was done to it.
type world struct {
	*harness.Doors
	t *testing.T
	// secrets may be found nowhere.
	secrets []string
	// causes are those of the failed logins of some sessions, in their order.
	causes map[string][]string
}

// newWorld starts one. Sessions may fail often.
func newWorld(t *testing.T, extra string) *world {
	t.Helper()
	hop, err := sink.Listen("127.0.0.1:0", func(sink.Message) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	w := &world{Doors: harness.ServeDoors(t, hop.Addr(), "[session]\nmax_auth_failures = 100000\nmax_syntax_errors = 100000\nmax_connections_per_prefix = 1000\n"+extra), t: t, causes: map[string][]string{}}
	w.Admin(otherPassword+"\n", "account", "add", other)
	w.hide(harness.Password, otherPassword)
	return w
}

// hide adds a secret to look for.
func (w *world) hide(secrets ...string) { w.secrets = append(w.secrets, secrets...) }

// key is the right one.
func (w *world) key() talk.Key {
	token := w.Issuer.Token(w.Issuer.Claims(harness.Login))
	w.hide(token)
	return talk.Key{Login: harness.Login, Password: harness.Password, Token: token}
}

// unharmed wants the process to be the same, to let honest clients in, and no secret in
// log, record and store. It ends the server.
func (w *world) unharmed() {
	w.t.Helper()
	process := w.Process()
	if err := syscall.Kill(process, 0); err != nil {
		w.t.Fatalf("the server's process: %v", err)
	}
	c := talk.LogIn(w.t, w.Gate)
	c.Say("QUIT", "221 ")
	if panicked := w.Events("--kind", "session.panicked"); len(panicked) > 0 {
		w.t.Errorf("it has panicked: %v", panicked)
	}
	w.recorded()
	record := w.Admin("", "audit", "search", "--json", "--limit", "10000")
	w.Kill(syscall.SIGTERM)
	w.lacks("the log", w.Log())
	w.lacks("the record", record)
	files, err := filepath.Glob(filepath.Join(w.Dir, "data", "countersign.db*"))
	if err != nil || len(files) == 0 {
		w.t.Fatalf("no database: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		w.lacks(filepath.Base(file), string(text))
	}
}

// lacks wants no secret in a text, in any form.
func (w *world) lacks(where, text string) {
	w.t.Helper()
	if where != "the record" && !strings.Contains(text, harness.Login) && strings.HasSuffix(where, ".db") {
		w.t.Errorf("%s does not even hold the login", where)
	}
	for _, secret := range w.secrets {
		for _, form := range append(harness.InBase64(secret), secret) {
			if i := strings.Index(text, form); i >= 0 {
				w.t.Errorf("%s holds a secret: %.200q", where, text[max(i-100, 0):])
			}
		}
	}
	for _, word := range []string{"panic:", "goroutine ", "DATA RACE"} {
		if strings.Contains(text, word) && where == "the log" {
			w.t.Errorf("%s holds %q", where, word)
		}
	}
}

// cause wants the login that a session was refused last to be recorded with that cause.
// The record is read by unharmed.
func (w *world) cause(c *talk.Client, want string) {
	w.causes[c.Session] = append(w.causes[c.Session], want)
}

// recorded compares the record with what cause has said.
func (w *world) recorded() {
	w.t.Helper()
	if len(w.causes) == 0 || w.t.Failed() { // what was let in is not there to wait for
		return
	}
	got := map[string][]string{}
	harness.WaitFor(w.t, "the record of all failed logins", func() bool {
		clear(got)
		complete := true
		for _, e := range w.Events("--kind", "auth.failed") {
			got[e.Session] = append(got[e.Session], e.Data["cause"])
		}
		for session, want := range w.causes {
			complete = complete && len(got[session]) >= len(want)
		}
		return complete
	})
	for session, want := range w.causes {
		if !slices.Equal(got[session], want) {
			w.t.Errorf("session %s: the record has\n%q\nwant\n%q", session, got[session], want)
		}
	}
}
