package logins

import (
	"bufio"
	"bytes"
	"crypto/tls"
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
	t    testing.TB
	raw  net.Conn
	conn net.Conn
	in   *bufio.Reader
	// session is that of the last refusal.
	session string
}

// dial makes a TCP connection, which ends with the test.
func dial(t testing.TB, address string) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, raw: conn, conn: conn, in: bufio.NewReader(conn)}
}

// trust is what a client of the gate's verifies it with.
func trust(t testing.TB, g *harness.Gate) *tls.Config {
	t.Helper()
	return &tls.Config{RootCAs: testkit.Roots(t, g.CAFile), ServerName: harness.Host}
}

// secure makes TLS.
func (c *client) secure(config *tls.Config) {
	c.t.Helper()
	c.wait()
	conn := tls.Client(c.conn, config)
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
}

// open connects to the port for TLS and says EHLO.
func open(t testing.TB, g *harness.Gate) *client {
	t.Helper()
	return enter(t, g.Submissions, trust(t, g))
}

// enter is open for any address and configuration.
func enter(t testing.TB, address string, config *tls.Config) *client {
	t.Helper()
	c := dial(t, address)
	c.secure(config)
	c.expect("220 ")
	c.say("EHLO client.example", "250 ")
	return c
}

// wait allows the next step its time.
func (c *client) wait() {
	c.t.Helper()
	if err := c.raw.SetDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
}

// send writes octets as they are.
func (c *client) send(text string) {
	c.t.Helper()
	c.wait()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("sending %.60q: %v", text, err)
	}
}

// named is the end of a refusal.
var named = regexp.MustCompile(` \[([0-9A-Z]{26})\]$`)

// read reads one reply. Its lines are joined by "\n"; the session's id is cut off and kept.
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
		if id := named.FindStringSubmatch(line); id != nil {
			c.session, line = id[1], line[:len(line)-len(id[0])]
		}
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

// state is that of the TLS connection.
func (c *client) state() tls.ConnectionState { return c.conn.(*tls.Conn).ConnectionState() }

// encode is the form of a response (RFC 4954 section 4); an empty initial one is "=".
func encode(response []byte) string { return base64.StdEncoding.EncodeToString(response) }

// challenge takes the data of a 334.
func (c *client) challenge(reply string) []byte {
	c.t.Helper()
	data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(reply, "334 "))
	if err != nil {
		c.t.Fatalf("the challenge is %q", reply)
	}
	return data
}

// dialogue is what a client says in an exchange.
type dialogue struct {
	mechanism string
	// initial is the initial response; nil for none.
	initial []byte
	// answers take one challenge each.
	answers []func(challenge []byte) []byte
}

// command begins the exchange.
func (d *dialogue) command() string {
	switch {
	case d.initial == nil:
		return "AUTH " + d.mechanism
	case len(d.initial) == 0:
		return "AUTH " + d.mechanism + " ="
	}
	return "AUTH " + d.mechanism + " " + encode(d.initial)
}

// auth carries out an exchange and returns its last reply, which is no challenge unless
// the client has nothing more to say.
func (c *client) auth(d *dialogue) string {
	c.t.Helper()
	reply, _ := c.lines(d, 1+len(d.answers))
	return reply
}

// lines carries out the first so many lines of an exchange, and returns the reply to
// the last, and the lines.
func (c *client) lines(d *dialogue, n int) (reply string, said []string) {
	c.t.Helper()
	line := d.command()
	for _, answer := range append(d.answers[:len(d.answers):len(d.answers)], nil) {
		said = append(said, line)
		c.send(line + "\r\n")
		reply = c.reply()
		if len(said) == n || !strings.HasPrefix(reply, "334 ") {
			return reply, said
		}
		line = encode(answer(c.challenge(reply)))
	}
	return reply, said
}

// repeat sends lines as they are, as long as they are asked for.
func (c *client) repeat(lines []string) (reply string) {
	c.t.Helper()
	for _, line := range lines {
		c.send(line + "\r\n")
		if reply = c.reply(); !strings.HasPrefix(reply, "334 ") {
			break
		}
	}
	return reply
}

// isRefused wants a login to have failed as every other does.
func (c *client) isRefused(what, reply string) {
	c.t.Helper()
	if reply != "535 5.7.8 Login failed: check user name and password." {
		c.t.Errorf("%s: %q", what, reply)
	}
}

// constant answers with that, whatever the challenge.
func constant(text string) func([]byte) []byte {
	return func([]byte) []byte { return bytes.Clone([]byte(text)) }
}

// field takes a value out of a challenge of SCRAM or DIGEST-MD5.
func field(challenge []byte, name string) string {
	for part := range strings.SplitSeq(string(challenge), ",") {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			return strings.Trim(value, `"`)
		}
	}
	panic(fmt.Sprintf("the challenge %q has no %s", challenge, name))
}
