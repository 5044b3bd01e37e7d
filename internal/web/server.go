package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/crowd"
)

const (
	// headerTimeout bounds the TLS handshake and, again, reading the header of a request.
	headerTimeout = 10 * time.Second
	// readTimeout bounds reading a whole request, writeTimeout answering it.
	readTimeout  = 30 * time.Second
	writeTimeout = time.Minute
	// idleTimeout bounds a connection without a request.
	idleTimeout = time.Minute
	// maxHeader bounds a request's line and header in octets.
	maxHeader = 16 << 10
	// MaxBody bounds the body of a request in octets; a handler may want less.
	MaxBody = 1 << 20
)

// protocolHTTP is what is offered by ALPN (RFC 7301 section 6), so that a client of
// another protocol is not taken for one of HTTP.
const protocolHTTP = "http/1.1"

// Mount is a handler and the path that it is for.
type Mount struct {
	// Path begins and ends in "/": the handler gets every request whose path begins with
	// it, with the whole path.
	Path string
	// Name stands for it in figures.
	Name string
	// Handler may be called concurrently. It has to answer within a minute.
	Handler http.Handler
}

// Options are what a Server is made of.
type Options struct {
	// Mounts are what it serves; any other path is 404.
	Mounts []Mount
	// MaxConnections is how many connections there may be at a time, of which a
	// quarter may come from one client network, and half from one wide network (package
	// crowd). The machine's own addresses are bounded by the first alone.
	MaxConnections int
	// Registry gets the figures, nil for none.
	Registry prometheus.Registerer
	// Logger is told of what goes wrong.
	Logger *slog.Logger
}

// Server serves HTTP on any number of listeners. It is safe for concurrent use.
type Server struct {
	http  *http.Server
	log   *slog.Logger
	rooms *rooms
	// serving waits for the listeners.
	serving sync.WaitGroup
}

// New makes a Server; nothing happens before Serve.
func New(o Options) *Server {
	s := &Server{log: o.Logger, rooms: newRooms(o.MaxConnections)}
	figures := newFigures(o.Registry, s.rooms)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s.http = &http.Server{
		Handler:           handler(o.Mounts, figures),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		// What clients do wrong, such as a broken handshake, is told here too.
		ErrorLog:  slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		Protocols: protocols,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if over, ok := c.(*tls.Conn); ok {
				c = over.NetConn()
			}
			return context.WithValue(ctx, guestKey{}, c)
		},
	}
	return s
}

// Serve serves a listener in the background until Stop, which closes it: over TLS, unless
// config is nil. The Server owns config from now on.
func (s *Server) Serve(l net.Listener, config *tls.Config) {
	where := l.Addr().String()
	l = &door{Listener: l, rooms: s.rooms}
	if config != nil {
		config.NextProtos = []string{protocolHTTP}
		l = tls.NewListener(l, config)
	}
	s.serving.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("a listener for HTTP ended", "listen", where, "error", err)
		}
	})
}

// Stop closes the listeners and lets requests under way finish until ctx is done, when it
// cuts them; the error then says so.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.serving.Wait()
	return err
}

// Client returns the address that a request came from, unmapped and without a zone;
// invalid where there is none, as in a test without a socket.
func Client(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// guestKey is under which the context of a request has the guest that it came by.
type guestKey struct{}

// Prove says that whoever made a request is known to its handler, so that from now on no stranger
// takes the place of its connection. It returns false where one just has: the connection is closed,
// and nobody would read an answer. A request that came by no Server is left alone.
func Prove(r *http.Request) bool {
	g, ok := r.Context().Value(guestKey{}).(*guest)
	return !ok || g.prove()
}

// rooms are the places for connections.
type rooms struct {
	crowd  *crowd.Crowd
	limits crowd.Limits
	// closed is called for each connection that gets no place.
	closed func()
}

// Of how many connections one narrow network may have one, and one wide network.
const (
	narrowShare = 4
	wideShare   = 2
)

func newRooms(most int) *rooms {
	return &rooms{
		crowd: crowd.New(),
		limits: crowd.Limits{
			All: most, PerNarrow: max(most/narrowShare, 1), NarrowIPv4: 32, NarrowIPv6: 64, PerWide: max(most/wideShare, 1),
		},
		closed: func() {},
	}
}

// door lets connections in as far as there is room.
type door struct {
	net.Listener
	rooms *rooms
}

// Accept returns the next connection that gets a place. The others are closed without a
// word: who waits for a handshake could not read one.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g := d.rooms.admit(conn); g != nil {
			return g, nil
		}
		conn.Close()
		d.rooms.closed()
	}
}

// admit gives a connection a place, nil where there is none. The connection that has to make
// room for it is closed.
func (r *rooms) admit(conn net.Conn) *guest {
	limits, client := r.limits, netip.Addr{}
	if at, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		client = at.Addr()
	}
	if client.Unmap().IsLoopback() {
		limits = crowd.Limits{All: limits.All, NarrowIPv4: limits.NarrowIPv4, NarrowIPv6: limits.NarrowIPv6}
	}
	place, answer := r.crowd.Enter(client, limits, func() { conn.Close() })
	if answer != crowd.Welcome {
		return nil
	}
	return &guest{Conn: conn, prove: func() bool { return r.crowd.Prove(place) }, leave: func() { r.crowd.Leave(place) }}
}

// guest is a connection with a place, which it gives back when it is closed.
type guest struct {
	net.Conn
	prove func() bool
	leave func()
}

// Close closes the connection.
func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}
