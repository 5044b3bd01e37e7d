package testkit

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeRoom is how many octets wait in each direction of a Pipe before a writer
// does.
const pipeRoom = 64 << 10

// Pipe returns the two ends of a connection without sockets. Unlike net.Pipe it
// holds some octets, as a network does, so that both ends may write at once,
// and what was written before an end closed can still be read.
func Pipe() (net.Conn, net.Conn) {
	a, b := newStream(), newStream()
	return &pipeEnd{in: a, out: b}, &pipeEnd{in: b, out: a}
}

// stream is one direction of a pipe.
type stream struct {
	mu  sync.Mutex // guards what follows
	buf []byte
	// ended says that no more will be written, gone that nobody reads.
	ended, gone bool
	// readBy and writeBy are the deadlines of its ends.
	readBy, writeBy time.Time
	// changed is closed and replaced whenever something above changes.
	changed chan struct{}
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

// change changes the stream and wakes those that wait for it.
func (s *stream) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait waits until try says that it is done, or the deadline that by tells is
// over. Both are called under the lock.
func (s *stream) wait(try func() (done bool), by func() time.Time) error {
	for {
		s.mu.Lock()
		deadline, changed := by(), s.changed
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			s.mu.Unlock()
			return os.ErrDeadlineExceeded
		}
		if try() {
			close(s.changed)
			s.changed = make(chan struct{})
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		var expired <-chan time.Time
		if !deadline.IsZero() {
			timer := time.NewTimer(time.Until(deadline))
			defer timer.Stop()
			expired = timer.C
		}
		select {
		case <-changed:
		case <-expired:
		}
	}
}

// pipeEnd is one end of a pipe.
type pipeEnd struct{ in, out *stream }

func (p *pipeEnd) Read(b []byte) (n int, err error) {
	waitErr := p.in.wait(func() bool {
		switch {
		case p.in.gone:
			err = net.ErrClosed
		case len(p.in.buf) > 0:
			n = copy(b, p.in.buf)
			p.in.buf = p.in.buf[n:]
		case p.in.ended:
			err = io.EOF
		default:
			return false
		}
		return true
	}, func() time.Time { return p.in.readBy })
	if waitErr != nil {
		return 0, waitErr
	}
	return n, err
}

func (p *pipeEnd) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		waitErr := p.out.wait(func() bool {
			room := pipeRoom - len(p.out.buf)
			switch {
			case p.out.ended, p.out.gone:
				err = io.ErrClosedPipe
			case room > 0:
				part := b[n:min(len(b), n+room)]
				p.out.buf = append(p.out.buf, part...)
				n += len(part)
			default:
				return false
			}
			return true
		}, func() time.Time { return p.out.writeBy })
		if waitErr != nil {
			return n, waitErr
		}
	}
	return n, err
}

func (p *pipeEnd) Close() error {
	p.in.change(func() { p.in.gone = true })
	p.out.change(func() { p.out.ended = true })
	return nil
}

func (p *pipeEnd) SetDeadline(t time.Time) error {
	p.in.change(func() { p.in.readBy = t })
	p.out.change(func() { p.out.writeBy = t })
	return nil
}

func (p *pipeEnd) SetReadDeadline(t time.Time) error {
	p.in.change(func() { p.in.readBy = t })
	return nil
}

func (p *pipeEnd) SetWriteDeadline(t time.Time) error {
	p.out.change(func() { p.out.writeBy = t })
	return nil
}

// pipeAddr is the address of both ends.
type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

func (p *pipeEnd) LocalAddr() net.Addr  { return pipeAddr{} }
func (p *pipeEnd) RemoteAddr() net.Addr { return pipeAddr{} }
