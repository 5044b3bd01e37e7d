package testkit

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/smtp/strict"
)

// Step is where a session of an MX stands when its script is asked.
type Step struct {
	// At is the verb of a command in upper case, or one of "CONNECT", "BODY"
	// (after DATA's 354, before the content is read), "END" (the content has been read).
	At string
	// Line is the command line.
	Line string
	// Connection counts connections from 1, Message the MAIL commands of all
	// connections.
	Connection, Message int
}

// Action is what an MX does at a step. The zero value is what a well-behaved
// server would do.
type Action struct {
	// Say is sent in place of the usual reply; a CRLF is added. A reply of
	// class 2 or 3 in it counts as such.
	Say string
	// Drip sends Say an octet at a time with this wait before each.
	Drip time.Duration
	// Hang says nothing until the client closes.
	Hang bool
	// Drop closes the connection, after Say if there is one.
	Drop bool
	// Raw sends Say without a line end added.
	Raw bool
}

// Received is one message that an MX took.
type Received struct {
	// Mail and Rcpt are the arguments of MAIL and of the accepted RCPTs.
	Mail string
	Rcpt []string
	// Data is the content, dots undone.
	Data string
	// Connection is the one it came over, counted from 1.
	Connection int
	// TLS says that it came over TLS, Login who had logged in.
	TLS   bool
	Login string
}

// MX is a scripted SMTP server. Set the fields before it serves.
type MX struct {
	// Extensions are the lines of its EHLO reply.
	Extensions []string
	// Script decides what it does; nil behaves well. It is called by many
	// goroutines.
	Script func(Step) Action
	// TLS makes it offer STARTTLS, or speak TLS at once with Implicit.
	TLS      *tls.Config
	Implicit bool
	// Login and Password are what AUTH takes; "" offers none.
	Login, Password string

	mu sync.Mutex // guards what follows
	// changed is closed and replaced when messages or connections change.
	changed     chan struct{}
	received    []Received
	commands    []string
	connections int
	messages    int
	open        map[net.Conn]bool
	most        int
	wg          sync.WaitGroup
}

// AllExtensions is what a modern server offers, but for STARTTLS.
func AllExtensions() []string {
	return []string{"PIPELINING", "SIZE 10485760", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"}
}

// Listen makes m serve on a loopback port until the test ends, and returns its
// address.
func (m *MX) Listen(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			m.Serve(conn)
		}
	})
	t.Cleanup(func() {
		l.Close()
		m.Close()
	})
	return l.Addr().String()
}

// Serve serves one connection in the background.
func (m *MX) Serve(conn net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == nil {
		m.open = map[net.Conn]bool{}
	}
	m.connections++
	number := m.connections
	m.open[conn] = true
	m.most = max(m.most, len(m.open))
	m.tell()
	m.wg.Go(func() {
		s := &mxSession{mx: m, conn: conn, number: number}
		s.use(conn)
		s.run()
		s.conn.Close()
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.open, conn)
		m.tell()
	})
}

// Close ends all connections and waits for them.
func (m *MX) Close() {
	m.mu.Lock()
	for conn := range m.open {
		conn.Close()
	}
	m.mu.Unlock()
	m.wg.Wait()
}

// tell wakes those that wait. The lock is held.
func (m *MX) tell() {
	if m.changed != nil {
		close(m.changed)
	}
	m.changed = make(chan struct{})
}

// Received returns the messages taken so far.
func (m *MX) Received() []Received {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Received(nil), m.received...)
}

// Commands returns all command lines so far, in the order of their arrival.
func (m *MX) Commands() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.commands...)
}

// Connections returns how many connections were made, and the most at a time.
func (m *MX) Connections() (all, most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connections, m.most
}

// Wait waits until n messages were taken, and fails the test after ten
// seconds.
func (m *MX) Wait(t testing.TB, n int) []Received {
	t.Helper()
	m.WaitFor(t, func() bool { return len(m.received) >= n })
	return m.Received()
}

// WaitFor waits until done says so; it is asked under m's lock, whenever
// messages or connections have changed.
func (m *MX) WaitFor(t testing.TB, done func() bool) {
	t.Helper()
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	for {
		m.mu.Lock()
		ok, changed := done(), m.changed
		if changed == nil {
			m.changed = make(chan struct{})
			changed = m.changed
		}
		count := len(m.received)
		m.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("the server double waited in vain; it has %d messages", count)
		}
	}
}

// mxSession is one connection of an MX.
type mxSession struct {
	mx     *MX
	conn   net.Conn
	number int
	in     *strict.Reader
	out    *bufio.Writer
	onTLS  bool
	login  string
	mail   string
	rcpt   []string
}

func (s *mxSession) use(conn net.Conn) {
	s.conn = conn
	s.in = strict.NewReader(conn, 64<<10)
	s.out = bufio.NewWriter(conn)
}

// step asks the script and does what it says; usual is the reply of a
// well-behaved server. ok says that the reply was of class 2 or 3; end that
// the session is over.
func (s *mxSession) step(at, line, usual string) (ok, end bool) {
	var a Action
	if s.mx.Script != nil {
		s.mx.mu.Lock()
		step := Step{At: at, Line: line, Connection: s.number, Message: s.mx.messages}
		s.mx.mu.Unlock()
		a = s.mx.Script(step)
	}
	if a.Hang {
		s.out.Flush()
		_, _ = io.Copy(io.Discard, s.conn) // however the client leaves, it has left
		return false, true
	}
	text := usual
	if a.Say != "" {
		text = a.Say
	}
	if text != "" && (!a.Drop || a.Say != "") && !s.say(text, a) {
		return false, true
	}
	if a.Drop {
		s.out.Flush()
		return false, true
	}
	return text != "" && (text[0] == '2' || text[0] == '3'), false
}

// say writes a reply; false when the client is gone.
func (s *mxSession) say(text string, a Action) bool {
	if !a.Raw {
		text += "\r\n"
	}
	if a.Drip == 0 {
		s.out.WriteString(text)
		return true
	}
	for i := range len(text) {
		timer := time.NewTimer(a.Drip)
		<-timer.C
		s.out.WriteByte(text[i])
		if s.out.Flush() != nil {
			return false
		}
	}
	return true
}

// run serves commands to the end.
func (s *mxSession) run() {
	if s.mx.Implicit && !s.startTLS() {
		return
	}
	if _, end := s.step("CONNECT", "", "220 mx.test ESMTP"); end {
		return
	}
	for {
		if s.in.Buffered() == 0 && s.out.Flush() != nil {
			return
		}
		line, err := s.in.ReadLine(16 << 10)
		if err != nil {
			return
		}
		s.mx.mu.Lock()
		s.mx.commands = append(s.mx.commands, string(line))
		s.mx.mu.Unlock()
		if s.command(string(line)) {
			return
		}
	}
}

// command serves one command and reports whether the session is over.
func (s *mxSession) command(line string) (end bool) {
	verb, args, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	ok := false
	switch verb {
	case "EHLO":
		_, end = s.step(verb, line, s.hello())
	case "STARTTLS":
		ok, end = s.step(verb, line, "220 go on")
		if ok && !end {
			return s.out.Flush() != nil || !s.startTLS()
		}
	case "AUTH":
		return s.auth(line, args)
	case "MAIL":
		s.mx.mu.Lock()
		s.mx.messages++
		s.mx.mu.Unlock()
		usual := "250 2.1.0 sender ok"
		if s.mail != "" { // RFC 5321 section 4.1.4
			usual = "503 5.5.1 a transaction is open"
		}
		if ok, end = s.step(verb, line, usual); ok {
			s.mail = args
		}
	case "RCPT":
		usual := "250 2.1.5 recipient ok"
		if s.mail == "" {
			usual = "503 5.5.1 MAIL first"
		}
		if ok, end = s.step(verb, line, usual); ok {
			s.rcpt = append(s.rcpt, args)
		}
	case "DATA":
		return s.data(line)
	case "RSET":
		s.mail, s.rcpt = "", nil
		_, end = s.step(verb, line, "250 2.0.0 reset")
	case "QUIT":
		s.step(verb, line, "221 2.0.0 bye")
		s.out.Flush()
		return true
	default:
		_, end = s.step(verb, line, "250 2.0.0 ok")
	}
	return end
}

// hello returns the EHLO reply.
func (s *mxSession) hello() string {
	lines := append([]string{"mx.test"}, s.mx.Extensions...)
	if s.mx.TLS != nil && !s.onTLS {
		lines = append(lines, "STARTTLS")
	}
	if s.mx.Login != "" && s.onTLS {
		lines = append(lines, "AUTH PLAIN LOGIN")
	}
	for i := range lines[:len(lines)-1] {
		lines[i] = "250-" + lines[i]
	}
	lines[len(lines)-1] = "250 " + lines[len(lines)-1]
	return strings.Join(lines, "\r\n")
}

// startTLS makes TLS on the connection.
func (s *mxSession) startTLS() bool {
	conn := tls.Server(s.conn, s.mx.TLS)
	if conn.Handshake() != nil {
		return false
	}
	s.use(conn)
	s.onTLS = true
	return true
}

// data takes the content of a message.
func (s *mxSession) data(line string) (end bool) {
	usual := "354 go on"
	if len(s.rcpt) == 0 {
		usual = "503 5.5.1 RCPT first"
	}
	ok, end := s.step("DATA", line, usual)
	if !ok || end || s.out.Flush() != nil {
		return end
	}
	if _, end = s.step("BODY", "", ""); end {
		return true
	}
	content, err := io.ReadAll(s.in.Data(strict.DataOptions{MaxBytes: 64 << 20}))
	if err != nil {
		return true
	}
	ok, end = s.step("END", "", "250 2.0.0 taken")
	if ok {
		s.mx.mu.Lock()
		s.mx.received = append(s.mx.received, Received{
			Mail: s.mail, Rcpt: s.rcpt, Data: string(content), Connection: s.number, TLS: s.onTLS, Login: s.login,
		})
		s.mx.tell()
		s.mx.mu.Unlock()
	}
	s.mail, s.rcpt = "", nil
	return end
}
