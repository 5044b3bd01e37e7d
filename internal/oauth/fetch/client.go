// Package fetch asks identity providers over HTTP: with TLS, without redirects,
// bounded in time and size.
//
// A Client belongs to one provider. What it may ask is decided once, by CheckURL:
// https, or http to a loopback address for a provider that is itself there. A
// Standing remembers how the provider stands and holds attempts back while they
// fail. Neither keeps an answer.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"countersign/internal/fault"
)

// Bounds of what is read, in octets.
const (
	// MaxAnswer is the most that an answer may have.
	MaxAnswer = 256 << 10
	// maxHeader is the most that the header of an answer may have.
	maxHeader = 32 << 10
	// maxCA is the most that a file of CA certificates may have.
	maxCA = 1 << 20
)

// ErrStatus is the cause of an answer whose status is not 200, a redirect included.
var ErrStatus = errors.New("the answer's status is not 200")

// Config is what a Client is made of.
type Config struct {
	// Base is the provider's own URL, which CheckURL has accepted.
	Base *url.URL
	// CAFile names PEM certificates that the provider's must be issued under; "" for
	// those of the system.
	CAFile string
	// Transport takes the place of the network, and CAFile is not read then; nil for
	// the network.
	Transport http.RoundTripper
	// Timeout bounds a request with its answer.
	Timeout time.Duration
}

// Client asks one provider. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	http    *http.Client
	timeout time.Duration
}

// New makes a Client. Errors: Invalid for a CA file that cannot be used.
func New(c Config) (*Client, error) {
	transport := c.Transport
	if transport == nil {
		roots, err := ReadRoots(c.CAFile)
		if err != nil {
			return nil, fault.Wrap("oauth.ca", fault.Invalid, err)
		}
		transport = newTransport(roots)
	}
	return &Client{base: c.Base, timeout: c.Timeout, http: &http.Client{
		Transport: transport,
		// An answer from elsewhere would be an answer of somebody else, and the secret
		// of a client would go there too.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// newTransport returns the way to the network.
func newTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    5 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxConnsPerHost:        16,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // what is bounded is what was sent
		ForceAttemptHTTP2:      true,
	}
}

// ReadRoots reads a file of CA certificates in PEM form; nil for "", which is those of the
// system. The error says what is wrong, for the operator.
func ReadRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := ReadFile(path, maxCA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return roots, nil
}

// ReadFile reads a regular file of at most that many octets.
func ReadFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path) // before Open, which would wait for the other end of a pipe
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%s is not a file of at most %d octets", path, most)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		return nil, fmt.Errorf("%s has more than %d octets", path, most)
	}
	return text, err
}

// unreadable says that a file cannot be read, and why.
func unreadable(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}

// Close gives idle connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// CheckURL judges an address of a provider whose own URL is base; for that one itself
// base is nil. The error says what is wrong, for the operator.
func CheckURL(text string, base *url.URL) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" || len(text) > 2048 {
		return nil, fmt.Errorf("%q is not a URL with a host", bounded(text))
	}
	if u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("the URL of host %q must have no user, no password and no fragment", u.Host)
	}
	// OpenID Connect Discovery 1.0 section 3: an issuer has no query either.
	if base == nil && (u.RawQuery != "" || u.ForceQuery) {
		return nil, fmt.Errorf("%q must have no query", bounded(text))
	}
	plain := u.Scheme == "http" && loopback(u.Hostname()) && (base == nil || base.Scheme == "http")
	if u.Scheme != "https" && !plain {
		return nil, fmt.Errorf("%q must begin with https://; http:// is for a provider on a loopback address alone", bounded(text))
	}
	return u, nil
}

// bounded shortens a text for an error.
func bounded(text string) string { return text[:min(len(text), 200)] }

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// SameHost reports whether two URLs lead to the same scheme, host and port.
func SameHost(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" || u.Scheme != "https" {
		return p
	}
	return "443"
}

// Get asks for a document in JSON.
func (c *Client) Get(ctx context.Context, address string) ([]byte, error) {
	return c.do(ctx, http.MethodGet, address, nil, nil)
}

// Post sends a form with the client's name and secret (RFC 6749 section 2.3.1) and
// asks for a document in JSON. An error never has any of the three.
func (c *Client) Post(ctx context.Context, address string, form url.Values, client *url.Userinfo) ([]byte, error) {
	return c.do(ctx, http.MethodPost, address, form, client)
}

func (c *Client) do(ctx context.Context, method, address string, form url.Values, client *url.Userinfo) ([]byte, error) {
	u, err := CheckURL(address, c.base)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("no request can be made to " + u.Host)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "countersign")
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if client != nil {
		// RFC 6749 section 2.3.1: both are form-encoded before they are joined.
		secret, _ := client.Password()
		request.SetBasicAuth(url.QueryEscape(client.Username()), url.QueryEscape(secret))
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", u.Host, withoutURL(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking %s: %w but %d", u.Host, ErrStatus, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer+1))
	if err == nil {
		// A server that is told of the end of the connection may still end its answer in good
		// form, and what had come until then is no whole document.
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", u.Host, withoutURL(err))
	}
	if len(body) > MaxAnswer {
		return nil, fmt.Errorf("the answer of %s has more than %d octets", u.Host, MaxAnswer)
	}
	return body, nil
}

// withoutURL takes the address off an error, whose query may have a secret.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
