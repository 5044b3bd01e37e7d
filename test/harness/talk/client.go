package talk

import (
	"bufio"
	"crypto/tls"
	"errors"
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

// Patience bounds each answer of the gate.
const Patience = 60 * time.Second

// Hello is what a client says first.
const Hello = "EHLO client.example"

// Client is one SMTP connection. Its methods fail the test, and may be called by the test's
// goroutine alone; those that return an error may be called by any, one at a time.
type Client struct {
	// T is what they fail; a subtest may take its place. It is nil for a client of
	// Connect.
	T testing.TB
	// Raw is the TCP connection; Conn is that, or TLS on it.
	Raw, Conn net.Conn
	// Session is that of the last refusal; "" where there was none.
	Session string
	in      *bufio.Reader
	// salted are SaltedPasswords of SCRAM that were derived already.
	salted map[string][]byte
}

// Dial makes a TCP connection and nothing more. It ends with the test.
func Dial(t testing.TB, address string) *Client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, Patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &Client{T: t, Raw: conn, Conn: conn, in: bufio.NewReader(conn)}
}

// Trust is what a client of that gate verifies it with.
func Trust(t testing.TB, g *harness.Gate) *tls.Config {
	t.Helper()
	return &tls.Config{RootCAs: testkit.Roots(t, g.CAFile), ServerName: harness.Host}
}

// Open connects to the gate's port for TLS and says EHLO.
func Open(t testing.TB, g *harness.Gate) *Client {
	t.Helper()
	return Enter(t, g.Submissions, Trust(t, g))
}

// Enter is Open for any address and configuration.
func Enter(t testing.TB, address string, config *tls.Config) *Client {
	t.Helper()
	c := Dial(t, address)
	c.Secure(config)
	c.Expect("220 ")
	c.Say(Hello, "250 ")
	return c
}

// LogIn is Open with AUTH PLAIN as the gate's account.
func LogIn(t testing.TB, g *harness.Gate) *Client {
	t.Helper()
	c := Open(t, g)
	c.Say(Plain(harness.Login, harness.Password), "235 ")
	return c
}

// Connect is Enter for any goroutine, from an IP address of this machine, "" for any. The
// caller closes Raw.
func Connect(from, address string, config *tls.Config) (*Client, error) {
	d := net.Dialer{Timeout: Patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	raw, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return greet(raw, config)
}

// ConnectFor is Connect as a proxy does for a client with any IPv4 address, by version 1 of the PROXY
// protocol. address is that of a listener that names this machine among its proxies.
func ConnectFor(client, address string, config *tls.Config) (*Client, error) {
	raw, err := net.DialTimeout("tcp", address, Patience)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(raw, "PROXY TCP4 "+client+" 127.0.0.1 49152 465\r\n"); err != nil {
		raw.Close()
		return nil, err
	}
	return greet(raw, config)
}

// greet makes TLS on a connection, wants to be welcome and says EHLO; it closes one that comes to nothing.
func greet(raw net.Conn, config *tls.Config) (*Client, error) {
	conn := tls.Client(raw, config)
	c := &Client{Raw: raw, Conn: conn, in: bufio.NewReader(conn)}
	greeting, err := c.Read()
	if err == nil && !strings.HasPrefix(greeting, "220") {
		err = errors.New("greeted with " + greeting)
	}
	if err == nil {
		_, err = c.Ask(Hello)
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

// Secure makes TLS.
func (c *Client) Secure(config *tls.Config) {
	c.T.Helper()
	conn := tls.Client(c.Conn, config)
	if err := c.wait(); err != nil {
		c.T.Fatal(err)
	}
	if err := conn.Handshake(); err != nil {
		c.T.Fatal(err)
	}
	c.Conn, c.in = conn, bufio.NewReader(conn)
}

// State is that of the TLS connection, which there must be.
func (c *Client) State() tls.ConnectionState { return c.Conn.(*tls.Conn).ConnectionState() }

// wait allows the next step its time.
func (c *Client) wait() error { return c.Raw.SetDeadline(time.Now().Add(Patience)) }

// write writes octets as they are.
func (c *Client) write(text string) error {
	if err := c.wait(); err != nil {
		return err
	}
	_, err := io.WriteString(c.Conn, text)
	return err
}

// named is the end of a refusal.
var named = regexp.MustCompile(` \[([0-9A-Z]{26})\]$`)

// Read reads one reply. Its lines are joined by "\n"; the session's id is cut off and kept.
func (c *Client) Read() (string, error) {
	if err := c.wait(); err != nil {
		return "", err
	}
	var lines []string
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return strings.Join(lines, "\n"), err
		}
		line = strings.TrimRight(line, "\r\n")
		if id := named.FindStringSubmatch(line); id != nil {
			c.Session, line = id[1], line[:len(line)-len(id[0])]
		}
		lines = append(lines, line)
		if len(line) < 4 || line[3] != '-' {
			return strings.Join(lines, "\n"), nil
		}
	}
}

// Ask sends one line and reads its reply.
func (c *Client) Ask(line string) (string, error) {
	if err := c.write(line + "\r\n"); err != nil {
		return "", err
	}
	return c.Read()
}

// Send writes octets as they are.
func (c *Client) Send(text string) {
	c.T.Helper()
	if err := c.write(text); err != nil {
		c.T.Fatalf("sending %.60q: %v", text, err)
	}
}

// Reply reads one reply, which must come.
func (c *Client) Reply() string {
	c.T.Helper()
	text, err := c.Read()
	if err != nil {
		c.T.Fatalf("no reply: %v (so far %q)", err, text)
	}
	return text
}

// Expect reads one reply, whose last line must begin so.
func (c *Client) Expect(want string) string {
	c.T.Helper()
	text := c.Reply()
	if last := text[strings.LastIndex(text, "\n")+1:]; !strings.HasPrefix(last, want) {
		c.T.Fatalf("got %q, want %q", text, want)
	}
	return text
}

// Say sends one line and expects its reply.
func (c *Client) Say(line, want string) string {
	c.T.Helper()
	c.Send(line + "\r\n")
	return c.Expect(want)
}

// Ended wants the connection to be over without another word.
func (c *Client) Ended() {
	c.T.Helper()
	text, err := c.Read()
	if err == nil {
		c.T.Fatalf("instead of the end came %q", text)
	}
	if os.IsTimeout(err) {
		c.T.Fatal("the connection is still open")
	}
}

// Over wants the connection to end, and no reply before that allows anything; octets of TLS,
// such as an alert, are none.
func (c *Client) Over() {
	c.T.Helper()
	for {
		text, err := c.Read()
		if os.IsTimeout(err) {
			c.T.Fatal("the connection is still open")
		}
		if err != nil {
			return
		}
		if len(text) > 3 && text[0] >= '2' && text[0] <= '3' {
			c.T.Errorf("instead of the end came %q", text)
		}
	}
}

// Vanish ends the connection: the friendly way of TCP, or with a reset as when a machine or
// a firewall gives up.
func (c *Client) Vanish(reset bool) {
	c.T.Helper()
	if reset {
		if err := c.Raw.(*net.TCPConn).SetLinger(0); err != nil {
			c.T.Fatal(err)
		}
	}
	c.Raw.Close()
}
