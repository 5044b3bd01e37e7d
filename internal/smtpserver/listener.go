package smtpserver

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"countersign/internal/smtp"
)

// Bounds of the pause after a failed Accept. The usual failure is that the
// process has no file descriptor left (EMFILE); it passes when sessions end.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// accept hands each connection of l to a goroutine of its own until the server stops.
func (s *Server) accept(l net.Listener, lc *ListenerConfig) {
	pause := time.Duration(0)
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			s.start(conn, lc)
			continue
		}
		if pause == 0 && !errors.Is(err, net.ErrClosed) {
			s.opt.Logger.Error("cannot accept a connection", "listener", lc.Name, "err", err)
		}
		pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.stopping:
			timer.Stop()
			return
		}
	}
}

// start runs a connection, or closes it when the server stops or has too many
// to refuse.
func (s *Server) start(conn net.Conn, lc *ListenerConfig) {
	w := newWire(conn, &s.buffers)
	s.mu.Lock()
	if s.stop != stopNone {
		s.mu.Unlock()
		conn.Close()
		return
	}
	limit := s.limits.Load().MaxConnections
	counted := limit <= 0 || s.open < limit
	if counted {
		s.open++
	}
	s.wires[w] = struct{}{}
	s.running.Add(1)
	s.mu.Unlock()

	c := &session{srv: s, listener: lc, wire: w, limits: s.limits.Load()}
	if !counted {
		c.overLimit = smtp.ETooManyConnections
	}
	go func() {
		defer s.forget(c, counted)
		c.run()
	}()
}

// forget takes a connection that is over out of the books.
func (s *Server) forget(c *session, counted bool) {
	s.mu.Lock()
	delete(s.wires, c.wire)
	if counted {
		s.open--
	}
	if c.network.IsValid() {
		s.perPrefix[c.network]--
		if s.perPrefix[c.network] == 0 {
			delete(s.perPrefix, c.network)
		}
	}
	s.mu.Unlock()
	s.running.Done()
}

// countNetwork counts a session for its client's network and returns that, or
// returns false where the network has enough. A client without an address (a
// pipe in a test) is not counted.
func (s *Server) countNetwork(client netip.Addr, l *Limits) (netip.Prefix, bool) {
	bits := l.PrefixV6
	if client.Is4() {
		bits = l.PrefixV4
	}
	network, err := client.Prefix(bits)
	if err != nil {
		return netip.Prefix{}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.MaxPerPrefix > 0 && s.perPrefix[network] >= l.MaxPerPrefix {
		return netip.Prefix{}, false
	}
	s.perPrefix[network]++
	return network, true
}
