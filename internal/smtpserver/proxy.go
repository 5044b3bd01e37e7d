package smtpserver

import (
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// addrPort returns the address of one end of a connection, without IPv6 zone
// and IPv4-in-IPv6 form; invalid where it is no internet address.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case nil:
		return ap
	case *net.TCPAddr:
		ap = a.AddrPort()
	default:
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// isProxy reports whether a PROXY header is expected from peer.
func (lc *ListenerConfig) isProxy(peer netip.Addr) bool {
	for _, p := range lc.Proxies {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}

// identify finds out who the client is, from a PROXY header where a named
// proxy connected. It reports false where that header is missing or cannot be read.
func (c *session) identify() bool {
	raw := c.wire.raw
	peer := Peer{
		ID:       c.srv.opt.IDs.New(),
		Listener: c.listener.Name,
		Client:   addrPort(raw.RemoteAddr()),
		Local:    addrPort(raw.LocalAddr()),
	}
	if c.listener.isProxy(peer.Client.Addr()) {
		conn := proxyproto.NewConn(raw,
			proxyproto.WithPolicy(proxyproto.REQUIRE),
			proxyproto.SetReadHeaderTimeout(c.limits.Timeouts.Greeting))
		if conn.ProxyHeader() == nil {
			c.srv.opt.Logger.Warn("a proxy connected without a PROXY header",
				"listener", c.listener.Name, "proxy", peer.Client.String())
			return false
		}
		// A header that names no internet address (LOCAL, UNKNOWN) is the
		// proxy's own health check and leaves the socket's addresses.
		peer.Proxy = peer.Client
		if client := addrPort(conn.RemoteAddr()); client.IsValid() {
			peer.Client = client
			peer.Local = addrPort(conn.LocalAddr())
		}
		c.wire.conn = conn
	}
	c.peer = peer
	return true
}
