package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/sink"
	"countersign/test/harness"
)

// box keeps what the next hop got.
type box struct {
	mu   sync.Mutex
	mail []string
}

func (b *box) take(m sink.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mail = append(b.mail, string(m.Data))
	return nil
}

func (b *box) find(text string) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.mail {
		if strings.Contains(m, text) {
			return m, true
		}
	}
	return "", false
}

// newGate starts a gate in front of a box.
func newGate(t *testing.T) (*harness.Gate, *box) {
	t.Helper()
	b, address := newBox(t)
	return harness.Serve(t, address, ""), b
}

// newBox starts a box, and returns where it listens.
func newBox(t *testing.T) (b *box, address string) {
	t.Helper()
	b = &box{}
	hop, err := sink.Listen("127.0.0.1:0", b.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	return b, hop.Addr()
}

// waitFor waits until a message with that subject has come.
func (b *box) waitFor(t *testing.T, subject string) {
	t.Helper()
	harness.WaitFor(t, "the message at the next hop", func() bool {
		_, ok := b.find("Subject: " + subject + "\r\n")
		return ok
	})
}

// client is one way to submit a message; args says how to run it.
type client struct {
	name string
	args func(g *harness.Gate, o attempt) []string
	// stdin says that the message goes to standard input; otherwise the
	// program makes its own around the subject.
	stdin bool
}

// attempt is one try.
type attempt struct {
	implicit  bool
	mechanism string
	login     string
	password  string
	from      string // of the envelope
	author    string // the From field of the header
	subject   string
	file      string // the message
	dir       string // a folder of the test's own
	wrongPort bool
	tls       string // the version, where the program can choose one
	cert, key string // the files of a client certificate; "" for none
}

// rightly is an attempt with which nothing is wrong.
func rightly(implicit bool, mechanism, subject string) attempt {
	return attempt{
		implicit: implicit, mechanism: mechanism, subject: subject,
		login: harness.Login, password: harness.Password, from: harness.Login, author: harness.Login,
	}
}

// bearer reports whether the password is a bearer token.
func (o attempt) bearer() bool { return o.mechanism == "OAUTHBEARER" || o.mechanism == "XOAUTH2" }

// secretFile writes the password into a file of its own.
func (o attempt) secretFile() string {
	file := filepath.Join(o.dir, "secret")
	os.WriteFile(file, []byte(o.password+"\n"), 0o600) // where that fails, the program finds none
	return file
}

// patience is how many seconds a client waits. A plain-text client waits in
// vain for the greeting of a TLS port, so there it is short.
func (o attempt) patience() string {
	if o.wrongPort {
		return "3"
	}
	return "15"
}

func (o attempt) text() string {
	return "From: <" + o.author + ">\r\nTo: <b@example.com>\r\nSubject: " + o.subject + "\r\n\r\nHello from outside.\r\n"
}

// address returns the listener to use, or on purpose the other one.
func (o attempt) address(g *harness.Gate) (host, port string) {
	address := g.Submission
	if o.implicit != o.wrongPort {
		address = g.Submissions
	}
	host, port, _ = net.SplitHostPort(address)
	return host, port
}

func clients() []client {
	return []client{
		{name: "swaks", args: func(g *harness.Gate, o attempt) []string {
			host, port := o.address(g)
			tls := "--tls"
			if o.implicit {
				tls = "--tls-on-connect"
			}
			return []string{"swaks", "--server", host, "--port", port, tls, "--tls-verify", "--tls-ca-path", g.CAFile,
				"--auth", o.mechanism, "--auth-extra", "dmd5-host=" + harness.Host, "--auth-user", o.login, "--auth-password", o.password, "--from", o.from, "--to", "b@example.com",
				"--header", "Subject: " + o.subject, "--header", "From: <" + o.author + ">", "--timeout", o.patience()}
		}},
		{name: "curl", stdin: true, args: func(g *harness.Gate, o attempt) []string {
			_, port := o.address(g)
			url := "smtp://localhost:" + port
			if o.implicit {
				url = "smtps://localhost:" + port
			}
			args := []string{"curl", "--silent", "--show-error", "--ssl-reqd", "--max-time", o.patience(), "--cacert", g.CAFile, "--url", url,
				"--login-options", "AUTH=" + o.mechanism, "--mail-from", o.from, "--mail-rcpt", "b@example.com", "--upload-file", o.file}
			if o.cert != "" {
				args = append(args, "--cert", o.cert, "--key", o.key)
			}
			if o.bearer() {
				return append(args, "--user", o.login+":", "--oauth2-bearer", o.password)
			}
			return append(args, "--user", o.login+":"+o.password)
		}},
		{name: "msmtp", stdin: true, args: func(g *harness.Gate, o attempt) []string {
			_, port := o.address(g)
			starttls := "on"
			if o.implicit {
				starttls = "off"
			}
			args := []string{"msmtp"}
			if o.cert != "" {
				args = append(args, "--tls-cert-file="+o.cert, "--tls-key-file="+o.key)
			}
			return append(args, "--file=/dev/null", "--host=localhost", "--port="+port, "--tls=on", "--tls-starttls="+starttls,
				"--tls-trust-file="+g.CAFile, "--auth="+strings.ToLower(o.mechanism), "--user="+o.login,
				"--passwordeval=cat "+o.secretFile(), "--from="+o.from, "--timeout="+o.patience(), "b@example.com")
		}},
	}
}

// run executes one attempt with a client and returns what it said.
func run(t *testing.T, g *harness.Gate, c client, o attempt) (string, error) {
	t.Helper()
	o.dir = t.TempDir()
	o.file = filepath.Join(o.dir, "message.eml")
	if err := os.WriteFile(o.file, []byte(o.text()), 0o600); err != nil {
		t.Fatal(err)
	}
	args := c.args(g, o)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if c.stdin {
		f, err := os.Open(o.file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.Stdin = f
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestClientsSubmit lets each client in by each mechanism on both ports, and
// finds the message at the next hop.
func TestClientsSubmit(t *testing.T) {
	g, b := newGate(t)
	for _, c := range clients() {
		for _, mechanism := range []string{"PLAIN", "LOGIN"} {
			for _, implicit := range []bool{false, true} {
				name := fmt.Sprintf("%s-%s-implicit=%v", c.name, mechanism, implicit)
				t.Run(name, func(t *testing.T) {
					out, err := run(t, g, c, rightly(implicit, mechanism, name))
					if err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
					b.waitFor(t, name)
				})
			}
		}
	}
}

// refusal is what one client makes of a refusal: its exit status, which
// scripts look at, and what it prints, which people read.
type refusal struct {
	status int
	says   string
}

// sessionID is the end of a refusal, which differs with every session.
var sessionID = regexp.MustCompile(`(?:\[|\?id=)([0-9A-Z]{26})`)

// refused makes an attempt that must fail as wanted, and returns what the
// client printed.
func refused(t *testing.T, g *harness.Gate, c client, o attempt, want refusal) string {
	t.Helper()
	out, err := run(t, g, c, o)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("it went through, or could not run (%v):\n%s", err, out)
	}
	if exit.ExitCode() != want.status || !strings.Contains(out, want.says) {
		t.Errorf("status %d, want %d with %q in:\n%s", exit.ExitCode(), want.status, want.says, out)
	}
	return out
}

// TestWrongPassword looks at what a person sees of a wrong password and of a
// login that does not exist, which must be the same.
func TestWrongPassword(t *testing.T) {
	g, b := newGate(t)
	const text = "535 5.7.8 "
	want := map[string]refusal{"swaks": {28, text}, "curl": {67, "Login denied"}, "msmtp": {77, text}}
	for _, c := range clients() {
		for _, mechanism := range []string{"PLAIN", "LOGIN"} {
			for _, implicit := range []bool{false, true} {
				name := fmt.Sprintf("%s-%s-implicit=%v", c.name, mechanism, implicit)
				t.Run(name, func(t *testing.T) {
					o := rightly(implicit, mechanism, name)
					o.password = "not the password"
					known := refused(t, g, c, o, want[c.name])
					o.login = "x@example.org" // as long as the other: base64 shows the length
					unknown := refused(t, g, c, o, want[c.name])
					if answer(known) != answer(unknown) {
						t.Errorf("the answer tells whether the account exists:\n%s\n%s", known, unknown)
					}
				})
			}
		}
	}
	b.wantEmpty(t)
}

// answer returns the lines of a client's output that stem from the refusal,
// without the session's id.
func answer(out string) string {
	var lines []string
	for line := range strings.Lines(sessionID.ReplaceAllString(out, "[]")) {
		if strings.Contains(line, "535") || strings.Contains(line, "denied") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestForeignSender refuses what is not the account's own, in the envelope and
// in the header, each alone and both together.
func TestForeignSender(t *testing.T) {
	g, b := newGate(t)
	const foreign = "president@elsewhere.example"
	const notOwned = "550 5.7.1 "
	tests := []struct {
		name         string
		from, author string
		want         map[string]refusal
	}{
		{"envelope", foreign, harness.Login, map[string]refusal{"swaks": {23, notOwned}, "curl": {55, "MAIL failed: 550"}, "msmtp": {65, notOwned}}},
		{"header", harness.Login, foreign, map[string]refusal{"swaks": {26, notOwned}, "curl": {8, "curl: (8)"}, "msmtp": {69, notOwned}}},
		{"both", foreign, foreign, map[string]refusal{"swaks": {23, notOwned}, "curl": {55, "MAIL failed: 550"}, "msmtp": {65, notOwned}}},
	}
	for _, tt := range tests {
		for _, c := range clients() {
			for _, implicit := range []bool{false, true} {
				name := fmt.Sprintf("%s-%s-implicit=%v", tt.name, c.name, implicit)
				t.Run(name, func(t *testing.T) {
					o := rightly(implicit, "PLAIN", name)
					o.from, o.author = tt.from, tt.author
					refused(t, g, c, o, tt.want[c.name])
				})
			}
		}
	}
	b.wantEmpty(t)
}

// TestWrongPort points a client that begins with TLS at the port for STARTTLS,
// and one that begins in plain text at the port for TLS.
func TestWrongPort(t *testing.T) {
	g, b := newGate(t)
	// Only swaks says something after having waited for a greeting, and so gets
	// to see the answer.
	const answer = "554 5.7.0 "
	tests := []struct {
		implicit bool // what the client speaks
		want     map[string]refusal
	}{
		{true, map[string]refusal{
			"swaks": {29, "TLS startup failed"}, "curl": {35, "wrong version number"}, "msmtp": {76, "TLS handshake failed"},
		}},
		{false, map[string]refusal{
			"swaks": {21, answer}, "curl": {28, "timed out"}, "msmtp": {74, "timed out"},
		}},
	}
	for _, tt := range tests {
		for _, c := range clients() {
			t.Run(fmt.Sprintf("%s-implicit=%v", c.name, tt.implicit), func(t *testing.T) {
				o := rightly(tt.implicit, "PLAIN", "wrong port")
				o.wrongPort = true
				out := refused(t, g, c, o, tt.want[c.name])
				if id := sessionID.FindStringSubmatch(out); id != nil {
					harness.WaitFor(t, "the record of the wrong port", func() bool {
						return strings.Contains(g.Admin("", "trace", id[1]), "session.wrong-port")
					})
				}
			})
		}
	}
	// None of the three shows what the gate answered to their TLS, which is no
	// TLS; the operator is told by the log.
	harness.WaitFor(t, "the log of TLS on the port for STARTTLS", func() bool {
		log, err := os.ReadFile(filepath.Join(g.Dir, "log"))
		return err == nil && strings.Count(string(log), "reason=wrong-port-tls") == len(clients())
	})
	b.wantEmpty(t)
}

// wantEmpty fails if anything has arrived.
func (b *box) wantEmpty(t *testing.T) {
	t.Helper()
	if m, ok := b.find(""); ok {
		t.Errorf("a refused message arrived:\n%s", m)
	}
}
