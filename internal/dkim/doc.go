// Package dkim makes domain keys, keeps them sealed, and signs messages with
// them (RFC 6376, RFC 8301, RFC 8463).
//
// Generate makes a Key, Key.Record the DNS record to publish, Key.Seal the form
// in which the key may be stored. A Signer holds the keys of one domain and
// gives each message one signature per key, all relaxed/relaxed with SHA-256: write the body to a
// BodyHash while it passes, then call Signer.Sign with the finished header
// block. The body is canonicalised and hashed once for all keys. Verify checks signatures, by
// a library that shares no code with the signing side.
//
// It does not change messages: the caller puts the returned fields on top, and
// ends a body that lacks its last CRLF (BodyHash.MissingCRLF). It does not ask DNS: Verify is
// given a look-up function. It does not store keys (package account does).
package dkim
