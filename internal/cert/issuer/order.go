package issuer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/crypto/acme"

	"countersign/internal/fault"
)

const (
	// orderTimeout bounds one certificate, from the account to the chain.
	orderTimeout = 5 * time.Minute
	// requestTimeout bounds one request to the authority.
	requestTimeout = 30 * time.Second
	// abandonTimeout bounds what is done for an authorization that failed.
	abandonTimeout = 10 * time.Second
	// maxReply bounds what is read of one answer, in octets. The longest is a
	// certificate chain.
	maxReply = 1 << 20
	// rsaBits is the size of the RSA keys.
	rsaBits = 2048
)

// order obtains a new certificate and keeps it (RFC 8555 section 7.4).
func (i *Issuer) order(ctx context.Context, s Slot) (*tls.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	client, err := i.account(ctx)
	if err != nil {
		return nil, err
	}
	o, err := i.authorize(ctx, client, s.Host)
	if err != nil {
		return nil, err
	}
	key, err := newKey(s.RSA)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{s.Host}}, key)
	if err != nil {
		return nil, err
	}
	chain, _, err := client.CreateCertFromOrder(ctx, o, csr, true)
	if err != nil {
		return nil, err
	}
	text, err := encodePair(key, chain)
	if err != nil {
		return nil, err
	}
	c, err := decodePair(text)
	if err != nil {
		return nil, fmt.Errorf("the authority gave what is no certificate for the key: %w", err)
	}
	if err := i.check(c.Leaf, s.Host); err != nil {
		return nil, err
	}
	_ = i.vault.put(ctx, slotKey(s), text) // told from there; it serves all the same
	return c, nil
}

// check tells whether a certificate that was just issued can be used.
func (i *Issuer) check(leaf *x509.Certificate, host string) error {
	now := i.c.Now()
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return fmt.Errorf("the authority gave a certificate that is valid from %s to %s; the clock says %s",
			leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return leaf.VerifyHostname(host)
}

// newKey makes a certificate's key.
func newKey(asRSA bool) (crypto.Signer, error) {
	if asRSA {
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// account returns a client of the registered account, which is made where none
// is kept (RFC 8555 section 7.3). The key is kept first: no account is made
// whose key could be lost.
func (i *Issuer) account(ctx context.Context) (*acme.Client, error) {
	if i.client != nil {
		return i.client, nil
	}
	i.c.Account.Lock()
	defer i.c.Account.Unlock()
	key, err := i.accountKey(ctx)
	if err != nil {
		return nil, err
	}
	client := &acme.Client{
		Key:          key,
		DirectoryURL: i.c.DirectoryURL,
		HTTPClient:   &http.Client{Transport: bounded{i.base}, Timeout: requestTimeout},
		RetryBackoff: backoff,
		UserAgent:    "countersign",
	}
	var contact []string
	if i.c.Email != "" {
		contact = []string{"mailto:" + i.c.Email}
	}
	// The terms at DirectoryURL are agreed to, see Config.
	_, err = client.Register(ctx, &acme.Account{Contact: contact}, acme.AcceptTOS)
	if err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, err
	}
	i.client = client
	return client, nil
}

// accountKey returns the kept key, or makes and keeps one.
func (i *Issuer) accountKey(ctx context.Context) (crypto.Signer, error) {
	text, err := i.vault.get(ctx, accountKey)
	if fault.Is(err, fault.NotFound) {
		return i.newAccountKey(ctx)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the account's key is not in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the account's key is not in PKCS #8 form") // the cause could quote it
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the account's key, a %T, cannot sign", parsed)
	}
	return key, nil
}

func (i *Issuer) newAccountKey(ctx context.Context) (crypto.Signer, error) {
	key, err := newKey(false)
	if err != nil {
		return nil, err
	}
	text, err := encodePair(key, nil)
	if err != nil {
		return nil, err
	}
	return key, i.vault.put(ctx, accountKey, text)
}

// backoff says how long to wait before a request that failed for now is made
// again. Soon the order is given up instead: the loop has a slower pace, and
// too many requests are never answered by more of them.
func backoff(n int, _ *http.Request, res *http.Response) time.Duration {
	if n > 4 || res.StatusCode == http.StatusTooManyRequests {
		return -1
	}
	return 250 * time.Millisecond << n
}

func newTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     30 * time.Second,
		ForceAttemptHTTP2:   true,
	}
}

// bounded reads no more than maxReply of an answer.
type bounded struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = http.MaxBytesReader(nil, res.Body, maxReply)
	return res, nil
}
