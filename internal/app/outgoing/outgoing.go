// Package outgoing makes, of the configuration, what deliveries need: routes with the
// certificates that they trust, times, limits, and whom to ask about names.
//
// Main function: Options.
package outgoing

import (
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"countersign/internal/config"
	"countersign/internal/delivery"
	"countersign/internal/delivery/route"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/queue"
	"countersign/internal/smtpclient"
)

// greetingAtMost is how long a server may keep us waiting for its greeting: less
// than the 5 minutes of RFC 5321 section 4.5.3.2.1, as one that says nothing
// holds a worker for that long, at each of its addresses.
const greetingAtMost = time.Minute

// Options are what the configuration says of deliveries; what they need is for the caller to
// add. Errors are those of files that routes name.
func Options(c *config.Config) (delivery.Options, error) {
	list, err := routes(c)
	if err != nil {
		return delivery.Options{}, err
	}
	resolver, err := mx.NewClient(Resolver(c))
	if err != nil {
		return delivery.Options{}, err
	}
	d := c.Delivery
	idle := d.IdleTimeout.Std()
	if idle == 0 {
		idle = -1 // close at once
	}
	return delivery.Options{
		Resolver: resolver, Hostname: mail.Domain(c.Hostname), Hello: d.Hello,
		Routes: list, Schedule: schedule(c),
		Limits: delivery.Limits{
			Workers: d.Workers, PerDestination: d.PerDestination, PerAddress: d.PerAddress,
			MessagesPerConnection: d.MaxMessagesPerConnection, IdleTimeout: idle,
		},
		Timeouts: smtpclient.Timeouts{
			Greeting: min(d.CommandTimeout.Std(), greetingAtMost), Handshake: d.ConnectTimeout.Std(), Command: d.CommandTimeout.Std(),
			DataStart: d.CommandTimeout.Std(), DataEnd: d.DataTimeout.Std(),
		},
		ConnectTimeout: d.ConnectTimeout.Std(), AttemptTimeout: d.AttemptTimeout.Std(), IPv6: d.IPv6,
		SourceIPv4: d.SourceIPv4, SourceIPv6: d.SourceIPv6,
	}, nil
}

// Resolver says whom to ask about names, and for how long.
func Resolver(c *config.Config) mx.ClientOptions {
	o := mx.ClientOptions{Timeout: c.DNS.Timeout.Std()}
	for _, s := range c.DNS.Servers {
		o.Servers = append(o.Servers, s.AddrPort)
	}
	return o
}

// tlsMode reads the words of the configuration.
func tlsMode(word string) smtpclient.TLSMode {
	switch word {
	case "required":
		return smtpclient.TLSRequired
	case "none":
		return smtpclient.TLSNone
	default:
		return smtpclient.TLSOpportunistic
	}
}

// routes reads the files that routes name.
func routes(c *config.Config) ([]route.Route, error) {
	var list []route.Route
	for _, r := range c.Routes {
		pool, err := roots(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", r.Domain, err)
		}
		list = append(list, route.Route{
			Domain: r.Domain, Host: r.NextHop.Host, Port: r.NextHop.Port,
			ImplicitTLS: r.NextHop.Scheme == "smtps", TLS: tlsMode(r.TLS),
			Username: r.Username, Password: r.Password.Reveal(), RootCAs: pool,
		})
	}
	return list, nil
}

func schedule(c *config.Config) queue.Schedule {
	s := queue.Schedule{Lifetime: c.Queue.Lifetime.Std()}
	for _, d := range c.Queue.Retry {
		s.Retry = append(s.Retry, d.Std())
	}
	return s
}

// roots reads a file of certificates; nil for none.
func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}
