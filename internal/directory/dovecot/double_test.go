package dovecot

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// double is a Dovecot that says what it is told, on a real socket.
type double struct {
	t        *testing.T
	listener net.Listener
	// hello is its side of the handshake.
	hello string
	// patient says that it waits for ours first, as Dovecot does since 2.4.
	patient bool
	// answers returns what is said to a line, "" for nothing. It may block.
	answers func(line string) string
	all     sync.WaitGroup
	wake    chan struct{} // has a token where there are new lines

	mu    sync.Mutex // guards what follows
	lines []string
	conns []net.Conn
	pids  []string
}

const hello = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\tactive\nMECH\tX-STEPS\n" +
	"SPID\t7\nCUID\t1\nCOOKIE\t00112233445566778899aabbccddeeff\nDONE\n"

// start starts a double that ends with the test.
func start(t *testing.T, hello string, answers func(string) string) *double {
	t.Helper()
	return (&double{hello: hello, answers: answers}).start(t)
}

func (s *double) start(t *testing.T) *double {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	s.t, s.wake = t, make(chan struct{}, 1)
	var err error
	if s.listener, err = net.Listen("unix", filepath.Join(t.TempDir(), "s")); err != nil {
		t.Fatal(err)
	}
	s.all.Go(s.accept)
	t.Cleanup(func() {
		s.listener.Close()
		s.hangUp()
		s.all.Wait()
	})
	return s
}

func (s *double) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		s.all.Go(func() { s.serve(conn) })
	}
}

func (s *double) serve(conn net.Conn) {
	defer conn.Close()
	if !s.patient {
		_, _ = conn.Write([]byte(s.hello))
	}
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\n")
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.mu.Unlock()
		select {
		case s.wake <- struct{}{}:
		default:
		}
		if strings.HasPrefix(line, "VERSION\t") {
			continue
		}
		if pid, ok := strings.CutPrefix(line, "CPID\t"); ok {
			s.mu.Lock()
			s.pids = append(s.pids, pid)
			s.mu.Unlock()
			if s.patient {
				_, _ = conn.Write([]byte(s.hello))
			}
			continue
		}
		s.all.Go(func() { // so that one that blocks keeps nobody else waiting
			if text := s.answers(line); text != "" {
				_, _ = conn.Write([]byte(text))
			}
		})
	}
}

// hangUp ends all connections.
func (s *double) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// seen waits until a line with that beginning has come, and returns it.
func (s *double) seen(start string) string {
	s.t.Helper()
	end := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		at := slices.IndexFunc(s.lines, func(line string) bool { return strings.HasPrefix(line, start) })
		if at >= 0 {
			defer s.mu.Unlock()
			return s.lines[at]
		}
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-end:
			s.t.Fatalf("no line begins with %q", start)
		}
	}
}

func (s *double) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pids)
}

// asking returns a Dovecot that asks the double.
func (s *double) asking(more func(*Options)) *Dovecot {
	s.t.Helper()
	opt := Options{Name: "panel", Address: s.listener.Addr().String(), Exchanges: 4, Plan: "plan", Customer: "customer", Aliases: "aliases"}
	if more != nil {
		more(&opt)
	}
	d, err := New(opt)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { d.Close() })
	return d
}

var question = directory.Question{
	Login: "a@example.org", Password: "s3cret", Client: netip.MustParseAddr("::ffff:192.0.2.1"), Session: "01J9\tx", Mechanism: "PLAIN",
}

// says answers each AUTH with the rest of a line, in which %s is the id.
func says(format string) func(string) string {
	return func(line string) string {
		if !strings.HasPrefix(line, "AUTH\t") {
			return ""
		}
		return fmt.Sprintf(format, idOf(line))
	}
}

func idOf(line string) string { return strings.Split(line, "\t")[1] }

// wants wants an error of a kind with a text in it, and no secret.
func wants(t *testing.T, err error, kind fault.Kind, part string) {
	t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(err.Error(), part) {
		t.Errorf("%v; want %v with %q", err, kind, part)
		return
	}
	for _, secret := range []string{"s3cret", base64.StdEncoding.EncodeToString([]byte("\x00a@example.org\x00s3cret"))} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds a secret: %v", err)
		}
	}
}

// asks asks with the time of a Guard.
func asks(t *testing.T, d *Dovecot) (*directory.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return d.Ask(ctx, question)
}
