package harness

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/internal/loadgen"
	"countersign/internal/testkit"
)

// Login and Password are those of the account of a served gate.
const (
	Login    = testkit.Login
	Password = testkit.Password
)

// Gate is a gate run by "countersign serve" whose next hop is the test's
// own.
type Gate struct {
	t testing.TB
	// Dir is its folder, Config its configuration file, CAFile what its
	// certificate verifies with.
	Dir, Config, CAFile string
	// Program is the binary that its commands run, and the server when it is started
	// next; "" is the one under test, see Binary and Commands.
	Program string
	// Submission, Submissions and Metrics are its listeners.
	Submission, Submissions, Metrics string

	// env is the environment of its processes, cmd the one that serves.
	env    []string
	cmd    *exec.Cmd
	exited chan error
	log    *os.File
}

// FreePort is testkit.FreeAddress: a restart needs the same address, so port 0 would not do.
func FreePort(t testing.TB) string {
	t.Helper()
	return testkit.FreeAddress(t)
}

// Serve writes a configuration, makes the account and starts the server. extra
// is appended to the configuration.
func Serve(t testing.TB, nextHop, extra string) *Gate {
	t.Helper()
	return open(t, testkit.GateConfig{NextHop: nextHop, Extra: extra})
}

// open is Serve with a configuration of which prepare sets the rest.
func open(t testing.TB, c testkit.GateConfig) *Gate {
	t.Helper()
	s := prepare(t, c)
	s.Admin("", "customer", "add", testkit.Customer)
	s.Admin("", "domain", "add", string(testkit.Domain), "--customer", testkit.Customer)
	s.Admin(Password+"\n", "account", "add", Login)
	s.begin()
	return s
}

// Join is Serve for one more gate on a database that has the account already,
// which extra names.
func Join(t testing.TB, nextHop, extra string) *Gate {
	t.Helper()
	s := prepare(t, testkit.GateConfig{NextHop: nextHop, Extra: extra})
	s.begin()
	return s
}

// prepare writes the configuration, for which it chooses folder and addresses. What is measured
// has hashes that cost what they cost.
func prepare(t testing.TB, c testkit.GateConfig) *Gate {
	t.Helper()
	_, c.Costly = t.(*testing.B)
	dir := t.TempDir()
	s := &Gate{
		t: t, Dir: dir, Config: filepath.Join(dir, "countersign.toml"), CAFile: filepath.Join(dir, "data", testkit.CAFile),
		Submission: FreePort(t), Submissions: FreePort(t), Metrics: FreePort(t),
		env: WatchRaces(t),
	}
	c.DataDir, c.Submission, c.Submissions, c.Metrics = filepath.Join(dir, "data"), s.Submission, s.Submissions, s.Metrics
	if err := os.WriteFile(s.Config, []byte(c.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	s.log = log
	return s
}

// begin starts the server and ends it with the test.
func (s *Gate) begin() {
	s.t.Helper()
	s.Start()
	s.t.Cleanup(func() {
		s.Signal(syscall.SIGCONT)
		s.Kill(syscall.SIGTERM)
		if s.t.Failed() {
			text, _ := os.ReadFile(s.log.Name())
			s.t.Logf("serve said:\n%s", tail(string(text), 60))
		}
	})
}

// Signal sends a running server a signal.
func (s *Gate) Signal(signal syscall.Signal) {
	if s.cmd != nil {
		s.cmd.Process.Signal(signal)
	}
}

// Process returns the id of the running server's process, 0 where none runs.
func (s *Gate) Process() int {
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

func tail(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "\n")
}

// Admin runs a command that must succeed.
func (s *Gate) Admin(stdin string, args ...string) string {
	s.t.Helper()
	out, err := s.run(stdin, args...)
	if err != nil {
		s.t.Fatalf("countersign %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Refused runs a command that must fail, "serve" among them, and returns what it
// says.
func (s *Gate) Refused(args ...string) string {
	s.t.Helper()
	out, err := s.run("", args...)
	if err == nil {
		s.t.Fatalf("countersign %s is not refused:\n%s", strings.Join(args, " "), out)
	}
	return out
}

// Told runs a command that may fail, and returns what it says.
func (s *Gate) Told(args ...string) string {
	out, _ := s.run("", args...)
	return out
}

// run runs a command, for no longer than a minute.
func (s *Gate) run(stdin string, args ...string) (string, error) {
	program := s.Program // which may have to be built first
	if program == "" {
		program = Commands(s.t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(args, "--config", s.Config)...)
	cmd.Env = s.env
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), errors.Join(err, ctx.Err())
}

func (s *Gate) program() string {
	if s.Program != "" {
		return s.Program
	}
	return Binary(s.t)
}

// Log returns what its servers have said so far.
func (s *Gate) Log() string {
	s.t.Helper()
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// Start runs the server and waits until it answers. While it was away another program may have
// got one of its ports for an outgoing connection: then it is run again.
func (s *Gate) Start() {
	s.t.Helper()
	s.launch()
	WaitFor(s.t, "the server to answer", func() bool {
		if len(s.exited) > 0 {
			end := tail(s.Log(), 10)
			if !strings.Contains(end, "is taken by another program") {
				s.t.Fatalf("the server has ended:\n%s", end)
			}
			s.launch()
			return false
		}
		c, err := net.Dial("tcp", s.Submissions)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

func (s *Gate) launch() {
	s.t.Helper()
	s.cmd = exec.Command(s.program(), "serve", "--config", s.Config)
	s.cmd.Env = s.env
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(s.cmd, s.exited)
}

// Kill ends the server by a signal and waits for its end.
func (s *Gate) Kill(signal syscall.Signal) {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(signal)
	<-s.exited
	s.cmd = nil
}

// Load describes a load on this gate.
func (s *Gate) Load(messages, connections int) loadgen.Options {
	s.t.Helper()
	return loadgen.Options{
		Address: s.Submissions, ImplicitTLS: true, TLS: &tls.Config{RootCAs: testkit.Roots(s.t, s.CAFile), ServerName: "localhost"},
		Login: Login, Password: Password, From: Login, To: []string{"b@example.com"},
		Connections: connections, Messages: messages, Size: 4096,
	}
}

// WaitFor waits for a condition that another process brings about.
func WaitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(60 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Event is what "audit search --json" prints of one.
type Event struct {
	Kind    string            `json:"kind"`
	Session string            `json:"session"`
	Account string            `json:"account"`
	Code    int               `json:"code"`
	Reason  string            `json:"reason"`
	Data    map[string]string `json:"data"`
}

// Events searches the record: at most a thousand, the newest last.
func (s *Gate) Events(filter ...string) []Event {
	s.t.Helper()
	var list []Event
	out := s.Admin("", append([]string{"audit", "search", "--json", "--limit", "1000"}, filter...)...)
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "{") {
			continue // that there are none, or more
		}
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatalf("audit search prints %q: %v", line, err)
		}
		list = append(list, e)
	}
	return list
}

// Recorded waits for at least n events: most are written behind the answer that they are about.
func (s *Gate) Recorded(n int, filter ...string) []Event {
	s.t.Helper()
	var list []Event
	WaitFor(s.t, fmt.Sprintf("%d events of %q in the record", n, filter), func() bool {
		list = s.Events(filter...)
		return len(list) >= n
	})
	return list
}
