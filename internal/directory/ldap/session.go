package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

const (
	// connectTimeout bounds a connection's beginning.
	connectTimeout = 5 * time.Second
	// longest bounds a question whatever the caller says.
	longest = time.Minute
	// maxAnswer is how many octets a server may send for one question.
	maxAnswer = 256 << 10
)

// session is a connection to a server, used for one question at a time.
type session struct {
	conn  *goldap.Conn
	meter *meter
	since time.Time // when it was used last
}

// meter is a connection that reads no more than it is allowed. The library would
// take messages of 2 GB.
type meter struct {
	net.Conn
	left atomic.Int64
}

var errFlood = errors.New("the server sends more than any answer has")

// Read implements net.Conn.
func (m *meter) Read(p []byte) (int, error) {
	left := m.left.Load()
	if left <= 0 {
		return 0, errFlood
	}
	n, err := m.Conn.Read(p[:min(int64(len(p)), left)])
	m.left.Add(-int64(n))
	return n, err
}

// open connects, encrypts and, where there is an account that searches, binds as it.
func (p place) open(ctx context.Context, login func(*goldap.Conn) error) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, p.network, p.address)
	if err != nil {
		return nil, err
	}
	s := &session{meter: &meter{Conn: raw}}
	release := s.bound(ctx)
	defer release()
	if err = s.begin(ctx, p); err == nil {
		err = login(s.conn)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// begin starts the protocol, over TLS where that is wanted. A connection that cannot
// be encrypted is none.
func (s *session) begin(ctx context.Context, p place) error {
	var under net.Conn = s.meter
	if p.tls != nil && !p.startTLS {
		encrypted := tls.Client(under, p.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return err
		}
		under = encrypted
	}
	s.conn = goldap.NewConn(under, p.tls != nil && !p.startTLS)
	s.conn.Start()
	s.conn.SetTimeout(longest)
	if p.startTLS {
		return s.conn.StartTLS(p.tls)
	}
	return nil
}

// bound bounds what happens until release is called: it ends where ctx does, and
// reads maxAnswer octets at the most.
func (s *session) bound(ctx context.Context) (release func()) {
	s.meter.left.Store(maxAnswer)
	_ = s.meter.SetDeadline(time.Now().Add(longest))
	stop := context.AfterFunc(ctx, func() { _ = s.meter.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if stop() {
			_ = s.meter.SetDeadline(time.Time{})
			s.meter.left.Store(maxAnswer)
		}
	}
}

// isLost reports whether a session is of no use after an error.
func (s *session) isLost(err error) bool {
	return s.conn.IsClosing() || goldap.IsErrorWithCode(err, goldap.ErrorNetwork)
}

// close ends the connection at once: whoever waits on it is told.
func (s *session) close() {
	s.meter.Conn.Close()
	if s.conn != nil {
		s.conn.Close()
	}
}
