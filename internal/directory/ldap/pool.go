package ldap

import (
	"context"
	"errors"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// maxIdle is how long a connection is kept for the next question. Servers end them
// after some minutes.
const maxIdle = time.Minute

var errClosed = errors.New("the directory is closed")

// pool keeps connections that are all bound as the same account. It is safe for
// concurrent use.
type pool struct {
	place  place
	login  func(*goldap.Conn) error // what each begins with
	places chan struct{}            // holds a token for each connection in use
	idle   time.Duration            // maxIdle

	mu     sync.Mutex // guards what follows
	spare  []*session // the one used last at the end
	closed bool
}

func newPool(p place, most int, login func(*goldap.Conn) error) *pool {
	return &pool{place: p, login: login, places: make(chan struct{}, most), idle: maxIdle}
}

// do runs work on a connection. Where one that was kept turns out to have broken it
// is run once more, on a new one.
func (p *pool) do(ctx context.Context, work func(*goldap.Conn) error) error {
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s := p.take(); s != nil {
		err := p.run(ctx, s, work)
		if err == nil || !s.isLost(err) || ctx.Err() != nil {
			return err
		}
	}
	if p.isClosed() {
		return errClosed
	}
	s, err := p.place.open(ctx, p.login)
	if err != nil {
		return err
	}
	return p.run(ctx, s, work)
}

// run runs work and keeps the connection, unless it has broken.
func (p *pool) run(ctx context.Context, s *session, work func(*goldap.Conn) error) error {
	release := s.bound(ctx)
	err := work(s.conn)
	release()
	if s.isLost(err) || ctx.Err() != nil {
		s.close()
		return err
	}
	p.put(s)
	return err
}

// take returns a connection that was kept, nil where there is none.
func (p *pool) take() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.spare) > 0 {
		s := p.spare[len(p.spare)-1]
		p.spare = p.spare[:len(p.spare)-1]
		if !s.conn.IsClosing() && time.Since(s.since) < p.idle {
			return s
		}
		s.close()
	}
	return nil
}

func (p *pool) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		s.close()
		return
	}
	s.since = time.Now()
	p.spare = append(p.spare, s)
}

func (p *pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// close ends the connections that are kept; those in use end after their question.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.spare {
		s.close()
	}
	p.spare = nil
}
