package badinput

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign/internal/testkit"
	"countersign/test/harness"
)

// patience bounds each answer of the gate.
const patience = 30 * time.Second

// client is one SMTP connection, driven step by step.
type client struct {
	t    *testing.T
	raw  net.Conn
	conn net.Conn
	in   *bufio.Reader
}

// dial makes a TCP connection and nothing more. It ends with the test.
func dial(t *testing.T, address string) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, raw: conn}
	c.use(conn)
	t.Cleanup(func() { conn.Close() })
	return c
}

func (c *client) use(conn net.Conn) {
	c.t.Helper()
	c.conn, c.in = conn, bufio.NewReader(conn)
	c.wait()
}

// wait allows the next step its time.
func (c *client) wait() {
	c.t.Helper()
	if err := c.raw.SetDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
}

// roots is what the certificate that the gate made itself verifies with.
func roots(t *testing.T, g *harness.Gate) *x509.CertPool {
	t.Helper()
	return testkit.Roots(t, g.CAFile)
}

// secure makes TLS.
func (c *client) secure(config *tls.Config) {
	c.t.Helper()
	conn := tls.Client(c.conn, config)
	c.use(conn)
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
}

// open connects to the port with implicit TLS and says EHLO.
func open(t *testing.T, g *harness.Gate) *client {
	t.Helper()
	c := dial(t, g.Submissions)
	c.secure(&tls.Config{RootCAs: roots(t, g), ServerName: "localhost"})
	c.expect("220 ")
	c.say("EHLO client.example", "250 ")
	return c
}

// login is open with AUTH as the gate's account.
func login(t *testing.T, g *harness.Gate) *client {
	t.Helper()
	c := open(t, g)
	c.say("AUTH PLAIN "+plain(harness.Login, harness.Password), "235 ")
	return c
}

// plain is the initial response of AUTH PLAIN (RFC 4616).
func plain(login, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + login + "\x00" + password))
}

// send writes octets as they are.
func (c *client) send(text string) {
	c.t.Helper()
	c.wait()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("sending %.60q: %v", text, err)
	}
}

// read reads one reply. Its lines are joined by "\n".
func (c *client) read() (string, error) {
	c.t.Helper()
	c.wait()
	var lines []string
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return strings.Join(lines, "\n"), err
		}
		line = strings.TrimRight(line, "\r\n")
		lines = append(lines, line)
		if len(line) < 4 || line[3] != '-' {
			return strings.Join(lines, "\n"), nil
		}
	}
}

// reply reads one reply, which must come.
func (c *client) reply() string {
	c.t.Helper()
	text, err := c.read()
	if err != nil {
		c.t.Fatalf("no reply: %v (so far %q)", err, text)
	}
	return text
}

// expect reads one reply, whose last line must begin so.
func (c *client) expect(want string) string {
	c.t.Helper()
	text := c.reply()
	if last := text[strings.LastIndex(text, "\n")+1:]; !strings.HasPrefix(last, want) {
		c.t.Fatalf("got %q, want %q", text, want)
	}
	return text
}

// say sends one line and expects its reply.
func (c *client) say(line, want string) string {
	c.t.Helper()
	c.send(line + "\r\n")
	return c.expect(want)
}

// ended wants the connection to be over without another word.
func (c *client) ended() {
	c.t.Helper()
	text, err := c.read()
	if err == nil {
		c.t.Fatalf("instead of the end came %q", text)
	}
	if os.IsTimeout(err) {
		c.t.Fatal("the connection is still open")
	}
}

// envelope says MAIL and RCPT.
func (c *client) envelope(to string) {
	c.t.Helper()
	c.say("MAIL FROM:<"+harness.Login+">", "250 ")
	c.say("RCPT TO:<"+to+">", "250 ")
}

// message is a small message without its final dot.
func message(subject, text string) string {
	return fmt.Sprintf("From: <%s>\r\nTo: <b@example.com>\r\nSubject: %s\r\n\r\n%s\r\n", harness.Login, subject, text)
}

// submit sends a message and returns the reply to its end, or to what was
// refused before.
func (c *client) submit(to, message string) string {
	c.t.Helper()
	for _, line := range []string{"MAIL FROM:<" + harness.Login + ">", "RCPT TO:<" + to + ">", "DATA"} {
		c.send(line + "\r\n")
		if text := c.reply(); strings.HasPrefix(text, "421 ") {
			return text // the session is over
		} else if text[0] != '2' && text[0] != '3' {
			c.say("RSET", "250 ")
			return text
		}
	}
	c.send(message + ".\r\n")
	return c.reply()
}

var queuedAs = regexp.MustCompile(`^250 2\.0\.0 queued as ([0-9A-Z]{26})$`)

// accepted takes the id out of the reply that accepts a message.
func accepted(t *testing.T, reply string) string {
	t.Helper()
	match := queuedAs.FindStringSubmatch(reply)
	if match == nil {
		t.Fatalf("got %q, want the message to be queued", reply)
	}
	return match[1]
}

// mustSubmit submits a message that must be accepted and returns its id.
func mustSubmit(t *testing.T, g *harness.Gate, to, subject string) string {
	t.Helper()
	c := login(t, g)
	id := accepted(t, c.submit(to, message(subject, "text")))
	c.say("QUIT", "221 ")
	return id
}
