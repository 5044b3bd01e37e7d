package sasl

import "context"

// The challenges of LOGIN. Some programs compare them, so they are exactly
// what all servers send.
const (
	loginUsername = "Username:"
	loginPassword = "Password:"
)

// newLogin starts LOGIN, which no RFC describes (draft-murchison-sasl-login-00):
// a prompt for the name, which may also come as the initial response, and a
// prompt for the password. An empty initial response is taken for none, as some
// programs send "AUTH LOGIN =".
func newLogin(c *Conn) Exchange {
	takeName := func(_ context.Context, response []byte) ([]byte, step, error) {
		name := string(response)
		if !isIdentity(name) {
			return nil, nil, ErrSyntax
		}
		return []byte(loginPassword), loginTakes(c, name), nil
	}
	return &steps{next: func(ctx context.Context, response []byte) ([]byte, step, error) {
		if len(response) == 0 {
			return []byte(loginUsername), takeName, nil
		}
		return takeName(ctx, response)
	}}
}

// loginTakes takes the password of name.
func loginTakes(c *Conn, name string) step {
	return func(ctx context.Context, response []byte) ([]byte, step, error) {
		if !isPassword(string(response)) {
			return nil, nil, ErrSyntax
		}
		return nil, nil, c.Verifier.VerifyPassword(ctx, "", name, string(response))
	}
}
