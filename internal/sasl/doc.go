// Package sasl is the server's side of SASL (RFC 4422): a table of mechanisms,
// one file each, that turn a client's responses into questions to a Verifier.
//
// It does not know where credentials are kept, does not count failures, and
// does not read or write the AUTH line protocol with its base64 (packages
// smtp and smtpserver do). Which mechanisms are offered is its caller's choice.
//
// Main types: Mechanism, Exchange, Conn (what an exchange knows of its
// connection), Verifier, Keys. ScramKey, CramKey and DigestKey turn passwords into
// the keys that are kept. Package binding has the channel bindings of -PLUS.
//
// Implemented: EXTERNAL (RFC 4422 appendix A), SCRAM with SHA-1 and SHA-256, bound
// and not (RFC 5802, RFC 7677), OAUTHBEARER (RFC 7628), XOAUTH2, PLAIN (RFC 4616),
// LOGIN (draft-murchison-sasl-login-00), DIGEST-MD5 (RFC 2831), CRAM-MD5 (RFC 2195).
//
// Invariants: a step of an exchange is run once; every key of an account is
// tried, and compared in constant time; what an error says depends on what the client sent
// and on the Verifier, and holds no secret; a success goes through the Verifier.
//
// To add a mechanism, see docs/howto/add-mechanism.md.
package sasl
