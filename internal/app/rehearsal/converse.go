package rehearsal

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"countersign/internal/config"
	"countersign/internal/mail"
	"countersign/internal/smtpserver"
)

// atMost bounds a whole session.
const atMost = 2 * time.Minute

// converse has a client send the message to the server, which it ends, and returns what was said.
// It goes on to the first refusal of a command that the next ones rely on.
func converse(ctx context.Context, server *smtpserver.Server, l *config.Listener, q Question) ([]Step, error) {
	secure, err := certificate()
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	served := make(chan error, 1)
	door := &door{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	door.conns <- placed{far, q.Client}
	go func() { served <- server.Serve(door, listenerConfig(l, secure)) }()
	defer func() {
		near.Close()
		server.Close() // which closes the door, too
		<-served
	}()
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { near.Close() })
	defer stop()
	c := &client{raw: near, text: textproto.NewConn(near)}
	err = c.run(ctx, q)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return c.steps, err
}

// hello is what the client calls itself.
func (q *Question) hello() string { return cmp.Or(q.Hello, "rehearsal.invalid") }

// client says what a client says, and notes the answers.
type client struct {
	raw   net.Conn
	text  *textproto.Conn
	steps []Step
}

// run goes through the session.
func (c *client) run(ctx context.Context, q Question) error {
	if ok, err := c.answer("(connect)"); !ok {
		return err
	}
	hello := "EHLO " + q.hello()
	for _, command := range []string{hello, "STARTTLS"} {
		if ok, err := c.say(command); !ok {
			return err
		}
	}
	c.steps = c.steps[:1]                                                               // of TLS nothing is to be told
	conn := tls.Client(c.raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: q.TLS}) // it is our own, in this process
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	c.text = textproto.NewConn(conn)
	if ok, err := c.say(hello); !ok {
		return err
	}
	if q.Mechanism != "" {
		if ok, err := c.say("AUTH " + q.Mechanism); !ok {
			return err
		}
	}
	return c.send(q)
}

// send goes through the transaction.
func (c *client) send(q Question) error {
	if ok, err := c.say(mailCommand(q)); !ok {
		return err
	}
	taken := 0
	for _, to := range q.To {
		ok, err := c.say("RCPT TO:<" + to.String() + ">")
		if err != nil {
			return err
		}
		if ok {
			taken++
		}
	}
	if taken == 0 {
		return nil
	}
	if ok, err := c.say("DATA"); !ok {
		return err
	}
	w := c.text.DotWriter()
	if _, err := io.Copy(w, q.Message); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err := c.answer("(message)")
	return err
}

// mailCommand is MAIL with what the addresses need.
func mailCommand(q Question) string {
	text := "MAIL FROM:<" + q.From.String() + ">"
	if q.From.IsNull() {
		text = "MAIL FROM:<>"
	}
	utf8 := !q.From.IsASCII()
	for _, to := range q.To {
		utf8 = utf8 || !to.IsASCII()
	}
	if utf8 {
		text += " BODY=8BITMIME SMTPUTF8"
	}
	return text
}

// say sends a command, and reports whether it was accepted.
func (c *client) say(command string) (bool, error) {
	if err := c.text.PrintfLine("%s", command); err != nil {
		return false, c.over(command, err)
	}
	return c.answer(command)
}

// answer reads the answer to a command.
func (c *client) answer(command string) (bool, error) {
	code, text, err := c.text.ReadResponse(0)
	var said *textproto.Error
	if errors.As(err, &said) {
		code, text, err = said.Code, said.Msg, nil
	}
	if err != nil {
		return false, c.over(command, err)
	}
	if strings.HasPrefix(command, "EHLO") && code == 250 {
		text, _, _ = strings.Cut(text, "\n")
	}
	if before, _, queued := strings.Cut(text, "queued as "); queued {
		text = before + "would be queued"
	}
	c.steps = append(c.steps, Step{Command: command, Code: code, Answer: spoken(text)})
	return code < 400, nil
}

// spoken is an answer as one sentence: without the enhanced code of all lines but the first, and without
// the id of the session, under which nobody will find anything; a link to a help page stays.
func spoken(text string) string {
	lines := strings.Split(text, "\n")
	enhanced, _, _ := strings.Cut(lines[0], " ")
	for i := range lines[1:] {
		lines[i+1] = strings.TrimPrefix(lines[i+1], enhanced+" ")
	}
	text = strings.Join(lines, " ")
	before, last := text, ""
	if at := strings.LastIndex(text, "?id="); at >= 0 && mail.ValidID(text[at+len("?id="):]) {
		return text[:at]
	}
	if at := strings.LastIndex(text, " ["); at >= 0 {
		before, last = text[:at], text[at+2:]
	}
	if id, closed := strings.CutSuffix(last, "]"); closed && mail.ValidID(id) {
		return before
	}
	return text
}

// over notes that the server has closed the connection, which is an answer too.
func (c *client) over(command string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.steps = append(c.steps, Step{Command: command, Answer: "the connection is closed"})
		return nil
	}
	return err
}

// door is a listener of one connection.
type door struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

func (d *door) Close() error { d.once.Do(func() { close(d.closed) }); return nil }

func (d *door) Addr() net.Addr { return net.TCPAddrFromAddrPort(netip.AddrPort{}) }

// placed is a connection that comes from an address.
type placed struct {
	net.Conn
	client netip.Addr
}

func (p placed) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.client, 1))
}
func (p placed) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv6Loopback(), 465))
}

// certificate makes one for the server, as TLS is what a session begins with.
func certificate() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rehearsal"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}

// Plain makes a message of one sentence from an address to others.
func Plain(from mail.Address, to []mail.Address, at time.Time) io.Reader {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	fmt.Fprintf(w, "From: <%s>\r\nTo: ", from)
	for i, a := range to {
		if i > 0 {
			w.WriteString(",\r\n ")
		}
		w.WriteString("<" + a.String() + ">")
	}
	fmt.Fprintf(w, "\r\nSubject: A message that nobody sends\r\nDate: %s\r\n\r\nIt has one line.\r\n", at.Format(time.RFC1123Z))
	w.Flush()
	return &b
}
