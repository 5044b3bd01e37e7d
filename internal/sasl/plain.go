package sasl

import (
	"context"
	"strings"
)

// newPlain starts PLAIN (RFC 4616): one response holds it all.
func newPlain(c *Conn) Exchange {
	return clientFirst(func(ctx context.Context, response []byte) ([]byte, step, error) {
		authzid, login, password, err := parsePlain(response)
		if err != nil {
			return nil, nil, err
		}
		return nil, nil, c.Verifier.VerifyPassword(ctx, authzid, login, password)
	})
}

// parsePlain reads "[authzid] NUL authcid NUL passwd" (RFC 4616 section 2).
func parsePlain(response []byte) (authzid, login, password string, err error) {
	if len(response) > 2*maxLogin+MaxPassword+2 {
		return "", "", "", ErrSyntax
	}
	parts := strings.Split(string(response), "\x00")
	if len(parts) != 3 || !isAuthzid(parts[0]) || !isIdentity(parts[1]) || !isPassword(parts[2]) {
		return "", "", "", ErrSyntax
	}
	return parts[0], parts[1], parts[2], nil
}
