package smtpserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/sasl"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver/bounds"
	"countersign/internal/smtpserver/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTLS returns the configuration of a server with a throw-away certificate.
var testTLS = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"mx.test"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1<<33, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
})

// double is a backend that checks the server's side of the contract: legal
// order, one goroutine at a time, nothing after ObservedClose. Hooks left nil
// accept.
type double struct {
	// recognise and standing answer the calls of these names; nil for the usual.
	recognise func() (bool, error)
	standing  func() error
	open      func(Peer) error
	admit     func(Peer) error
	mail      func(mail.Envelope) error
	rcpt      func(mail.Recipient) error
	data      func(ctx context.Context, body io.Reader) (mail.ID, error)
	auth      func(mechanism string) error
	watch     func(Observation)
	// exchange, if not nil, has the mechanisms of package sasl in place of the two below, which
	// are then all of its table.
	exchange func(mechanism string, binding func(string) ([]byte, bool)) sasl.Exchange
	// secure lets sessions count as encrypted from the start.
	secure bool

	mu       sync.Mutex // guards what follows
	broken   []string
	sessions []*doubleSession
	messages []string
	turned   []turnedAway
}

// turnedAway is a connection that the double has only been told of.
type turnedAway struct {
	peer   Peer
	reason smtp.Reason
}

// refused is for Options.OnRefused.
func (d *double) refused(peer Peer, reason smtp.Reason) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turned = append(d.turned, turnedAway{peer, reason})
}

// turnedAway returns the connections it has been told of.
func (d *double) turnedAway() []turnedAway {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.turned)
}

// doubleSession is the double's Session.
type doubleSession struct {
	d     *double
	peer  Peer
	using atomic.Bool

	tls, authed, closed, inMail bool
	rcpts                       int
	env                         mail.Envelope
	to                          []mail.Recipient
	resets                      int
	seen                        []Observation
	binding                     func(kind string) ([]byte, bool)
}

func (d *double) Admit(peer Peer) error {
	if d.admit == nil {
		return nil
	}
	return d.admit(peer)
}

func (d *double) Open(_ context.Context, peer Peer) (Session, error) {
	if d.open != nil {
		if err := d.open(peer); err != nil {
			return nil, err
		}
	}
	s := &doubleSession{d: d, peer: peer, tls: d.secure}
	d.mu.Lock()
	d.sessions = append(d.sessions, s)
	d.mu.Unlock()
	return s, nil
}

// claim marks the session as being called and notes what is against the contract.
func (s *doubleSession) claim(what string, legal bool) func() {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if !s.using.CompareAndSwap(false, true) {
		s.d.broken = append(s.d.broken, what+" while another call runs")
	}
	if !legal || s.closed {
		s.d.broken = append(s.d.broken, what+" out of order")
	}
	return func() { s.using.Store(false) }
}

func (s *doubleSession) Mechanisms() []string {
	defer s.claim("Mechanisms", s.tls)()
	if s.d.exchange != nil {
		var all []string
		for _, m := range sasl.Mechanisms() {
			all = append(all, m.Name)
		}
		return all
	}
	return []string{"PLAIN", "ASK"}
}

func (s *doubleSession) Auth(mechanism string) (sasl.Exchange, error) {
	defer s.claim("Auth", s.tls && !s.authed && !s.inMail)()
	if s.d.auth != nil {
		if err := s.d.auth(mechanism); err != nil {
			return nil, err
		}
	}
	if s.d.exchange != nil {
		return s.d.exchange(mechanism, s.binding), nil
	}
	switch mechanism {
	case "PLAIN":
		return &plainDouble{s: s}, nil
	case "ASK":
		return &askDouble{s: s}, nil
	}
	return nil, errors.New("not offered")
}

func (s *doubleSession) Recognise(context.Context) (bool, error) {
	defer s.claim("Recognise", s.tls && !s.authed)()
	if s.d.recognise == nil {
		return false, nil
	}
	known, err := s.d.recognise()
	s.authed = known
	return known, err
}

func (s *doubleSession) Standing(context.Context) error {
	defer s.claim("Standing", true)()
	if s.d.standing == nil {
		return nil
	}
	return s.d.standing()
}

func (s *doubleSession) Mail(_ context.Context, env mail.Envelope) error {
	defer s.claim("Mail", s.authed && s.tls && !s.inMail)()
	if s.d.mail != nil {
		if err := s.d.mail(env); err != nil {
			return err
		}
	}
	s.env, s.inMail, s.rcpts, s.to = env, true, 0, nil
	return nil
}

func (s *doubleSession) Rcpt(_ context.Context, rcpt mail.Recipient) error {
	defer s.claim("Rcpt", s.inMail)()
	if s.d.rcpt != nil {
		if err := s.d.rcpt(rcpt); err != nil {
			return err
		}
	}
	s.rcpts++
	s.to = append(s.to, rcpt)
	return nil
}

func (s *doubleSession) Data(ctx context.Context, body io.Reader) (mail.ID, error) {
	defer s.claim("Data", s.inMail && s.rcpts > 0)()
	s.inMail = false
	if s.d.data != nil {
		return s.d.data(ctx, body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return "", fault.Wrap("double.data", fault.Internal, err)
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.messages = append(s.d.messages, string(text))
	return mail.ID(fmt.Sprintf("M%d", len(s.d.messages))), nil
}

func (s *doubleSession) Reset() {
	defer s.claim("Reset", s.inMail)()
	s.inMail = false
	s.resets++
}

func (s *doubleSession) Observe(_ context.Context, o Observation) {
	defer s.claim("Observe "+o.Kind.String(), true)()
	switch o.Kind {
	case ObservedTLS:
		s.tls, s.binding = true, o.Binding
	case ObservedAuthOK:
		s.authed = true
	case ObservedClose:
		s.closed = true
	}
	s.d.mu.Lock()
	s.seen = append(s.seen, o)
	s.d.mu.Unlock()
	if s.d.watch != nil {
		s.d.watch(o)
	}
}

// plainDouble takes "\0user\0secret" in one response.
type plainDouble struct{ s *doubleSession }

func (p *plainDouble) Next(_ context.Context, response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return nil, false, nil
	case bytes.Count(response, []byte{0}) != 2:
		return nil, false, sasl.ErrSyntax
	case string(response) == "\x00user\x00busy":
		return nil, false, fault.New("double", fault.Busy, "hashing")
	case string(response) == "\x00user\x00panic":
		panic("password of doom")
	case string(response) != "\x00user\x00secret":
		return nil, false, fault.Refuse("double", fault.Unauthenticated, "auth-failed")
	}
	return nil, true, nil
}

// askDouble asks for a name, then for a password, as LOGIN does.
type askDouble struct {
	s    *doubleSession
	step int
}

func (a *askDouble) Next(_ context.Context, response []byte) ([]byte, bool, error) {
	a.step++
	if response != nil && a.step == 1 {
		a.step++
	}
	switch a.step {
	case 1:
		return []byte("User"), false, nil
	case 2:
		return []byte("Pass"), false, nil
	}
	if string(response) != "secret" {
		return nil, false, fault.Refuse("double", fault.Unauthenticated, "auth-failed")
	}
	return nil, true, nil
}

// session waits until the double has n sessions and returns the last.
func (d *double) session(t *testing.T, n int) *doubleSession {
	t.Helper()
	var s *doubleSession
	eventually(t, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.sessions) < n {
			return false
		}
		s = d.sessions[n-1]
		return true
	})
	return s
}

// kept returns the messages accepted so far.
func (d *double) kept() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.messages)
}

// observations returns what a session has been told, once it is closed.
func (s *doubleSession) observations(t *testing.T) []Observation {
	t.Helper()
	var all []Observation
	eventually(t, func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		all = slices.Clone(s.seen)
		return len(all) > 0 && all[len(all)-1].Kind == ObservedClose
	})
	return all
}

// find returns the first observation of a kind.
func find(all []Observation, kind Observed) (Observation, bool) {
	for _, o := range all {
		if o.Kind == kind {
			return o, true
		}
	}
	return Observation{}, false
}

// closedBecause checks why a session ended.
func (s *doubleSession) closedBecause(t *testing.T, want string) {
	t.Helper()
	all := s.observations(t)
	if got := all[len(all)-1].Text; got != want {
		t.Errorf("closed because of %q, want %q", got, want)
	}
}

// eventually waits for a condition that another goroutine makes true.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("condition never became true")
		}
		wait, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		<-wait.Done()
		cancel()
	}
}

// rig is a server with its double, listening on loopback.
type rig struct {
	t      *testing.T
	d      *double
	srv    *Server
	addr   string
	config ListenerConfig
}

// testLimits are small and quick.
func testLimits() bounds.Limits {
	l := bounds.Default()
	l.Timeouts.EarlyTalk = -1
	l.MaxMessageBytes = 64 << 10
	return l
}

// newServer returns a server that is closed, and its double judged, at the end of the test.
func newServer(t *testing.T, d *double, l bounds.Limits) *Server {
	t.Helper()
	srv := New(Options{Hostname: "mx.test", Backend: d, Limits: l, OnRefused: d.refused})
	t.Cleanup(func() {
		srv.Close()
		for _, fault := range d.broken {
			t.Errorf("contract: %s", fault)
		}
		narrow, wide := srv.crowd.Networks()
		if srv.Sessions() != 0 || len(srv.wires) != 0 || narrow != 0 || wide != 0 {
			t.Errorf("left in the books: %d sessions, %d connections, %d and %d networks", srv.Sessions(), len(srv.wires), narrow, wide)
		}
	})
	return srv
}

// newRig starts a server on loopback.
func newRig(t *testing.T, d *double, kind ListenerKind, change func(*bounds.Limits, *ListenerConfig)) *rig {
	t.Helper()
	limits := testLimits()
	config := ListenerConfig{Name: "test", Kind: kind, TLS: testTLS}
	if change != nil {
		change(&limits, &config)
	}
	r := &rig{t: t, d: d, srv: newServer(t, d, limits), config: config}
	r.addr = r.listen(r.srv, config)
	return r
}

// listen makes srv serve one more loopback listener until it is closed.
func (r *rig) listen(srv *Server, config ListenerConfig) string {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l, config) }()
	r.t.Cleanup(func() {
		srv.Close()
		if err := <-done; err != nil {
			r.t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// client is a scripted client.
type client struct {
	t    testing.TB
	raw  net.Conn
	conn net.Conn
	in   *bufio.Reader
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t: t, raw: conn, conn: conn, in: bufio.NewReader(conn)}
}

// dial connects without reading the greeting.
func (r *rig) dial() *client {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	return newClient(r.t, conn)
}

// ready connects and goes on until it is authenticated.
func (r *rig) ready() *client {
	r.t.Helper()
	c := r.dial()
	if r.config.Kind == Submissions {
		c.startTLS()
		c.play("< 220\n> EHLO c.test\n< 250\n> AUTH PLAIN AHVzZXIAc2VjcmV0\n< 235 2.7.0")
		return c
	}
	c.play(toReady)
	return c
}

// toReady is the beginning of a session on a Submission listener.
const toReady = `
< 220
> EHLO c.test
< 250
> STARTTLS
< 220 2.0.0
~ tls
> EHLO c.test
< 250
> AUTH PLAIN AHVzZXIAc2VjcmV0
< 235 2.7.0
`

// overLimit is a transaction with one recipient over a limit more than count for nothing.
func overLimit() string {
	return "\n> MAIL FROM:<user@c.test>\n< 250" + strings.Repeat("\n> RCPT TO:<over@b.test>\n< 550 5.5.3", maxOver+1)
}

// toData is a transaction up to its message.
const toData = `
> MAIL FROM:<user@c.test>
< 250 2.1.0
> RCPT TO:<a@b.test>
< 250 2.1.5
> DATA
< 354
`

// play runs a script. "> " sends a line with CRLF, ">> " sends a Go-quoted string
// as it is, "< " reads a whole reply and compares its beginning, "<* " wants
// it to contain a text, "~ tls" makes a handshake, "< EOF" wants the end.
func (c *client) play(script string) {
	c.t.Helper()
	last := ""
	for _, line := range strings.Split(script, "\n") {
		verb, arg, _ := strings.Cut(strings.TrimLeft(line, "\t "), " ")
		switch verb {
		case "":
		case ">":
			c.send(arg + "\r\n")
		case ">>":
			text, err := strconv.Unquote(arg)
			if err != nil {
				c.t.Fatalf("script line %q: %v", line, err)
			}
			c.send(text)
		case "<":
			if arg == "EOF" {
				c.wantEOF()
				continue
			}
			last = c.reply()
			if !strings.HasPrefix(last, arg) {
				c.t.Fatalf("after %q: reply %q, want %q", script, last, arg)
			}
		case "<*":
			if !strings.Contains(last, arg) {
				c.t.Fatalf("reply %q, want %q in it", last, arg)
			}
		case "<!":
			if strings.Contains(last, arg) {
				c.t.Fatalf("reply %q, want no %q in it", last, arg)
			}
		case "~":
			c.startTLS()
		default:
			c.t.Fatalf("script line %q", line)
		}
	}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Logf("sending %.40q: %v", text, err) // the server may have closed already
	}
}

// reply reads one reply with all its lines.
func (c *client) reply() string {
	c.t.Helper()
	text, err := readReply(c.in)
	if err != nil {
		c.t.Fatalf("reading a reply: %v (have %q)", err, text)
	}
	return text
}

// readReply reads one reply and checks its form.
func readReply(in *bufio.Reader) (string, error) {
	var all strings.Builder
	for {
		line, err := in.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			return all.String(), err
		}
		if len(line) < 6 || !strings.HasSuffix(line, "\r\n") || line[3] != ' ' && line[3] != '-' {
			return all.String(), fmt.Errorf("bad reply line %q", line)
		}
		if line[3] == ' ' {
			return all.String(), nil
		}
	}
}

// wantEOF wants the server to have closed, with nothing more to read.
func (c *client) wantEOF() {
	c.t.Helper()
	text, err := io.ReadAll(c.in)
	if len(text) > 0 || wire.IsTimeout(err) {
		c.t.Fatalf("want the connection closed, have %q, %v", text, err)
	}
}

func (c *client) startTLS() {
	c.t.Helper()
	conn := tls.Client(c.raw, &tls.Config{InsecureSkipVerify: true, ServerName: "mx.test"})
	if err := conn.Handshake(); err != nil {
		c.t.Fatalf("handshake: %v", err)
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
}

// loopback is the network of test clients.
var loopback = netip.MustParsePrefix("127.0.0.0/8")

func tcpAddr(a netip.AddrPort) *net.TCPAddr { return net.TCPAddrFromAddrPort(a) }
