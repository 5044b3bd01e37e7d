// Package route says how a recipient domain is reached: by its MX, or by a next
// hop that the operator named. It looks nothing up.
//
// Main types: Route, Site, Table.
package route

import (
	"crypto/x509"

	"countersign/internal/mail"
	"countersign/internal/smtpclient"
)

// Route says how a recipient domain is reached.
type Route struct {
	// Domain is the recipient domain, or "*" for those without a route of their
	// own.
	Domain string
	// Host is the next hop, a name or an IP address, which may lie in a private
	// network; "" means the domain's MX.
	Host string
	// Port is the next hop's; 0 means 25, or 465 with ImplicitTLS.
	Port uint16
	// ImplicitTLS is TLS from the first octet, TLS how it is used otherwise.
	ImplicitTLS bool
	TLS         smtpclient.TLSMode
	// Username and Password log in at the next hop, over TLS only.
	Username, Password string
	// RootCAs verify its certificate where TLS is required; nil is the
	// system's.
	RootCAs *x509.CertPool
}

// Site is a destination's identity: all that share it share connections,
// concurrency and fate.
type Site struct {
	// Route has no Domain.
	Route Route
	// Domain is the recipient domain where its MX decides, else "".
	Domain mail.Domain
}

// String names the site for logs.
func (s Site) String() string {
	if s.Route.Host != "" {
		return s.Route.Host
	}
	return string(s.Domain)
}

// Port returns the port to connect to.
func (s Site) Port() uint16 {
	switch {
	case s.Route.Port != 0 && s.Route.Host != "":
		return s.Route.Port
	case s.Route.ImplicitTLS:
		return 465
	}
	return 25
}

// Table is a set of routes by recipient domain.
type Table map[string]Route

// NewTable returns the table of a list of routes.
func NewTable(list []Route) Table {
	set := make(Table, len(list))
	for _, r := range list {
		domain := r.Domain
		r.Domain = ""
		set[domain] = r
	}
	return set
}

// Site returns the destination of a recipient domain.
func (t Table) Site(domain mail.Domain) Site {
	route, ok := t[string(domain)]
	if !ok {
		route = t["*"]
	}
	if route.Host != "" {
		return Site{Route: route}
	}
	return Site{Route: route, Domain: domain}
}
