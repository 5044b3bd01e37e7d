// Package issuer obtains certificates from an ACME authority (RFC 8555),
// renews them, and answers its challenges: HTTP-01 (RFC 8555 section 8.3) and
// TLS-ALPN-01 (RFC 8737).
//
// An Issuer asks in the background, at a pace that authorities bear, and
// delivers what it gets; handshakes wait for nothing. When a certificate is
// due, and when a failure is tried again, goes by the clock it is given
// (schedule.go). What it keeps is sealed. A Responder is a listener that
// answers challenges for any number of Issuers, and nothing else.
//
// The protocol itself is golang.org/x/crypto/acme. It does not choose
// certificates for handshakes: that is package cert, the only one that uses it.
package issuer
