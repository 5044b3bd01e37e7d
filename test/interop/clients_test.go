package interop

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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
	b := &box{}
	hop, err := sink.Listen("127.0.0.1:0", b.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	return harness.Serve(t, hop.Addr(), ""), b
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
	password  string
	from      string
	subject   string
	file      string // the message
	dir       string // a folder of the test's own
	wrongPort bool
}

func (o attempt) text() string {
	return "From: <" + o.from + ">\r\nTo: <b@example.com>\r\nSubject: " + o.subject + "\r\n\r\nHello from outside.\r\n"
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
				"--auth", o.mechanism, "--auth-user", harness.Login, "--auth-password", o.password,
				"--from", o.from, "--to", "b@example.com", "--header", "Subject: " + o.subject, "--timeout", "15"}
		}},
		{name: "curl", stdin: true, args: func(g *harness.Gate, o attempt) []string {
			_, port := o.address(g)
			url := "smtp://localhost:" + port
			if o.implicit {
				url = "smtps://localhost:" + port
			}
			return []string{"curl", "--silent", "--show-error", "--ssl-reqd", "--max-time", "15", "--cacert", g.CAFile, "--url", url,
				"--login-options", "AUTH=" + o.mechanism, "--user", harness.Login + ":" + o.password,
				"--mail-from", o.from, "--mail-rcpt", "b@example.com", "--upload-file", o.file}
		}},
		{name: "msmtp", stdin: true, args: func(g *harness.Gate, o attempt) []string {
			_, port := o.address(g)
			secret := filepath.Join(o.dir, "secret")
			os.WriteFile(secret, []byte(o.password+"\n"), 0o600)
			starttls := "on"
			if o.implicit {
				starttls = "off"
			}
			return []string{"msmtp", "--file=/dev/null", "--host=localhost", "--port=" + port, "--tls=on", "--tls-starttls=" + starttls,
				"--tls-trust-file=" + g.CAFile, "--auth=" + strings.ToLower(o.mechanism), "--user=" + harness.Login,
				"--passwordeval=cat " + secret, "--from=" + o.from, "--timeout=15", "b@example.com"}
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
					out, err := run(t, g, c, attempt{
						implicit: implicit, mechanism: mechanism, password: harness.Password, from: harness.Login, subject: name,
					})
					if err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
					harness.WaitFor(t, "the message at the next hop", func() bool {
						_, ok := b.find("Subject: " + name + "\r\n")
						return ok
					})
				})
			}
		}
	}
}

// TestClientsAreRefused looks at what a person sees when something is wrong.
func TestClientsAreRefused(t *testing.T) {
	g, b := newGate(t)
	right := attempt{implicit: true, mechanism: "PLAIN", password: harness.Password, from: harness.Login}
	tests := []struct {
		name   string
		change func(*attempt)
		want   string // in what swaks prints
	}{
		{"wrong-password", func(o *attempt) { o.password = "not the password" }, "535 5.7.8"},
		{"foreign-from", func(o *attempt) { o.from = "president@elsewhere.example" }, "550 5.7.1"},
		{"wrong-port", func(o *attempt) { o.wrongPort = true }, ""},
	}
	for _, tt := range tests {
		for _, c := range clients() {
			t.Run(tt.name+"-"+c.name, func(t *testing.T) {
				o := right
				o.subject = tt.name + "-" + c.name
				tt.change(&o)
				out, err := run(t, g, c, o)
				if err == nil {
					t.Fatalf("it went through:\n%s", out)
				}
				if c.name == "swaks" && !strings.Contains(out, tt.want) {
					t.Errorf("no %q in:\n%s", tt.want, out)
				}
				if strings.Contains(out, "535") && strings.Contains(strings.ToLower(out), "unknown") {
					t.Errorf("the answer tells whether the account exists:\n%s", out)
				}
			})
		}
	}
	if m, ok := b.find(""); ok {
		t.Errorf("a refused message arrived:\n%s", m)
	}
}
