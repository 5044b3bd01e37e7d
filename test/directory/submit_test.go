package directory

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/sink"
	"countersign/internal/testkit"
	"countersign/test/harness"
)

// box is a recipient's server: it keeps what comes.
type box struct {
	mu   sync.Mutex        // guards came
	came map[string]string // by subject
}

// newBox starts one, and returns where it listens.
func newBox(t testing.TB) (b *box, address string) {
	t.Helper()
	b = &box{came: map[string]string{}}
	hop, err := sink.Listen("127.0.0.1:0", b.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	return b, hop.Addr()
}

func (b *box) take(m sink.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, rest, _ := strings.Cut(string(m.Data), "\r\nSubject: ")
	subject, _, _ := strings.Cut(rest, "\r\n")
	b.came[subject] = string(m.Data)
	return nil
}

// all returns what has come, by subject.
func (b *box) all() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.came)
}

// said lets a client speak as a mechanism of net/smtp.
type said struct {
	mechanism string
	say       client
}

// Start implements smtp.Auth.
func (s said) Start(*smtp.ServerInfo) (mechanism string, initial []byte, err error) {
	initial, err = s.say(nil)
	return s.mechanism, initial, err
}

// Next implements smtp.Auth.
func (s said) Next(challenge []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	return s.say(challenge)
}

// dial connects to the port for TLS, for no longer than a minute.
func (g *gate) dial(t testing.TB) *smtp.Client {
	t.Helper()
	conn, err := tls.Dial("tcp", g.Submissions, &tls.Config{RootCAs: testkit.Roots(t, g.CAFile), ServerName: harness.Host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClient(conn, harness.Host)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Hello("client.example"); err != nil {
		t.Fatal(err)
	}
	return c
}

// login logs in on a new connection and returns it, with the code and the text of the
// answer: 235 and none, or a refusal.
func (g *gate) login(t testing.TB, mechanism, login, password string) (c *smtp.Client, code int, text string) {
	t.Helper()
	say, err := clients[mechanism](login, password)
	if err != nil {
		t.Fatal(err)
	}
	c = g.dial(t)
	err = c.Auth(said{mechanism, say})
	if err == nil {
		return c, 235, ""
	}
	code, text = answer(err)
	if code == 0 || strings.Contains(text, password) {
		t.Fatalf("%s of %s ends in %v", mechanism, login, err)
	}
	return nil, code, text
}

// answer is the reply that an error holds; 0 for none.
func answer(err error) (code int, text string) {
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		return 0, ""
	}
	return reply.Code, reply.Msg
}

// sends logs in by a mechanism and sends a message, which has to arrive.
func (g *gate) sends(t testing.TB, mechanism string) {
	t.Helper()
	c, code, text := g.login(t, mechanism, live, livePassword)
	if code != 235 {
		t.Fatalf("%s: %d %s", mechanism, code, text)
	}
	g.mails++
	subject := fmt.Sprintf("%s, the message %d", mechanism, g.mails)
	if err := submit(c, live, subject); err != nil {
		t.Fatalf("%s: %v", mechanism, err)
	}
	harness.WaitFor(t, "the message by "+mechanism, func() bool { return g.box.all()[subject] != "" })
}

// submit sends one message and ends the connection.
func submit(c *smtp.Client, from, subject string) error {
	if err := errors.Join(c.Mail(from), c.Rcpt("b@example.com")); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "From: <%s>\r\nTo: <b@example.com>\r\nSubject: %s\r\n\r\nHello.\r\n", from, subject)
	return errors.Join(err, w.Close(), c.Quit())
}
