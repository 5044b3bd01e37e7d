package cert

import (
	"crypto/tls"
	"errors"
	"strings"

	"countersign/internal/fault"
)

// suites12 are the TLS 1.2 cipher suites: forward secret and authenticated
// (RFC 9325 section 4.2). Those of TLS 1.3 are not configurable and all good.
func suites12() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// TLSConfig returns the server configuration of a listener that uses the named
// certificates; no names means all, in the order of the Specs. The first is
// the one for clients that send no server name or an unknown one. minVersion
// is tls.VersionTLS12 or tls.VersionTLS13; 0 means the former.
//
// Keep and reuse the returned object for the listener's life: certificates
// change behind it, and its session ticket keys, which crypto/tls rotates
// daily, live in it. A session is resumed for at most a day after a
// certificate was shown. Errors: Invalid for an unknown name or version.
func (m *Manager) TLSConfig(names []string, minVersion uint16) (*tls.Config, error) {
	const op = "cert.tlsconfig"
	switch minVersion {
	case 0:
		minVersion = tls.VersionTLS12
	case tls.VersionTLS12, tls.VersionTLS13:
	default:
		// RFC 8996: older versions must not be used.
		return nil, fault.New(op, fault.Invalid, "%s is too old; TLS 1.2 and 1.3 are offered", tls.VersionName(minVersion))
	}
	if err := m.use(names); err != nil {
		return nil, err
	}
	names = append([]string(nil), names...)
	c := &tls.Config{
		MinVersion:   minVersion,
		CipherSuites: suites12(),
		Time:         m.o.Now,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return m.choose(names, hello)
		},
	}
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(hello.ServerName) > maxServerName {
			return nil, errServerName
		}
		return withTickets(c, m.o.Now), nil
	}
	return c, nil
}

// maxServerName bounds the name that a client asks for (RFC 6066 section 3: a DNS
// name, which has at most 255 octets): a connection keeps it as long as it lasts.
const maxServerName = 255

var errServerName = errors.New("the client asks for a server name that is longer than any")

// use notes that a listener depends on names, so that a reload cannot take
// them away.
func (m *Manager) use(names []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.table.Load()
	for _, n := range names {
		if t.byName[n] == nil {
			return fault.New("cert.tlsconfig", fault.Invalid, "there is no certificate named %q", n)
		}
	}
	if len(t.order) == 0 {
		return fault.New("cert.tlsconfig", fault.Invalid, "there is no certificate")
	}
	for _, n := range names {
		m.used[n] = true
	}
	return nil
}

// choose picks the certificate for a handshake.
func (m *Manager) choose(names []string, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	p := pick(m.table.Load().pairs(names), hello, m.usable)
	if p == nil {
		return nil, fault.New("cert.choose", fault.Unavailable, "no certificate has been obtained yet")
	}
	return p.cert, nil
}

// usable tells whether a certificate's dates include now.
func (m *Manager) usable(p *pair) bool { return p.validAt(m.o.Now()) == nil }

// pick chooses among all: those for the server name that the client sent, or
// else those for the names of the first (RFC 6066 section 3 lets a server go
// on with a default); among them one that is usable, that the client can
// verify, and that is cheap, in this order. nil only if all is empty.
func pick(all []*pair, hello *tls.ClientHelloInfo, usable func(*pair) bool) *pair {
	// The name is judged here; what is left to ask is algorithms.
	anyName := *hello
	anyName.ServerName = ""
	var best *pair
	bestScore := 0
	for _, p := range candidates(all, strings.ToLower(hello.ServerName)) {
		score := p.rank()
		if anyName.SupportsCertificate(p.cert) != nil {
			score += 10
		}
		if !usable(p) {
			score += 100
		}
		if best == nil || score < bestScore {
			best, bestScore = p, score
		}
	}
	return best
}

// candidates returns the pairs that a server name leaves to choose from.
func candidates(all []*pair, name string) []*pair {
	var match []*pair
	for _, p := range all {
		if name != "" && p.covers(name) {
			match = append(match, p)
		}
	}
	if len(match) > 0 || len(all) == 0 {
		return match
	}
	match = append(match, all[0])
	for _, p := range all[1:] {
		if p.shares(all[0]) {
			match = append(match, p)
		}
	}
	return match
}
