package binding

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // for the hash of a certificate
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// Handshake is what is noted of the handshakes with one configuration of Watch,
// which is for one connection. It is used by that connection's goroutine alone.
type Handshake struct {
	base *tls.Config
	// shown is the end point of the certificate chosen for this handshake,
	// resumed that of the session which the client wants to go on with.
	shown, resumed []byte
}

// Watch returns what one connection uses in place of base, and what will know
// its bindings after the handshake. The keys of tickets stay those of base, so
// that sessions are resumed across connections. base is not changed; what its
// GetConfigForClient returns is taken as it is, but for keys of tickets that it has set:
// those come from its WrapSession and UnwrapSession, or else from base.
func Watch(base *tls.Config) (*tls.Config, *Handshake) {
	h := &Handshake{base: base}
	watched := base.Clone()
	watched.GetConfigForClient = h.configure
	return watched, h
}

// Channel returns the bindings of the connection whose handshake was noted; state
// is the one after it.
func (h *Handshake) Channel(state tls.ConnectionState) *Channel {
	c := &Channel{state: state, endPoint: h.shown}
	if state.DidResume {
		c.endPoint = h.resumed
	}
	return c
}

// configure is for tls.Config.GetConfigForClient.
func (h *Handshake) configure(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	inner := h.base
	if h.base.GetConfigForClient != nil {
		config, err := h.base.GetConfigForClient(hello)
		if err != nil {
			return nil, err
		}
		if config != nil {
			inner = config
		}
	}
	own := inner.Clone()
	own.GetConfigForClient = nil
	own.Certificates = nil // GetCertificate knows them
	own.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := certificate(inner, hello)
		if err == nil {
			h.shown = endPoint(cert)
		}
		return cert, err
	}
	own.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		return h.wrap(inner, cs, ss)
	}
	own.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		return h.unwrap(inner, identity, cs)
	}
	return own, nil
}

var errNoCertificate = errors.New("binding: the configuration has no certificate")

// certificate chooses as crypto/tls does with c: GetCertificate first, then the
// first of the list that the client can use, then the first.
func certificate(c *tls.Config, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.GetCertificate != nil && (len(c.Certificates) == 0 || hello.ServerName != "") {
		cert, err := c.GetCertificate(hello)
		if cert != nil || err != nil {
			return cert, err
		}
	}
	for i := range c.Certificates {
		if hello.SupportsCertificate(&c.Certificates[i]) == nil {
			return &c.Certificates[i], nil
		}
	}
	if len(c.Certificates) == 0 {
		return nil, errNoCertificate
	}
	return &c.Certificates[0], nil
}

// ticketMark begins our part of a session's state, which the ticket encrypts.
// Behind it stands the end point, which may be empty.
const ticketMark = "countersign end point\x00"

// wrap makes a ticket that knows the end point. One after a resumption keeps that of the
// first handshake.
func (h *Handshake) wrap(inner *tls.Config, cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
	point := h.shown
	if cs.DidResume {
		point = h.resumed
	}
	ss.Extra = append(ss.Extra, append([]byte(ticketMark), point...))
	if inner.WrapSession != nil {
		return inner.WrapSession(cs, ss)
	}
	return h.base.EncryptTicket(cs, ss)
}

// unwrap opens a ticket and takes the end point out of it. A ticket without
// our mark leads to a full handshake. Several may be tried; the last one is the one in use.
func (h *Handshake) unwrap(inner *tls.Config, identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
	open := h.base.DecryptTicket
	if inner.UnwrapSession != nil {
		open = inner.UnwrapSession
	}
	h.resumed = nil
	ss, err := open(identity, cs)
	if err != nil || ss == nil {
		return nil, err
	}
	for _, extra := range ss.Extra {
		if point, ours := bytes.CutPrefix(extra, []byte(ticketMark)); ours {
			h.resumed = bytes.Clone(point)
			return ss, nil
		}
	}
	return nil, nil
}

// endPoint is the hash of a certificate (RFC 5929 section 4.1): with the hash
// function of its signature, with SHA-256 where that is MD5 or SHA-1, and
// undefined where the signature has no hash function of its own (Ed25519), or where it
// is not known.
func endPoint(cert *tls.Certificate) []byte {
	if len(cert.Certificate) == 0 {
		return nil
	}
	leaf := cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil
		}
	}
	hash := signatureHash(leaf.SignatureAlgorithm)
	if hash == 0 {
		return nil
	}
	d := hash.New()
	d.Write(cert.Certificate[0])
	return d.Sum(nil)
}

// signatureHash returns the hash function for an end point, 0 for none.
func signatureHash(algorithm x509.SignatureAlgorithm) crypto.Hash {
	switch algorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.DSAWithSHA256, x509.ECDSAWithSHA256:
		return crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		return crypto.SHA512
	}
	return 0
}
