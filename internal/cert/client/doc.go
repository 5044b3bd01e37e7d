// Package client judges the certificates that clients present: whether one holds now,
// and what it says of its owner.
//
// A Verifier has the authorities of one listener and the lists of what they have
// revoked, from files that it reads again when they change. Request makes a TLS
// configuration ask for a certificate without failing over a bad one: a handshake shows
// only that the client has the key. Judge decides the rest, each time anew, so that a
// resumed session and a long one are held to what is known now.
//
// Where a list of revocations is configured, it has to say something of every
// certificate below the root, and one that is past its next update vouches for nothing
// any more: certificates are then refused, not waved through.
//
// It does not know accounts: what a subject is worth is for package login.
//
// Main types: Verifier, Identity, Name.
//
// Rules come from RFC 5280 (paths in section 6, revocation lists in section 5), and RFC 8446
// section 4.3.2 (the request).
package client
