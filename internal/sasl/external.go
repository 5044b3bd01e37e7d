package sasl

import "context"

// newExternal starts EXTERNAL (RFC 4422 appendix A): the client has proved
// itself in the TLS handshake, and only names who it wants to be, or nobody,
// for whom its certificate stands for.
func newExternal(c *Conn) Exchange {
	return clientFirst(func(ctx context.Context, response []byte) ([]byte, step, error) {
		authzid := string(response)
		if !isAuthzid(authzid) { // NUL among what it may not hold
			return nil, nil, ErrSyntax
		}
		return nil, nil, c.Verifier.VerifyCertificate(ctx, authzid)
	})
}
