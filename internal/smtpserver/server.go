package smtpserver

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"countersign/internal/crowd"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver/bounds"
	"countersign/internal/smtpserver/wire"
)

// Options are what a Server is made of. All fields are needed but Limits, IDs
// and Logger.
type Options struct {
	// Hostname is our own name in greeting and EHLO.
	Hostname string
	// Backend decides.
	Backend Backend
	// Limits may be changed later by SetLimits.
	Limits bounds.Limits
	// IDs names sessions; nil means the system's clock and randomness.
	IDs *mail.IDSource
	// OnRefused is told of connections that the backend is not asked about: refused
	// for a limit, if they get an answer, or of a named proxy without its header. It
	// may be nil.
	OnRefused func(Peer, smtp.Reason)
	// HelpPage returns the URL of the page that explains a refusal, at most 230 octets
	// without blanks, "" where there is none; nil for no pages. It is asked for each refusal, concurrently.
	HelpPage func(smtp.Reason) string
	// Logger gets faults of the server and of its configuration, never what a
	// client did; nil discards them.
	Logger *slog.Logger
}

// ListenerKind says how a listener's sessions begin.
type ListenerKind uint8

// The kinds: Submission begins in plain text and has STARTTLS (port 587, RFC
// 6409), Submissions begins with a TLS handshake (port 465, RFC 8314 section 3.3).
const (
	Submission ListenerKind = iota
	Submissions
)

// ListenerConfig describes one listener.
type ListenerConfig struct {
	// Name stands in every record of its sessions.
	Name string
	Kind ListenerKind
	// TLS returns the configuration for a handshake; it is asked each time. A
	// nil result means that TLS is not available at the moment.
	TLS func() *tls.Config
	// Proxies are the peers whose PROXY header (version 1 or 2) is believed,
	// and required. A header from anybody else is refused as what it is to SMTP: no command.
	Proxies []netip.Prefix
}

// maxRefusing is how many connections beyond the limits are told so at the
// same time; those beyond that are closed without a word.
const maxRefusing = 32

// Server serves SMTP sessions. All methods are safe for concurrent use.
type Server struct {
	opt    Options
	verbs  []verb
	limits atomic.Pointer[bounds.Limits]
	// buffers lends sessions what they need to say something.
	buffers *wire.Buffers
	// ctx is the context of every call to the backend; Close ends it.
	ctx    context.Context
	cancel context.CancelFunc
	// refusing holds a token for each connection that is being refused.
	refusing chan struct{}
	// refused counts the connections refused before the backend saw them.
	refused atomic.Uint64
	// crowd counts the sessions, in all and of each client network.
	crowd *crowd.Crowd
	// running counts the goroutines of connections.
	running sync.WaitGroup

	mu sync.Mutex // guards what follows
	// stopping is closed when Shutdown or Close begins.
	stopping  chan struct{}
	stop      wire.Stop
	listeners map[net.Listener]struct{}
	// wires are all connections, those being refused too.
	wires map[*wire.Conn]struct{}
}

// New returns a Server that listens nowhere yet.
func New(opt Options) *Server {
	if opt.IDs == nil {
		opt.IDs = &mail.IDSource{}
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		opt:       opt,
		buffers:   wire.NewBuffers(),
		verbs:     verbTable(),
		ctx:       ctx,
		cancel:    cancel,
		refusing:  make(chan struct{}, maxRefusing),
		stopping:  make(chan struct{}),
		listeners: map[net.Listener]struct{}{},
		wires:     map[*wire.Conn]struct{}{},
		crowd:     crowd.New(),
	}
	s.SetLimits(opt.Limits)
	return s
}

// SetLimits changes the limits. Sessions that are open see them from their
// next command on; those that count connections hold for new ones.
func (s *Server) SetLimits(l bounds.Limits) { s.limits.Store(l.Complete()) }

// Sessions returns how many sessions are open.
func (s *Server) Sessions() int { return s.crowd.Len() }

// Refused returns how many connections have been refused before they became a
// session: for MaxConnections, MaxPerPrefix or MaxPerWide, by Backend.Admit, or for
// want of a PROXY header.
func (s *Server) Refused() uint64 { return s.refused.Load() }

// tellRefused tells of a connection that the backend never sees.
func (s *Server) tellRefused(peer Peer, reason smtp.Reason) {
	if s.opt.OnRefused != nil {
		s.opt.OnRefused(peer, reason)
	}
}

// Serve accepts connections from l until Shutdown or Close, then returns nil.
// It takes l over and closes it in the end. An error of Accept is logged and
// waited out, whatever it is. Errors: Invalid for a config without TLS,
// Canceled if the server has stopped before.
func (s *Server) Serve(l net.Listener, lc ListenerConfig) error {
	const op = "smtpserver.serve"
	defer l.Close()
	if lc.TLS == nil {
		return fault.New(op, fault.Invalid, "listener %q has no TLS", lc.Name)
	}
	s.mu.Lock()
	if s.stop != wire.StopNone {
		s.mu.Unlock()
		return fault.New(op, fault.Canceled, "the server has been stopped")
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	wire.Accept(l, s.stopping,
		func(conn net.Conn) { s.start(conn, &lc) },
		func(err error) { s.opt.Logger.Error("cannot accept a connection", "listener", lc.Name, "err", err) })
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	return nil
}

// Shutdown stops gracefully: no more connections; sessions without a transaction are told
// 421 and closed at once, the others when their transaction is over. When ctx
// ends, it does as Close and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.interrupt(wire.StopIdle)
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		s.cancel()
		return nil
	case <-ctx.Done():
		s.Close()
		<-done
		return ctx.Err()
	}
}

// Close stops at once: sessions that wait for their client are told 421, the
// context of calls to the backend ends, connections are closed. It returns
// when all of these calls have returned; the error is always nil.
func (s *Server) Close() error {
	s.interrupt(wire.StopAtOnce)
	s.cancel()
	s.running.Wait()
	return nil
}

// interrupt closes the listeners and tells every connection to end.
func (s *Server) interrupt(level wire.Stop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == wire.StopNone {
		close(s.stopping)
	}
	s.stop = max(s.stop, level)
	for l := range s.listeners {
		l.Close()
	}
	for w := range s.wires {
		w.Interrupt(s.stop)
	}
}
