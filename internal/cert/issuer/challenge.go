package issuer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/acme"
)

// authorize begins an order for one host and proves control of it.
func (i *Issuer) authorize(ctx context.Context, client *acme.Client, host string) (*acme.Order, error) {
	o, err := client.AuthorizeOrder(ctx, acme.DomainIDs(host))
	if err != nil {
		return nil, err
	}
	for _, u := range o.AuthzURLs {
		if err := i.prove(ctx, client, host, u); err != nil {
			i.abandon(client, u)
			return nil, err
		}
	}
	return client.WaitOrder(ctx, o.URI)
}

// prove answers the configured challenge of one authorization, and waits until
// the authority has looked (RFC 8555 section 7.5).
func (i *Issuer) prove(ctx context.Context, client *acme.Client, host, url string) error {
	z, err := client.GetAuthorization(ctx, url)
	if err != nil {
		return err
	}
	if z.Status == acme.StatusValid {
		return nil // by an earlier order
	}
	at := slices.IndexFunc(z.Challenges, func(c *acme.Challenge) bool { return c.Type == string(i.c.Challenge) })
	if at < 0 {
		return fmt.Errorf("the authority does not offer the challenge %s for %s", i.c.Challenge, host)
	}
	chal := z.Challenges[at]
	key, answer, err := answerTo(client, chal, host)
	if err != nil {
		return err
	}
	if err := i.vault.put(ctx, key, answer); err != nil {
		return err
	}
	defer i.vault.remove(context.WithoutCancel(ctx), key)
	if _, err := client.Accept(ctx, chal); err != nil {
		return err
	}
	_, err = client.WaitAuthorization(ctx, url)
	return err
}

// answerTo makes the answer to a challenge, and the key under which it is
// looked for.
func answerTo(client *acme.Client, chal *acme.Challenge, host string) (key string, answer []byte, err error) {
	if chal.Type == string(ChallengeHTTP) {
		text, err := client.HTTP01ChallengeResponse(chal.Token)
		return tokenKey(chal.Token), []byte(text), err
	}
	c, err := client.TLSALPN01ChallengeCert(chal.Token, host)
	if err != nil {
		return "", nil, err
	}
	answer, err = encodePair(c.PrivateKey, c.Certificate)
	return alpnKey(host), answer, err
}

// abandon deactivates an authorization that is still open after a failure:
// authorities bound how many of them an account has. It is a courtesy, so its
// own failure is not told.
func (i *Issuer) abandon(client *acme.Client, url string) {
	ctx, cancel := context.WithTimeout(i.life, abandonTimeout)
	defer cancel()
	z, err := client.GetAuthorization(ctx, url)
	if err == nil && z.Status == acme.StatusPending {
		_ = client.RevokeAuthorization(ctx, url)
	}
}

// challengePath is where HTTP-01 is answered (RFC 8555 section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// httpAnswer returns the answer to HTTP-01 for the path of a request.
func (i *Issuer) httpAnswer(ctx context.Context, path string) ([]byte, error) {
	token, ok := strings.CutPrefix(path, challengePath)
	if !ok || token == "" {
		return nil, errors.New("not an ACME challenge")
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return i.vault.get(ctx, tokenKey(token))
}

// alpnAnswer returns the certificate that answers TLS-ALPN-01 for a host of
// ours (RFC 8737 section 3).
func (i *Issuer) alpnAnswer(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if !slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		return nil, errors.New("not an ACME challenge")
	}
	text, err := i.vault.get(hello.Context(), alpnKey(strings.ToLower(hello.ServerName)))
	if err != nil {
		return nil, err
	}
	return decodePair(text)
}
