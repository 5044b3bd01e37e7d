package smtpserver

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"countersign/internal/smtp"
)

// Sizes in octets and times of the wire.
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

// errStopped is what reading returns when the server stops and the session may
// not go on.
var errStopped = errors.New("smtpserver: the server stops")

// errHandshake is why nothing may be said: the client waits for a handshake
// and must not get plain text.
var errHandshake = errors.New("smtpserver: no handshake yet")

// stopLevel says how urgently the server wants the session to end.
type stopLevel uint8

const (
	stopNone   stopLevel = iota
	stopIdle             // unless a transaction is open
	stopAtOnce           // whatever it does
)

// wire is one connection below the protocol: buffered replies, deadlines, the
// change to TLS, and the stop from outside. All methods but interrupt are for
// the session's goroutine.
type wire struct {
	// raw is what the listener accepted. Deadlines are set on it.
	raw net.Conn
	// conn is what is read and written: raw itself, without its PROXY header,
	// or TLS over one of these.
	conn net.Conn
	// in reads from this wire, so that replies are flushed before each wait.
	in *smtp.Reader
	// out are the replies not written yet, nil when there are none.
	out *[]byte
	// buffers lends out.
	buffers *sync.Pool
	// writeTime is how long the client may take to accept replies.
	writeTime time.Duration
	// mute says why replies are thrown away and reading fails: the error of
	// writing, or errHandshake. nil while the wire is in order.
	mute error

	// wait and end bound what is read next: see expect and expectBody.
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
	stop stopLevel
}

// newWire returns the wire over a connection just accepted, opening.
func newWire(raw net.Conn, buffers *sync.Pool) *wire {
	w := &wire{raw: raw, conn: raw, buffers: buffers, opening: true}
	w.in = smtp.NewReader(w, readBuffer)
	return w
}

// expect says that the next thing to be read, as a whole, must come within
// wait, counted from when reading has to wait for it, and before end where
// that is not zero.
func (w *wire) expect(wait time.Duration, end time.Time) {
	w.wait, w.end = wait, end
	w.each = false
	w.until = time.Time{}
}

// expectBody says that octets of a message come next: some within each wait, all before end.
func (w *wire) expectBody(wait time.Duration, end time.Time) {
	w.expect(wait, end)
	w.each = true
}

// Read implements io.Reader for the smtp.Reader, which calls it only when it
// has nothing more: what is to be said is said first.
func (w *wire) Read(p []byte) (int, error) {
	if err := w.flush(); err != nil {
		return 0, err
	}
	if err := w.beginRead(); err != nil {
		return 0, err
	}
	n, err := w.conn.Read(p)
	return n, w.endRead(err)
}

// beginRead sets the deadline, unless the session shall stop.
func (w *wire) beginRead() error {
	if w.until.IsZero() || w.each {
		w.until = time.Now().Add(w.wait)
		if !w.end.IsZero() && w.end.Before(w.until) {
			w.until = w.end
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mustStop() {
		return errStopped
	}
	w.reading = true
	return w.raw.SetReadDeadline(w.until)
}

// endRead turns the time-out that interrupt causes into errStopped.
func (w *wire) endRead(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading = false
	if isTimeout(err) && w.mustStop() {
		return errStopped
	}
	return err
}

// mustStop reports whether the session shall not wait for its client any more.
// The caller holds mu.
func (w *wire) mustStop() bool {
	return w.stop == stopAtOnce || w.stop == stopIdle && !w.busy
}

// stopped is mustStop for the session.
func (w *wire) stopped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mustStop()
}

// forced reports whether the session shall end at once.
func (w *wire) forced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stop == stopAtOnce
}

// setBusy says whether a transaction is open, which a graceful stop waits for.
func (w *wire) setBusy(busy bool) {
	w.mu.Lock()
	w.busy = busy
	w.mu.Unlock()
}

// setOpening says whether a PROXY header or handshake is under way, in which
// a stop closes the connection without a word.
func (w *wire) setOpening(opening bool) {
	w.mu.Lock()
	w.opening = opening
	closeNow := opening && w.stop != stopNone
	w.mu.Unlock()
	if closeNow {
		w.raw.Close()
	}
}

// interrupt makes the session end: one that waits is woken, one that works
// sees it when it next waits. It may be called from any goroutine, and again
// with a higher level.
func (w *wire) interrupt(level stopLevel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop = max(w.stop, level)
	if w.opening {
		w.raw.Close()
		return
	}
	if w.reading && w.mustStop() {
		w.raw.SetReadDeadline(time.Unix(1, 0)) // long past
	}
	if w.stop == stopAtOnce {
		w.raw.SetWriteDeadline(time.Now().Add(forcedWrite))
	}
}

// write adds a reply to what is to be written.
func (w *wire) write(r smtp.Reply) {
	if w.out == nil {
		w.out = w.buffers.Get().(*[]byte)
	}
	*w.out = r.AppendTo(*w.out)
	if len(*w.out) >= writeLimit {
		w.flush() // an error is kept in mute
	}
}

// flush writes what has been gathered. After an error nothing more is written.
func (w *wire) flush() error {
	if w.out == nil {
		return w.mute
	}
	buf := w.out
	w.out = nil
	defer w.giveBack(buf)
	if w.mute != nil {
		return w.mute
	}
	w.setWriteDeadline(w.writeTime)
	_, w.mute = w.conn.Write(*buf)
	return w.mute
}

// giveBack returns a buffer for the next that has something to say, unless a
// long challenge has made it large.
func (w *wire) giveBack(buf *[]byte) {
	if cap(*buf) <= 2*writeLimit {
		*buf = (*buf)[:0]
		w.buffers.Put(buf)
	}
}

// setWriteDeadline allows wait for writing, unless a stop has set its own.
func (w *wire) setWriteDeadline(wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != stopAtOnce {
		w.raw.SetWriteDeadline(time.Now().Add(wait))
	}
}

// startTLS makes the server's handshake over what is there and, if it
// succeeds, reads and writes through it from then on. Octets received and not consumed
// before are forgotten. If it fails, the wire is mute.
func (w *wire) startTLS(config *tls.Config, wait time.Duration) (*tls.Conn, error) {
	w.setOpening(true)
	w.mute = errHandshake
	w.raw.SetDeadline(time.Now().Add(wait))
	conn := tls.Server(w.conn, config)
	err := conn.Handshake()
	w.raw.SetDeadline(time.Time{})
	w.setOpening(false)
	if err != nil {
		return nil, err
	}
	w.conn, w.mute = conn, nil
	w.in.Reset(w)
	return conn, nil
}

// close writes what is left and ends the connection. With linger it waits for
// the client to see the last reply.
func (w *wire) close(linger bool) {
	w.flush()
	if w.mute != nil || w.forced() {
		w.raw.Close()
		return
	}
	if secure, ok := w.conn.(*tls.Conn); ok {
		secure.CloseWrite() // close_notify, RFC 8446 section 6.1
	}
	if half, ok := w.raw.(interface{ CloseWrite() error }); ok && linger && half.CloseWrite() == nil {
		w.raw.SetReadDeadline(time.Now().Add(lingerTime))
		io.CopyN(io.Discard, w.raw, lingerBytes)
	}
	w.raw.Close()
}

// isTimeout reports whether a deadline has passed.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
