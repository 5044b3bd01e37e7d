package smtpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

// TLSMode says how TLS is used.
type TLSMode uint8

const (
	// TLSOpportunistic takes STARTTLS where it is offered and verifies nothing
	// (RFC 7435): against a listener only.
	TLSOpportunistic TLSMode = iota
	// TLSRequired insists on TLS with a certificate that verifies for
	// Options.Host.
	TLSRequired
	// TLSNone does not use STARTTLS.
	TLSNone
)

// Timeouts bound each phase. A zero field means the value of RFC 5321 section
// 4.5.3.2, or what its comment says.
type Timeouts struct {
	// Greeting is for the 220 (5 minutes).
	Greeting time.Duration
	// Handshake is for TLS (1 minute; not of the RFC).
	Handshake time.Duration
	// Command is for the answer to EHLO, AUTH, MAIL and each RCPT (5 minutes).
	Command time.Duration
	// DataStart is for the answer to DATA (2 minutes).
	DataStart time.Duration
	// DataBlock is for each block of content to be taken (3 minutes).
	DataBlock time.Duration
	// DataEnd is for the answer to the end of the content (10 minutes).
	DataEnd time.Duration
	// Whole bounds Open, and each Send, in all, whatever trickles in (1 hour;
	// not of the RFC).
	Whole time.Duration
}

// withDefaults fills the zeros in.
func (t Timeouts) withDefaults() Timeouts {
	fill := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	fill(&t.Greeting, 5*time.Minute)
	fill(&t.Handshake, time.Minute)
	fill(&t.Command, 5*time.Minute)
	fill(&t.DataStart, 2*time.Minute)
	fill(&t.DataBlock, 3*time.Minute)
	fill(&t.DataEnd, 10*time.Minute)
	fill(&t.Whole, time.Hour)
	return t
}

// Options describe a connection. The zero value of all but Hello will do.
type Options struct {
	// Hello is our name in EHLO: a domain or an address literal.
	Hello string
	// Host is the peer's name, which the certificate must have where TLS is
	// required; a name or an IP address.
	Host string
	// TLS says how TLS is used; ImplicitTLS that it comes before the greeting
	// (RFC 8314 section 3), TLSNone then counts as TLSOpportunistic.
	TLS         TLSMode
	ImplicitTLS bool
	// TLSConfig is the base of the TLS configuration: roots, session cache. It
	// is copied. May be nil.
	TLSConfig *tls.Config
	// Username and Password log in where Username is not "". They are only ever
	// sent over TLS.
	Username, Password string
	Timeouts           Timeouts
}

// Client is one connection on which transactions can be made. It is for one
// goroutine at a time.
type Client struct {
	opt  Options
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	// ctx is that of the running Open or Send, limit when it must be over.
	ctx   context.Context
	limit time.Time
	// extensions are what the last EHLO offered: keyword in upper case to
	// parameters.
	extensions map[string]string
	// tls is the state of TLS, nil without; tlsRefused says that the peer
	// offered STARTTLS and then refused it.
	tls        *tls.ConnectionState
	tlsRefused bool
	// open says that a transaction may be open at the peer; RSET comes first.
	open bool
	// broken says that the connection can only be closed.
	broken bool
	sent   int
}

// outBuffer holds the commands of a pipelined transaction, or a small message,
// so that either is one write.
const outBuffer = 16 << 10

// quitPatience is how long Close waits for the answer to QUIT.
const quitPatience = 5 * time.Second

// Open greets the server on conn and makes it ready for transactions: EHLO or
// HELO, STARTTLS, EHLO again, AUTH. On an error, which is always an *Error, conn is
// closed. Where TLS is opportunistic and the handshake fails (Problem NoTLS), the
// caller may connect again and use TLSNone.
func Open(ctx context.Context, conn net.Conn, o Options) (*Client, error) {
	o.Timeouts = o.Timeouts.withDefaults()
	c := &Client{opt: o}
	c.use(conn)
	defer c.begin(ctx)()
	if err := c.greet(); err != nil {
		c.conn.Close()
		return nil, err
	}
	return c, nil
}

// greet is the way to a ready connection.
func (c *Client) greet() *Error {
	if c.opt.ImplicitTLS {
		if err := c.handshake(); err != nil {
			return err
		}
	}
	reply, err := c.read(StageGreeting, c.opt.Timeouts.Greeting)
	if err != nil {
		return err
	}
	if reply.code/100 != 2 {
		return c.refused(StageGreeting, reply)
	}
	if err := c.hello(); err != nil {
		return err
	}
	if c.tls == nil {
		if err := c.startTLS(); err != nil {
			return err
		}
	}
	return c.authenticate()
}

// use makes conn the connection that is read and written.
func (c *Client) use(conn net.Conn) {
	c.conn = conn
	c.in = bufio.NewReaderSize(conn, maxReplyLine)
	c.out = bufio.NewWriterSize(deadlineWriter{c}, outBuffer)
}

// begin starts an operation under ctx; the function it returns ends it.
func (c *Client) begin(ctx context.Context) (end func()) {
	c.ctx = ctx
	c.limit = time.Now().Add(c.opt.Timeouts.Whole)
	conn := c.conn
	stop := context.AfterFunc(ctx, func() {
		// A connection that cannot be given a deadline any more is closed,
		// which ends reads and writes alike.
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	return func() { stop() }
}

// arm sets the deadline of the next reads or writes.
func (c *Client) arm(d time.Duration) error {
	at := time.Now().Add(d)
	if c.limit.Before(at) {
		at = c.limit
	}
	// It fails only for a connection that is closed, of which the read or write
	// that follows tells more; what has been received can still be read.
	_ = c.conn.SetDeadline(at)
	return c.ctx.Err() // after SetDeadline, which may have undone begin's
}

// deadlineWriter gives each block of content its own time.
type deadlineWriter struct{ c *Client }

func (w deadlineWriter) Write(p []byte) (int, error) {
	if err := w.c.arm(w.c.opt.Timeouts.DataBlock); err != nil {
		return 0, err
	}
	return w.c.conn.Write(p)
}

// read flushes what is to be sent and reads one reply within d.
func (c *Client) read(stage Stage, d time.Duration) (rawReply, *Error) {
	if err := c.out.Flush(); err != nil {
		return rawReply{}, c.failed(stage, err)
	}
	if err := c.arm(d); err != nil {
		return rawReply{}, c.failed(stage, err)
	}
	reply, err := readReply(c.in)
	if err != nil {
		return rawReply{}, c.failed(stage, err)
	}
	if reply.code == 421 { // RFC 5321 section 3.8: the server closes
		c.broken = true
	}
	return reply, nil
}

// failed turns an error of the connection into an Error; nothing can be sent
// after it.
func (c *Client) failed(stage Stage, err error) *Error {
	c.broken = true
	problem := Broken
	switch {
	case errors.Is(c.ctx.Err(), context.Canceled):
		problem = Canceled
	case errors.Is(err, errGarbage):
		problem = Garbage
	case errors.Is(err, os.ErrDeadlineExceeded), c.ctx.Err() != nil:
		problem = TimedOut
	}
	return &Error{Stage: stage, Problem: problem, Err: err}
}

// refused makes the Error of an answer that is not the wanted one. An answer of a
// class that has no place at this stage breaks the connection: it cannot be
// known what the peer answers to next.
func (c *Client) refused(stage Stage, reply rawReply) *Error {
	if class := reply.code / 100; class != 4 && class != 5 {
		c.broken = true
		return &Error{Stage: stage, Problem: Garbage, Err: errors.New("unexpected " + reply.reply().String())}
	}
	return &Error{Stage: stage, Problem: Refused, Reply: reply.reply()}
}

// TLS returns the state of the TLS connection, nil where there is none.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// TLSRefused reports whether the peer offered STARTTLS and refused it.
func (c *Client) TLSRefused() bool { return c.tlsRefused }

// Offers reports whether the peer's EHLO named an extension, in upper case.
func (c *Client) Offers(extension string) bool {
	_, ok := c.extensions[extension]
	return ok
}

// Usable reports whether another transaction can be tried.
func (c *Client) Usable() bool { return !c.broken }

// Sent counts the transactions that were begun.
func (c *Client) Sent() int { return c.sent }

// Abort closes the connection at once. Unlike all else, it may be called while
// another method runs.
func (c *Client) Abort() { c.conn.Close() }

// Close says QUIT where that makes sense, waits at most five seconds for the
// answer, and closes the connection.
func (c *Client) Close() {
	defer c.conn.Close()
	if c.broken {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), quitPatience)
	defer cancel()
	defer c.begin(ctx)()
	c.limit = time.Now().Add(quitPatience)
	c.out.WriteString("QUIT\r\n")         // its error is that of Flush in read
	_, _ = c.read(StageEnd, quitPatience) // RFC 5321 section 4.1.1.10; whatever it is, this is the end
}
