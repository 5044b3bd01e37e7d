// Package issuer obtains certificates from an ACME authority (RFC 8555) and
// answers its challenges: HTTP-01 (RFC 8555 section 8.3) and TLS-ALPN-01
// (RFC 8737).
//
// The protocol itself, and renewal, are golang.org/x/crypto/acme/autocert. An
// Issuer keeps that away from handshakes: it asks in the background, at a pace
// that authorities bear, and delivers what it gets. A Responder is a listener
// that answers challenges for any number of Issuers, and nothing else.
//
// It does not choose certificates for handshakes or keep them: that is package
// cert, the only one that uses it.
package issuer
