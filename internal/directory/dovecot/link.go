package dovecot

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"countersign/internal/fault"
)

// writeTimeout bounds the sending of a line. Dovecot reads at once, or hangs.
const writeTimeout = 5 * time.Second

var (
	// errLost is a connection that has broken; what was under way on it is lost.
	errLost = errors.New("the connection to Dovecot has broken")
	// errDropped is an exchange that was given up, or whose client took too long.
	errDropped = fault.New("dovecot.next", fault.Canceled, "the exchange was given up")
	// errUnasked is a reply to nothing.
	errUnasked = errors.New("it answers what it was not asked")
)

// link is one connection, on which several requests are under way. It is safe for
// concurrent use.
type link struct {
	conn    net.Conn
	greeted *greeting     // what Dovecot offers on it
	writing chan struct{} // holds one token while a line is being written
	done    chan struct{} // closed where the connection has broken

	mu       sync.Mutex // guards what follows
	requests map[uint32]*request
	last     uint32      // the latest id: none is used twice on a connection
	lines    uint64      // how many have been read
	retired  bool        // nothing new is asked on it
	err      error       // why it has broken, nil while it has not
	forget   func() bool // ends what endsWith has begun, nil where it was not called
}

// request is one exchange as the connection knows it.
type request struct {
	id      uint32
	replies chan reply    // with room for one
	dropped chan struct{} // closed where the request is none any more
	release func()        // called once, then
}

// open makes a connection ready for requests.
func open(conn net.Conn) (*link, error) {
	r := bufio.NewReaderSize(conn, maxReply)
	id, err := clientID()
	if err != nil {
		return nil, err
	}
	hello := fmt.Sprintf("VERSION\t%s\t%s\nCPID\t%d\n", ourMajor, ourMinor, id)
	if _, err := conn.Write([]byte(hello)); err != nil {
		return nil, err
	}
	l := &link{conn: conn, writing: make(chan struct{}, 1), done: make(chan struct{}), requests: map[uint32]*request{}}
	if l.greeted, err = readHandshake(r); err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	go l.read(r)
	return l, nil
}

// clientID makes the number that the protocol calls a process id. It must be no
// other connection's, or Dovecot refuses this one; and processes in containers
// mostly have the same.
func clientID() (uint32, error) {
	var raw [4]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(raw[:])>>1 | 1, nil
}

// read hands replies to those who wait for them, until the connection breaks.
func (l *link) read(r *bufio.Reader) {
	for {
		line, err := readLine(r)
		if err == nil {
			err = l.take(line)
		}
		if err != nil {
			l.fail(err)
			return
		}
	}
}

// take hands over one reply. One to a request that has been dropped is ignored.
func (l *link) take(line string) error {
	id, answer, isReply, err := parseReply(line)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines++
	r, there := l.requests[id]
	if !isReply || !there {
		return nil
	}
	select {
	case r.replies <- answer:
		return nil
	default:
		return errUnasked
	}
}

// fail breaks the connection. The first reason counts.
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = errors.Join(errLost, err)
		close(l.done)
		l.conn.Close()
		if l.forget != nil {
			l.forget()
		}
	}
}

// endsWith breaks the connection where ctx ends.
func (l *link) endsWith(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.forget = context.AfterFunc(ctx, func() { l.fail(errClosed) })
	}
}

// isUsable reports whether something new can be asked.
func (l *link) isUsable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err == nil && !l.retired
}

// retire lets what is under way go on, and nothing else.
func (l *link) retire() {
	l.mu.Lock()
	l.retired = true
	idle := len(l.requests) == 0
	l.mu.Unlock()
	if idle {
		l.fail(errors.New("it is not used any more"))
	}
}

// add begins a request. release is called where it ends, unless it cannot begin.
func (l *link) add(release func()) (*request, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return nil, l.err
	case l.retired, l.last == math.MaxUint32:
		l.retired = true
		return nil, errLost
	}
	l.last++
	r := &request{id: l.last, replies: make(chan reply, 1), dropped: make(chan struct{}), release: release}
	l.requests[r.id] = r
	return r, nil
}

// drop ends a request on our side and reports whether it was there.
func (l *link) drop(r *request) bool {
	l.mu.Lock()
	_, there := l.requests[r.id]
	if there {
		delete(l.requests, r.id)
		close(r.dropped)
	}
	last := l.retired && len(l.requests) == 0
	l.mu.Unlock()
	if there {
		r.release()
	}
	if last {
		l.fail(errors.New("it is not used any more"))
	}
	return there
}

// cancel ends a request on both sides.
func (l *link) cancel(r *request) {
	if !l.drop(r) {
		return
	}
	ctx, end := context.WithTimeout(context.Background(), writeTimeout)
	defer end()
	_ = l.send(ctx, fmt.Appendf(nil, "CANCEL\t%d\n", r.id)) // a broken connection has cancelled it too
}

// send writes a line, which is overwritten then: it may hold a secret.
func (l *link) send(ctx context.Context, line []byte) error {
	defer clear(line)
	select {
	case l.writing <- struct{}{}:
	case <-l.done:
		return l.reason()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.writing }()
	// The time of the caller must not cut a line in two.
	err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = l.conn.Write(line)
	}
	if err != nil {
		l.fail(err)
		return l.reason()
	}
	return nil
}

// ask sends a line of a request and waits for the reply.
func (l *link) ask(ctx context.Context, r *request, line []byte) (reply, error) {
	select {
	case early := <-r.replies: // Dovecot may give an exchange up, but not go on alone
		clear(line)
		if early.verb != isOver {
			l.fail(errUnasked)
			return reply{}, l.reason()
		}
		return early, nil
	case <-r.dropped:
		clear(line)
		return reply{}, errDropped
	default:
	}
	before := l.count()
	if err := l.send(ctx, line); err != nil {
		return reply{}, err
	}
	select {
	case answer := <-r.replies:
		return answer, nil
	case <-r.dropped:
		return reply{}, errDropped
	case <-l.done:
		select { // what came before the end counts
		case answer := <-r.replies:
			return answer, nil
		default:
			return reply{}, l.reason()
		}
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && l.count() == before { // it may hang: the next questions try another connection
			l.retire()
		}
		return reply{}, ctx.Err()
	}
}

func (l *link) count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}

func (l *link) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
