// Package oauth verifies bearer tokens (RFC 6750) of several identity providers, its
// issuers: tokens that are JWTs by the issuer's keys (RFC 7519, RFC 9068), opaque ones
// by asking the issuer (RFC 7662). It says whom a token names; which account that is,
// and whether it may send, the caller decides.
//
// A token is good or refused with fault.Unauthenticated, whose Cause is for the record
// and never for the client. When that cannot be found out because the issuer is away it
// is fault.Unavailable, never a pass. No error, and nothing else that leaves the
// package, holds a token.
//
// An issuer may speak for its own domains alone. An opaque token is shown to one issuer,
// never to another who could use it.
//
// docs/ops/oauth.md says how the usual providers are configured.
package oauth
