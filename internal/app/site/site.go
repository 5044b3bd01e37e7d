// Package site opens the HTTP server that the configuration asks for: its addresses, and
// which of them speak TLS.
//
// Main function: Open.
package site

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/app/bind"
	"countersign/internal/config"
	"countersign/internal/web"
)

// Options are what a site is made of.
type Options struct {
	Config config.Web
	// Mounts are what it serves.
	Mounts []web.Mount
	// TLS makes the configuration of a listener of the named certificates, as
	// cert.Manager does.
	TLS func(names []string, minimum uint16) (*tls.Config, error)
	// Registry gets the figures.
	Registry prometheus.Registerer
	Logger   *slog.Logger
}

// Open listens on all addresses, and serves when it has every one. It returns the server
// and the real first address; nil where none is configured. The error is for people.
func Open(o Options) (*web.Server, string, error) {
	if len(o.Config.Listen) == 0 {
		return nil, "", nil
	}
	var bound []net.Listener
	configs := make([]*tls.Config, len(o.Config.Listen))
	for i, address := range o.Config.Listen {
		l, err := bind.Listen(address)
		if err == nil {
			bound = append(bound, l)
			if Encrypted(&o.Config, address) {
				configs[i], err = o.TLS(o.Config.Certificates, tls.VersionTLS12)
			}
		}
		if err != nil {
			for _, l := range bound {
				l.Close()
			}
			return nil, "", err
		}
	}
	server := web.New(web.Options{
		Mounts: o.Mounts, MaxConnections: o.Config.MaxConnections, Registry: o.Registry, Logger: o.Logger,
	})
	for i, l := range bound {
		server.Serve(l, configs[i])
	}
	return server, bound[0].Addr().String(), nil
}

// Encrypted tells whether an address to listen on speaks TLS.
func Encrypted(c *config.Web, address string) bool {
	at, err := netip.ParseAddrPort(address)
	return c.TLS == "on" || err != nil || !at.Addr().Unmap().IsLoopback()
}
