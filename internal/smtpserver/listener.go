package smtpserver

import (
	"net"
	"net/netip"

	"countersign/internal/smtp"
	"countersign/internal/smtpserver/wire"
)

// start runs a connection, or closes it when the server stops or has too many
// to refuse.
func (s *Server) start(conn net.Conn, lc *ListenerConfig) {
	w := wire.New(conn, s.buffers)
	s.mu.Lock()
	if s.stop != wire.StopNone {
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
	if err != nil || !network.IsValid() {
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
