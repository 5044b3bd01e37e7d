package issuer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// maxReply bounds what is read of one answer, in octets. The longest is a
// certificate chain.
const maxReply = 1 << 20

// transport carries autocert's requests. Beyond that it does what autocert
// has no setting for: it ends everything when life ends, it shows only the
// configured challenge, so that HTTP-01 is not preceded by a failing
// TLS-ALPN-01, and it remembers why a challenge failed.
type transport struct {
	base *http.Transport
	// life ends when the Issuer is closed.
	life      context.Context
	challenge Challenge

	// mu guards problem.
	mu sync.Mutex
	// problem is what the authority last said was wrong; "" after it last
	// gave out a valid authorization.
	problem string
}

func newTransport(life context.Context, roots *x509.CertPool, c Challenge) *transport {
	return &transport{
		base: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     30 * time.Second,
			ForceAttemptHTTP2:   true,
		},
		life:      life,
		challenge: c,
	}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()

	res, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	// Read here, because cancel ends the reading too.
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	_ = res.Body.Close() // there is nothing to lose in what was read
	if err != nil {
		return nil, err
	}
	body = t.inspect(body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.ContentLength = int64(len(body))
	return res, nil
}

// closeIdle lets go of connections.
func (t *transport) closeIdle() { t.base.CloseIdleConnections() }

// problem is a problem document (RFC 7807, RFC 8555 section 6.7).
type problem struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

func (p problem) String() string { return fmt.Sprintf("%s (%s)", p.Detail, p.Type) }

// inspect passes an answer on. Of an authorization object (RFC 8555 section
// 7.1.4) it leaves only the configured challenge and notes its error.
func (t *transport) inspect(body []byte) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil || object["challenges"] == nil {
		return body
	}
	var all []json.RawMessage
	if json.Unmarshal(object["challenges"], &all) != nil {
		return body
	}
	left := make([]json.RawMessage, 0, 1)
	for _, raw := range all {
		var c struct {
			Type   Challenge `json:"type"`
			Status string    `json:"status"`
			Error  *problem  `json:"error"`
		}
		if json.Unmarshal(raw, &c) != nil || c.Type != t.challenge {
			continue
		}
		left = append(left, raw)
		switch {
		case c.Error != nil:
			t.remember(c.Error.String())
		case c.Status == "valid":
			t.remember("")
		}
	}
	var err error
	if object["challenges"], err = json.Marshal(left); err != nil {
		return body
	}
	out, err := json.Marshal(object)
	if err != nil {
		return body
	}
	return out
}

// remember notes what the authority found wrong.
func (t *transport) remember(problem string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problem = problem
}

// explain adds what the authority said to an error of autocert, which tells
// only that no challenge is left.
func (t *transport) explain(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.problem == "" {
		return err
	}
	return fmt.Errorf("%w; the authority said: %s", err, t.problem)
}
