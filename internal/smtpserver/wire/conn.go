package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"countersign/internal/smtp"
	"countersign/internal/smtp/strict"
)

// Sizes in octets and times.
const (
	readBuffer = 4 << 10
	// writeLimit is how much of replies is gathered before it is written.
	writeLimit = 4 << 10
	// lingerBytes and lingerTime bound how long the server listens to a client
	// that has been told that it is over, so that the answer reaches it: closing
	// with unread octets would reset the connection and destroy the answer.
	lingerBytes = 256 << 10
	lingerTime  = time.Second
	// forcedWrite is how long a last reply may take when the server stops at once.
	forcedWrite = 500 * time.Millisecond
)

// ErrStopped is what reading returns when the server stops and the session may
// not go on.
var ErrStopped = errors.New("wire: the server stops")

// errHandshake is why nothing may be said: the client waits for a handshake
// and must not get plain text.
var errHandshake = errors.New("wire: no handshake yet")

// Stop says how urgently the server wants a session to end.
type Stop uint8

// The levels: not, unless it is busy, and whatever it does.
const (
	StopNone Stop = iota
	StopIdle
	StopAtOnce
)

// Conn is one connection below the protocol. All methods but Interrupt are for
// the session's goroutine.
type Conn struct {
	// raw is what the listener accepted. Deadlines are set on it.
	raw net.Conn
	// conn is what is read and written: raw itself, without its PROXY header,
	// or TLS over one of these.
	conn net.Conn
	// in reads through this Conn, so that replies are flushed before each wait.
	in *strict.Reader
	// out are the replies not written yet, nil when there are none.
	out *[]byte
	// buffers lends out.
	buffers *Buffers
	// replyTime is how long the client may take to accept replies.
	replyTime time.Duration
	// mute says why replies are thrown away and reading fails: the error of
	// writing, or errHandshake. nil while all is in order.
	mute error

	// wait and end bound what is read next: see Expect and ExpectBody.
	wait  time.Duration
	each  bool
	until time.Time
	end   time.Time

	mu sync.Mutex // guards what follows
	// opening says that no reply can be sent now: PROXY header or handshake.
	opening bool
	// reading says that the session waits for the client.
	reading bool
	// busy says that a transaction is open.
	busy bool
	stop Stop
}

// Buffers lends buffers for replies to the connections that have something to
// say, so that those that idle hold none. It is safe for concurrent use.
type Buffers struct {
	pool sync.Pool
}

// NewBuffers returns an empty stock.
func NewBuffers() *Buffers {
	b := &Buffers{}
	b.pool.New = func() any {
		buf := make([]byte, 0, 512)
		return &buf
	}
	return b
}

// New returns the Conn over a connection just accepted. It is opening: see Ready.
func New(raw net.Conn, buffers *Buffers) *Conn {
	c := &Conn{raw: raw, conn: raw, buffers: buffers, opening: true}
	c.in = strict.NewReader(c, readBuffer)
	return c
}

// Expect says that the next thing to be read, as a whole, must come within
// wait, counted from when reading has to wait for it, and before end where
// that is not zero.
func (c *Conn) Expect(wait time.Duration, end time.Time) {
	c.wait, c.end = wait, end
	c.each = false
	c.until = time.Time{}
}

// ExpectBody says that octets of a message come next: some within each wait, all before end.
func (c *Conn) ExpectBody(wait time.Duration, end time.Time) {
	c.Expect(wait, end)
	c.each = true
}

// Read implements io.Reader for the strict.Reader, which calls it only when it
// has nothing more: what is to be said is said first.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.Flush(); err != nil {
		return 0, err
	}
	if err := c.beginRead(); err != nil {
		return 0, err
	}
	n, err := c.conn.Read(p)
	return n, c.endRead(err)
}

// beginRead sets the deadline, unless the session shall stop.
func (c *Conn) beginRead() error {
	if c.until.IsZero() || c.each {
		c.until = time.Now().Add(c.wait)
		if !c.end.IsZero() && c.end.Before(c.until) {
			c.until = c.end
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mustStop() {
		return ErrStopped
	}
	c.reading = true
	return c.raw.SetReadDeadline(c.until)
}

// endRead turns the time-out that Interrupt causes into ErrStopped.
func (c *Conn) endRead(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if IsTimeout(err) && c.mustStop() {
		return ErrStopped
	}
	return err
}

// mustStop reports whether the session shall not wait for its client any more.
// The caller holds mu.
func (c *Conn) mustStop() bool {
	return c.stop == StopAtOnce || c.stop == StopIdle && !c.busy
}

// Stopped reports whether the session shall not wait for its client any more.
func (c *Conn) Stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mustStop()
}

// Forced reports whether the session shall end at once.
func (c *Conn) Forced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stop == StopAtOnce
}

// SetBusy says whether a transaction is open, which a graceful stop waits for.
func (c *Conn) SetBusy(busy bool) {
	c.mu.Lock()
	c.busy = busy
	c.mu.Unlock()
}

// Reader returns the strict reader of what the client sends.
func (c *Conn) Reader() *strict.Reader { return c.in }

// SetReplyTime says how long the client may take to accept replies.
func (c *Conn) SetReplyTime(wait time.Duration) { c.replyTime = wait }

// AwaitTLS says that the client expects a handshake, so that nothing is said
// in plain text, even if the session fails before.
func (c *Conn) AwaitTLS() { c.mute = errHandshake }

// Speak takes AwaitTLS back: the client has shown that it reads plain text.
func (c *Conn) Speak() { c.mute = nil }

// Ready says that it is known who is there, and that a reply could be read.
// Until then a stop closes the connection without a word.
func (c *Conn) Ready() { c.setOpening(false) }

// setOpening says whether a PROXY header or handshake is under way, in which
// a stop closes the connection without a word.
func (c *Conn) setOpening(opening bool) {
	c.mu.Lock()
	c.opening = opening
	closeNow := opening && c.stop != StopNone
	c.mu.Unlock()
	if closeNow {
		c.raw.Close()
	}
}

// Interrupt makes the session end: one that waits is woken, one that works
// sees it when it next waits. It may be called from any goroutine, and again
// with a higher level.
func (c *Conn) Interrupt(level Stop) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop = max(c.stop, level)
	if c.opening {
		c.raw.Close()
		return
	}
	if c.reading && c.mustStop() {
		c.raw.SetReadDeadline(time.Unix(1, 0)) // long past
	}
	if c.stop == StopAtOnce {
		c.raw.SetWriteDeadline(time.Now().Add(forcedWrite))
	}
}

// Write adds a reply to what is to be written.
func (c *Conn) Write(r smtp.Reply) {
	if c.out == nil {
		c.out = c.buffers.pool.Get().(*[]byte)
	}
	*c.out = r.AppendTo(*c.out)
	if len(*c.out) >= writeLimit {
		c.Flush() // an error is kept in mute
	}
}

// Flush writes what has been gathered. After an error nothing more is written,
// and it returns that error.
func (c *Conn) Flush() error {
	if c.out == nil {
		return c.mute
	}
	buf := c.out
	c.out = nil
	defer c.giveBack(buf)
	if c.mute != nil {
		return c.mute
	}
	c.setWriteDeadline(c.replyTime)
	_, c.mute = c.conn.Write(*buf)
	return c.mute
}

// giveBack returns a buffer for the next that has something to say, unless a
// long challenge has made it large.
func (c *Conn) giveBack(buf *[]byte) {
	if cap(*buf) <= 2*writeLimit {
		*buf = (*buf)[:0]
		c.buffers.pool.Put(buf)
	}
}

// setWriteDeadline allows wait for writing, unless a stop has set its own.
func (c *Conn) setWriteDeadline(wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != StopAtOnce {
		c.raw.SetWriteDeadline(time.Now().Add(wait))
	}
}

// Close writes what is left and ends the connection. With linger it waits for
// the client to see the last reply.
func (c *Conn) Close(linger bool) {
	c.Flush()
	if c.mute != nil || c.Forced() {
		c.raw.Close()
		return
	}
	if secure, ok := c.conn.(*tls.Conn); ok {
		secure.CloseWrite() // close_notify, RFC 8446 section 6.1
	}
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok && linger && half.CloseWrite() == nil {
		c.raw.SetReadDeadline(time.Now().Add(lingerTime))
		io.CopyN(io.Discard, c.raw, lingerBytes)
	}
	c.raw.Close()
}

// IsTimeout reports whether a deadline has passed.
func IsTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
