package issuer

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
)

const (
	// answerTimeout bounds one challenge connection.
	answerTimeout = 10 * time.Second
	// answerConns bounds how many there are at once.
	answerConns = 64
)

// Responder is a listener that answers one kind of challenge for any number of
// Issuers, and nothing else. Its methods are safe for concurrent use.
type Responder struct {
	ln  net.Listener
	log *slog.Logger
	// hosts says whose challenge it is.
	hosts atomic.Pointer[map[string]*Issuer]
	// http serves HTTP-01, tls TLS-ALPN-01; one of them is set.
	http *http.Server
	tls  *tls.Config
	// running counts the accepting goroutine and TLS connections.
	running sync.WaitGroup
	// life ends by quit, with Close.
	life context.Context
	quit context.CancelFunc
	// slots bounds the TLS connections.
	slots chan struct{}
}

// Listen opens a Responder on a host:port; Start serves it. The error is that
// of net.Listen.
func Listen(c Challenge, address string, log *slog.Logger) (*Responder, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	r := &Responder{ln: ln, log: log, slots: make(chan struct{}, answerConns)}
	r.life, r.quit = context.WithCancel(context.Background())
	r.Route(nil)
	if c == ChallengeHTTP {
		r.http = &http.Server{
			Handler:        http.HandlerFunc(r.serveHTTP),
			ReadTimeout:    answerTimeout,
			WriteTimeout:   answerTimeout,
			IdleTimeout:    answerTimeout,
			MaxHeaderBytes: 8 << 10,
			ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		}
		return r, nil
	}
	r.tls = &tls.Config{
		MinVersion:     tls.VersionTLS12, // RFC 8737 section 4
		NextProtos:     []string{acme.ALPNProto},
		GetCertificate: r.challengeCert,
	}
	return r, nil
}

// Addr returns where it listens.
func (r *Responder) Addr() net.Addr { return r.ln.Addr() }

// Route replaces the table that says which Issuer answers for which host; the
// table must not change afterwards.
func (r *Responder) Route(hosts map[string]*Issuer) { r.hosts.Store(&hosts) }

// issuer returns who answers for a host, nil if nobody.
func (r *Responder) issuer(host string) *Issuer {
	return (*r.hosts.Load())[strings.ToLower(host)]
}

// Start serves until Close.
func (r *Responder) Start() {
	r.running.Go(func() {
		var err error
		if r.http != nil {
			err = r.http.Serve(r.ln)
		} else {
			err = r.acceptTLS()
		}
		if r.life.Err() == nil {
			r.log.Error("challenge listener ended", "listen", r.ln.Addr().String(), "err", err)
		}
	})
}

// Close ends the listener and its connections.
func (r *Responder) Close() {
	r.quit()
	_ = r.ln.Close() // nothing is written through it
	if r.http != nil {
		_ = r.http.Close() // challenges can be asked again
	}
	r.running.Wait()
}

// serveHTTP answers a request by the Issuer of its host.
func (r *Responder) serveHTTP(w http.ResponseWriter, req *http.Request) {
	host := req.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	src := r.issuer(host)
	if src == nil || req.Method != http.MethodGet {
		http.NotFound(w, req)
		return
	}
	answer, err := src.httpAnswer(req.Context(), req.URL.Path)
	if err != nil {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream") // RFC 8555 section 8.3
	_, _ = w.Write(answer)                                     // whoever asked asks again
}

// acceptTLS makes handshakes, which is all that TLS-ALPN-01 is about.
func (r *Responder) acceptTLS() error {
	for {
		conn, err := r.ln.Accept()
		if err != nil && !temporary(err) {
			return err
		}
		if err != nil {
			r.log.Warn("challenge listener cannot accept", "listen", r.ln.Addr().String(), "err", err)
			r.pause()
			continue
		}
		select {
		case r.slots <- struct{}{}:
			r.running.Go(func() { r.handshake(conn); <-r.slots })
		default:
			_ = conn.Close() // over the bound: the authority asks again
		}
	}
}

// temporary tells whether accepting can go on after err: descriptors run out
// and come back, a closed listener does not.
func temporary(err error) bool {
	return !errors.Is(err, net.ErrClosed)
}

// pause waits a moment, or until close.
func (r *Responder) pause() {
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.life.Done():
	}
}

// handshake answers one connection.
func (r *Responder) handshake(conn net.Conn) {
	ctx, cancel := context.WithTimeout(r.life, answerTimeout)
	defer cancel()
	defer conn.Close()
	// RFC 8737 section 3: the connection ends after the handshake.
	if err := tls.Server(conn, r.tls).HandshakeContext(ctx); err != nil {
		r.log.Debug("challenge handshake failed", "listen", r.ln.Addr().String(), "client", conn.RemoteAddr().String(), "err", err)
	}
}

// challengeCert picks the answer to TLS-ALPN-01.
func (r *Responder) challengeCert(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	src := r.issuer(hello.ServerName)
	if src == nil {
		return nil, errors.New("no such host here")
	}
	return src.alpnAnswer(hello)
}
