package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// Request returns a configuration that does as base, and asks clients for a certificate
// of the authorities that are in force at the time (RFC 8446 section 4.3.2, and likewise
// in TLS 1.2). A client may have none, and any certificate passes the handshake as
// long as the client has its key and it can be read at all: Judge decides. Only a chain
// beyond all bounds (10 certificates, 32 KiB) ends the connection.
//
// Keep and reuse the result for the listener's life; tickets are those of base's
// GetConfigForClient, or else the result's own.
func (v *Verifier) Request(base *tls.Config) *tls.Config {
	asking := base.Clone()
	asking.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		inner := base
		if base.GetConfigForClient != nil {
			config, err := base.GetConfigForClient(hello)
			if err != nil {
				return nil, err
			}
			if config != nil {
				inner = config
			}
		}
		own := inner.Clone()
		own.GetConfigForClient = nil
		if own.WrapSession == nil {
			own.WrapSession, own.UnwrapSession = asking.EncryptTicket, asking.DecryptTicket
		}
		own.ClientAuth, own.ClientCAs = tls.RequestClientCert, v.authorities()
		own.VerifyPeerCertificate = bounded
		return own, nil
	}
	return asking
}

var errChain = errors.New("the client's chain of certificates is too large")

// bounded refuses a chain that would be kept as long as the connection lasts, and in
// the client's ticket.
func bounded(raw [][]byte, _ [][]*x509.Certificate) error {
	octets := 0
	for _, der := range raw {
		octets += len(der)
	}
	if len(raw) > maxPresented || octets > maxPresentedBytes {
		return errChain
	}
	return nil
}
