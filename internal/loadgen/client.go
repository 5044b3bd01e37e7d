package loadgen

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// replyError is a refusal by the server.
type replyError struct {
	code int
	// line is the last of the reply, with its code.
	line string
}

func (e *replyError) Error() string { return e.line }

// client is one authenticated connection.
type client struct {
	conn net.Conn
	// forget ends the watch on the context that the connection is closed with.
	forget func() bool
	in     *bufio.Reader
	out    *bufio.Writer
}

// patience bounds how long one answer may take.
const patience = 60 * time.Second

// dial connects, makes TLS and authenticates. When ctx ends, so does the
// connection, whatever is waited for.
func dial(ctx context.Context, o Options) (*client, error) {
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", o.Address)
	if err != nil {
		return nil, err
	}
	c := &client{forget: context.AfterFunc(ctx, func() { conn.Close() })}
	if err := c.open(conn, o); err != nil {
		c.close()
		return nil, cmp.Or(ctx.Err(), err)
	}
	return c, nil
}

func (c *client) open(conn net.Conn, o Options) error {
	c.use(conn)
	if o.Client.IsValid() {
		if err := c.introduce(o.Client); err != nil {
			return err
		}
	}
	if o.ImplicitTLS {
		c.use(tls.Client(conn, o.TLS))
	}
	if _, err := c.read(220); err != nil {
		return err
	}
	if err := c.say(250, "EHLO loadgen.invalid"); err != nil {
		return err
	}
	if !o.ImplicitTLS {
		if err := c.say(220, "STARTTLS"); err != nil {
			return err
		}
		c.use(tls.Client(conn, o.TLS))
		if err := c.say(250, "EHLO loadgen.invalid"); err != nil {
			return err
		}
	}
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + o.Login + "\x00" + o.Password))
	return c.say(235, "AUTH PLAIN "+secret)
}

// introduce sends the header of the PROXY protocol, version 1, which comes before all else.
// The server is written as the client's own network has it, in the client's family.
func (c *client) introduce(client netip.Addr) error {
	family, server := "TCP4", "127.0.0.1"
	if !client.Is4() {
		family, server = "TCP6", "::1"
	}
	fmt.Fprintf(c.out, "PROXY %s %s %s 40000 465\r\n", family, client, server)
	return c.flush()
}

func (c *client) use(conn net.Conn) {
	c.conn = conn
	c.in = bufio.NewReaderSize(conn, 4<<10)
	c.out = bufio.NewWriterSize(conn, 8<<10)
}

// say sends one line and wants one reply of that code.
func (c *client) say(code int, line string) error {
	c.out.WriteString(line)
	c.out.WriteString("\r\n")
	if err := c.flush(); err != nil {
		return err
	}
	_, err := c.read(code)
	return err
}

func (c *client) flush() error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return c.out.Flush()
}

// read reads one reply, several lines long or not, and wants that code.
func (c *client) read(want int) (string, error) {
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 3 {
			return "", fmt.Errorf("reply %q is too short", line)
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		code, err := strconv.Atoi(line[:3])
		if err != nil {
			return "", fmt.Errorf("reply %q has no code", line)
		}
		if code != want {
			return "", &replyError{code: code, line: line}
		}
		return line, nil
	}
}

// send submits one message: envelope and DATA pipelined, then the body. It
// returns the last reply. refused is the first refusal of a recipient where
// others were taken.
func (c *client) send(from string, to []string, body []byte) (reply string, refused, err error) {
	fmt.Fprintf(c.out, "MAIL FROM:<%s> SIZE=%d BODY=8BITMIME\r\n", from, len(body))
	for _, rcpt := range to {
		fmt.Fprintf(c.out, "RCPT TO:<%s>\r\n", rcpt)
	}
	c.out.WriteString("DATA\r\n")
	if err := c.flush(); err != nil {
		return "", nil, err
	}
	for range 1 + len(to) {
		if _, err := c.read(250); err != nil && refused == nil {
			refused = err
		}
	}
	if _, err := c.read(354); err != nil {
		if refused != nil {
			return "", nil, refused
		}
		return "", nil, err
	}
	c.out.Write(body)
	c.out.WriteString(".\r\n")
	if err := c.flush(); err != nil {
		return "", nil, err
	}
	reply, err = c.read(250)
	return reply, refused, err
}

func (c *client) quit() {
	// The connection is at its end either way.
	_ = c.say(221, "QUIT")
	c.close()
}

func (c *client) close() {
	c.forget()
	c.conn.Close()
}
