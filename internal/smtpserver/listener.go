package smtpserver

import (
	"net"
	"time"

	"countersign/internal/crowd"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver/wire"
)

// start runs a connection, or closes it when the server stops or has more of
// them than it can have sessions: so many proxies that have not named their
// client, sessions on their way out, and clients being refused.
func (s *Server) start(conn net.Conn, lc *ListenerConfig) {
	limits := s.limits.Load()
	w := wire.New(conn, s.buffers)
	s.mu.Lock()
	tooMany := limits.MaxConnections > 0 && len(s.wires) >= 2*limits.MaxConnections+maxRefusing
	if s.stop != wire.StopNone || tooMany {
		s.mu.Unlock()
		conn.Close()
		if tooMany {
			s.refused.Add(1)
		}
		return
	}
	s.wires[w] = struct{}{}
	s.running.Add(1)
	s.mu.Unlock()

	c := &session{srv: s, listener: lc, wire: w, limits: limits, began: time.Now()}
	go func() {
		defer s.forget(c)
		c.run()
	}()
}

// forget takes a connection that is over out of the books.
func (s *Server) forget(c *session) {
	s.mu.Lock()
	delete(s.wires, c.wire)
	s.mu.Unlock()
	s.running.Done()
}

// enter asks for a place among the sessions; the reason is why there is none,
// "" where there is.
func (c *session) enter() smtp.Reason {
	guest, answer := c.srv.crowd.Enter(c.peer.Client.Addr(), c.limits.Places(), c.makeRoom)
	c.guest = guest
	switch answer {
	case crowd.Full:
		return smtp.ETooManyConnections
	case crowd.NetworkFull:
		return smtp.ETooManyConnectionsFromYou
	}
	return ""
}

// makeRoom ends a session that has lost its place to another one. It is called
// from that one's goroutine.
func (c *session) makeRoom() {
	c.displaced.Store(true)
	c.wire.Interrupt(wire.StopAtOnce)
}

// leave gives the session's place back.
func (c *session) leave() {
	if c.guest != nil {
		c.srv.crowd.Leave(c.guest)
	}
}
