package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"

	"countersign/internal/testkit"
)

// start serves mounts on a free port of loopback.
func start(t *testing.T, o Options, config *tls.Config) (*Server, string) {
	t.Helper()
	if o.MaxConnections == 0 {
		o.MaxConnections = 16
	}
	o.Logger = slog.New(slog.DiscardHandler)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(o)
	s.Serve(l, config)
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s, l.Addr().String()
}

// echo says what it was asked, and reads the body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
		return
	}
	fmt.Fprintf(w, "%s %s from %s with %d, tls %v", r.Method, r.URL.Path, Client(r), len(body), r.TLS != nil)
}

func mounted() []Mount {
	return []Mount{{Path: "/a/", Name: "a", Handler: http.HandlerFunc(echo)}}
}

func ask(t *testing.T, client *http.Client, method, url string, body io.Reader) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

// wantFigures wants lines among the figures of reg.
func wantFigures(t *testing.T, reg *prometheus.Registry, lines ...string) {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, line := range lines {
		if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
			t.Errorf("the figures lack %s:\n%s", line, w.Body)
		}
	}
}

func TestServesWhatIsMounted(t *testing.T) {
	defer goleak.VerifyNone(t)
	reg := prometheus.NewRegistry()
	s, where := start(t, Options{Mounts: mounted(), Registry: reg}, nil)
	code, header, body := ask(t, http.DefaultClient, "POST", "http://"+where+"/a/b", strings.NewReader("four"))
	if code != 200 || body != "POST /a/b from 127.0.0.1 with 4, tls false" {
		t.Errorf("%d %s", code, body)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Server": ""} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, path := range []string{"/", "/b", "/metrics"} {
		if code, _, _ := ask(t, http.DefaultClient, "GET", "http://"+where+path, nil); code != 404 {
			t.Errorf("%s answers %d", path, code)
		}
	}
	if code, _, _ := ask(t, http.DefaultClient, "POST", "http://"+where+"/a/", strings.NewReader(strings.Repeat("x", MaxBody+1))); code != 413 {
		t.Errorf("a body beyond the bound is answered by %d", code)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", where); err == nil {
		t.Error("it still listens after Stop")
	}
	wantFigures(t, reg, `countersign_web_requests_total{code="200",part="a"} 1`,
		`countersign_web_requests_total{code="404",part="none"} 3`, `countersign_web_requests_total{code="413",part="a"} 1`)
}

// TestOverTLS: HTTP/1.1 is what is spoken, also to a client that knows HTTP/2, and plain
// text gets nowhere.
func TestOverTLS(t *testing.T) {
	authority := testkit.NewAuthority(t)
	_, where := start(t, Options{Mounts: mounted()}, authority.Server("127.0.0.1"))
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}}
	if code, _, body := ask(t, client, "GET", "https://"+where+"/a/", nil); code != 200 || !strings.HasSuffix(body, "tls true") {
		t.Errorf("%d %s", code, body)
	}
	if code, _, body := ask(t, http.DefaultClient, "GET", "http://"+where+"/a/", nil); code != 400 || strings.Contains(body, "tls") {
		t.Errorf("in clear text: %d %s", code, body)
	}
	conn, err := tls.Dial("tcp", where, &tls.Config{RootCAs: authority.Pool(), NextProtos: []string{"smtp"}})
	if err == nil {
		conn.Close()
		t.Error("a client of another protocol got a connection (RFC 7301 section 3.2)")
	}
}

// TestHeaderIsBounded: a header without an end is cut off.
func TestHeaderIsBounded(t *testing.T) {
	_, where := start(t, Options{Mounts: mounted()}, nil)
	conn, err := net.Dial("tcp", where)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /a/ HTTP/1.1\r\nHost: x\r\n")
	for range 8 {
		fmt.Fprintf(conn, "X-Long: %s\r\n", strings.Repeat("x", 4<<10))
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%v, %v", res, err)
	}
}

// TestNewcomersTakeThePlaceOfTheOldest: connections that say nothing cannot keep others out.
func TestNewcomersTakeThePlaceOfTheOldest(t *testing.T) {
	const places = 8
	r := newRooms(places)
	refused := 0
	r.closed = func() { refused++ }
	admitted := func(address string) (*guest, *pipeEnd) {
		end := &pipeEnd{at: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1))}
		return r.admit(end), end
	}
	var ends []*pipeEnd
	for i := range places / narrowShare {
		g, end := admitted("192.0.2.1")
		if g == nil {
			t.Fatalf("connection %d gets no place", i)
		}
		ends = append(ends, end)
	}
	if g, _ := admitted("192.0.2.1"); g != nil {
		t.Error("one address has more than its share")
	}
	for _, a := range []string{"192.0.2.2", "192.0.2.3"} {
		if g, _ := admitted(a); g == nil {
			t.Errorf("%s gets no place", a)
		}
	}
	if g, _ := admitted("192.0.2.4"); g != nil {
		t.Error("one wide network has more than its share")
	}
	for _, a := range []string{"198.51.100.1", "198.51.100.1", "203.0.113.1", "203.0.113.1"} {
		if g, _ := admitted(a); g == nil {
			t.Errorf("%s gets no place", a)
		}
	}
	g, _ := admitted("2001:db8::1")
	if g == nil || !ends[0].closed || ends[1].closed {
		t.Errorf("the oldest has not made room for a newcomer: %v %v", ends[0].closed, ends[1].closed)
	}
	if r.crowd.Len() != places {
		t.Errorf("%d are there", r.crowd.Len())
	}
	g.Close()
	g.Close()
	if r.crowd.Len() != places-1 {
		t.Errorf("%d are there after one has left", r.crowd.Len())
	}
}

// TestProvedKeepsItsPlace: over TLS and without it, whom a handler knows is not closed for a newcomer;
// whom it does not know is, and is told so.
func TestProvedKeepsItsPlace(t *testing.T) {
	authority := testkit.NewAuthority(t)
	for _, over := range []*tls.Config{nil, authority.Server("127.0.0.1")} {
		for _, proves := range []bool{true, false} {
			var s *Server
			var where string
			var came, again bool
			s, where = start(t, Options{MaxConnections: 1, Mounts: []Mount{{Path: "/a/", Name: "a", Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if proves && !Prove(r) {
					t.Error("it has no place")
				}
				came = s.rooms.admit(&pipeEnd{at: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:1"))}) != nil
				again = Prove(r)
			})}}}, over)
			client, scheme := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}, DisableKeepAlives: true}}, "http"
			if over != nil {
				scheme = "https"
			}
			res, err := client.Get(scheme + "://" + where + "/a/")
			if (err == nil) != proves {
				t.Errorf("proves %v, %s: %v", proves, scheme, err)
			}
			if err == nil {
				res.Body.Close()
			}
			if err := s.Stop(t.Context()); err != nil {
				t.Error(err)
			}
			if came == proves || again != proves {
				t.Errorf("proves %v, %s: the newcomer has a place: %v; the request has one: %v", proves, scheme, came, again)
			}
		}
	}
	if !Prove(httptest.NewRequest("GET", "/", nil)) {
		t.Error("a request without a connection is turned away")
	}
}

// TestLoopbackHasNoShare: behind a proxy of the same machine all connections come from it.
func TestLoopbackHasNoShare(t *testing.T) {
	r := newRooms(8)
	for i := range 8 {
		if r.admit(&pipeEnd{at: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:1"))}) == nil {
			t.Fatalf("connection %d gets no place", i)
		}
	}
	if r.admit(&pipeEnd{at: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[::ffff:127.0.0.1]:1"))}) != nil {
		t.Error("there is no bound at all")
	}
}

// pipeEnd is a connection with an address that remembers that it was closed.
type pipeEnd struct {
	net.Conn
	at     net.Addr
	closed bool
}

func (p *pipeEnd) RemoteAddr() net.Addr { return p.at }
func (p *pipeEnd) Close() error         { p.closed = true; return nil }

// TestTooManyAreClosed: who gets no place is closed at once, counted, and the next one is
// served.
func TestTooManyAreClosed(t *testing.T) {
	reg := prometheus.NewRegistry()
	release := make(chan struct{})
	entered := make(chan struct{}, 2)
	_, where := start(t, Options{MaxConnections: 2, Registry: reg, Mounts: []Mount{{Path: "/a/", Name: "a", Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { entered <- struct{}{}; <-release })}}}, nil)
	for range 2 {
		conn, err := net.Dial("tcp", where)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /a/ HTTP/1.1\r\nHost: x\r\n\r\n")
		<-entered
	}
	third, err := net.Dial("tcp", where)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if n, err := third.Read(make([]byte, 1)); err == nil {
		t.Errorf("the third read %d octets", n)
	}
	wantFigures(t, reg, "countersign_web_connections_refused_total 1", "countersign_web_connections 2")
	close(release)
}

// TestStopWaitsForRequests: what is under way is finished, until the time is over.
func TestStopWaitsForRequests(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{}, 1)
	s, where := start(t, Options{Mounts: []Mount{{Path: "/a/", Name: "a", Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { entered <- struct{}{}; <-release; fmt.Fprint(w, "done") })}}}, nil)
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + where + "/a/")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		answer <- string(text)
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.Background()) }()
	close(release)
	if got := <-answer; got != "done" {
		t.Errorf("got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestStopCutsOff: a handler that does not come back does not keep the gate up.
func TestStopCutsOff(t *testing.T) {
	entered := make(chan struct{}, 1)
	s, where := start(t, Options{Mounts: []Mount{{Path: "/a/", Name: "a", Handler: http.HandlerFunc(
		func(_ http.ResponseWriter, r *http.Request) { entered <- struct{}{}; <-r.Context().Done() })}}}, nil)
	conn, err := net.Dial("tcp", where)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /a/ HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
