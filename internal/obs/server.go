package obs

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"countersign/internal/fault"
)

const (
	// readTimeout bounds reading one request, writeTimeout answering it.
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	// idleTimeout bounds a connection without a request.
	idleTimeout = 2 * time.Minute
	// maxHeader bounds a request's header in octets.
	maxHeader = 16 << 10
	// maxScrapes bounds how many scrapes run at once.
	maxScrapes = 4
)

// Server shows /metrics, /healthz and /readyz on one listener. They are for the
// operator's own network: there is no login.
type Server struct {
	listen string
	log    *slog.Logger
	http   *http.Server
	ln     net.Listener
	// done is closed when serving has ended.
	done chan struct{}
}

// NewServer makes a Server for a host:port. Nothing happens before Start.
func NewServer(listen string, reg *prometheus.Registry, h *Health, log *slog.Logger) *Server {
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorLog:            errorLog,
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             writeTimeout / 2,
	}))
	mux.HandleFunc("GET /healthz", serveAlive)
	mux.HandleFunc("GET /readyz", h.serveReady)
	return &Server{
		listen: listen,
		log:    log,
		http: &http.Server{
			Handler:           mux,
			ReadHeaderTimeout: readTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          errorLog,
		},
		done: make(chan struct{}),
	}
}

// Start opens the listener and serves in the background. Call it once. Error:
// Unavailable where it cannot listen.
func (s *Server) Start() error {
	ln, err := net.Listen("tcp", s.listen)
	if err != nil {
		return &fault.Error{Op: "obs.start", Kind: fault.Unavailable, Detail: "cannot listen for metrics on " + s.listen, Err: err}
	}
	s.ln = ln
	go func() {
		defer close(s.done)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics listener ended", "listen", s.listen, "err", err)
		}
	}()
	return nil
}

// Addr returns where the Server listens; nil before Start.
func (s *Server) Addr() net.Addr {
	if s.ln == nil {
		return nil
	}
	return s.ln.Addr()
}

// Stop ends the listener and lets requests under way finish until ctx is done,
// when it cuts them. It does nothing before Start.
func (s *Server) Stop(ctx context.Context) error {
	if s.ln == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	return err
}
