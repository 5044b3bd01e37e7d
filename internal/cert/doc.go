// Package cert says where server certificates come from and which of them a
// handshake gets. Sources are files, an ACME authority (RFC 8555) and
// certificates that it signs itself for a first start.
//
// A Manager is opened from a list of Specs. Its TLSConfig is what a listener
// uses: TLS 1.2 and 1.3, chosen by server name (RFC 6066 section 3) and then
// by what the client can verify, ECDSA before RSA. The configuration object
// stays the same while certificates change behind it, so session tickets
// survive a reload. A new pair that cannot be used never replaces one that can.
//
// It does not accept mail connections, ask clients for certificates (package client does), or decide
// which listener uses which names. ACME is package issuer: it obtains and renews
// in the background, out of the handshake's way.
package cert
