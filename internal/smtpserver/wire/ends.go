package wire

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

// ErrNoHeader is what Identify returns when a named proxy sends no PROXY
// header, or none that can be read.
var ErrNoHeader = errors.New("wire: no PROXY header")

// Ends are the addresses of a connection, invalid where they are none of the
// internet's (a pipe in a test).
type Ends struct {
	// Client and Local are its two ends: those of the PROXY header where a
	// named proxy connected, else the socket's.
	Client, Local netip.AddrPort
	// Proxy is the named proxy's own address; invalid where there is none.
	Proxy netip.AddrPort
}

// Identify finds out who the client is. From a peer in proxies a PROXY header
// is required, within wait; from anybody else it is not looked for and stays
// what it is to SMTP: no command. Errors: ErrNoHeader, and ErrGone for a proxy
// that left without a word, as one does that looks whether we are there. With
// either, Ends are complete all the same.
func (c *Conn) Identify(proxies []netip.Prefix, wait time.Duration) (Ends, error) {
	ends := Ends{Client: addrPort(c.raw.RemoteAddr()), Local: addrPort(c.raw.LocalAddr())}
	if !contains(proxies, ends.Client.Addr()) {
		return ends, nil
	}
	ends.Proxy = ends.Client
	heard := &hearing{Conn: c.raw}
	conn := proxyproto.NewConn(heard,
		proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(wait))
	if conn.ProxyHeader() == nil {
		if !heard.any && heard.ended {
			return ends, ErrGone
		}
		return ends, ErrNoHeader
	}
	// A header that names no internet address (LOCAL, UNKNOWN) is the proxy's
	// own health check and leaves the socket's addresses.
	if client := addrPort(conn.RemoteAddr()); client.IsValid() {
		ends.Client, ends.Local = client, addrPort(conn.LocalAddr())
	}
	c.conn = conn
	return ends, nil
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// addrPort returns the address of one end of a connection, without IPv6 zone
// and IPv4-in-IPv6 form.
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
