package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/sink"
	"countersign/internal/testkit"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns what has been written.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// startOn starts a gate on these addresses of one listener; it fails without
// the test, as another program may have taken a port meanwhile.
func startOn(t *testing.T, cfg *config.Config, kind string, addresses ...string) (*App, error) {
	t.Helper()
	cfg.Listeners = nil
	for i, a := range addresses {
		cfg.Listeners = append(cfg.Listeners, config.Listener{
			Name: fmt.Sprint("listener", i), Kind: kind, Address: strings.Fields(a), MinTLS: "1.2",
		})
	}
	a, err := New(cfg, Options{Version: "test", Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	err = a.Start(t.Context())
	t.Cleanup(func() { a.Stop(context.Background()) })
	return a, err
}

// greets connects and wants a greeting in plain text.
func greets(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "220 gate.example.org ") {
		t.Errorf("%s greets with %q (%v)", address, line, err)
	}
}

// TestListenersShareAPort: one port in both families, on loopback and on all
// addresses, in one listener and in two; an empty host stands for both.
func TestListenersShareAPort(t *testing.T) {
	tests := []struct {
		name string
		// listeners are their addresses, apart by spaces; P is the port.
		listeners []string
		// reached must greet.
		reached []string
	}{
		{"loopback", []string{"127.0.0.1:P [::1]:P"}, []string{"127.0.0.1:P", "[::1]:P"}},
		{"two listeners", []string{"127.0.0.1:P", "[::1]:P"}, []string{"127.0.0.1:P", "[::1]:P"}},
		{"all of each family", []string{"0.0.0.0:P [::]:P"}, []string{"127.0.0.1:P", "[::1]:P"}},
		{"all of each family, IPv6 first", []string{"[::]:P", "0.0.0.0:P"}, []string{"127.0.0.1:P", "[::1]:P"}},
		{"empty host", []string{"127.0.0.1:0", ":P"}, []string{"127.0.0.1:P", "[::1]:P"}},
	}
	w := newWorld(t, "", func(sink.Message) error { return nil })
	if err := w.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			for range 3 { // another program may take the port meanwhile
				_, port, splitErr := net.SplitHostPort(testkit.FreeAddress(t))
				if splitErr != nil {
					t.Fatal(splitErr)
				}
				var addresses []string
				for _, l := range tt.listeners {
					addresses = append(addresses, strings.ReplaceAll(l, "P", port))
				}
				var a *App
				a, err = startOn(t, w.configure(""), "submission", addresses...)
				if err != nil {
					continue
				}
				for _, r := range tt.reached {
					greets(t, strings.ReplaceAll(r, "P", port))
				}
				if len(a.Addresses()) != len(tt.listeners)+1 {
					t.Errorf("addresses %v", a.Addresses())
				}
				return
			}
			t.Error(err)
		})
	}
}

// TestTakenPortLeavesNothingOpen: when the second listener cannot be bound the
// first is given back, and the error names listener and address.
func TestTakenPortLeavesNothingOpen(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return nil })
	if err := w.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	first := testkit.FreeAddress(t)
	_, err = startOn(t, w.configure(""), "submission", first, taken.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "listener1") || !strings.Contains(err.Error(), taken.Addr().String()+" is taken") {
		t.Fatalf("got %v", err)
	}
	again, err := net.Listen("tcp4", first)
	if err != nil {
		t.Fatalf("the first listener is still open: %v", err)
	}
	again.Close()
}

// TestProxyOfTheConfiguration: the header of a proxy that the file names says
// who the client is, and without a header that peer gets no session.
func TestProxyOfTheConfiguration(t *testing.T) {
	w := newWorld(t, `[[listener]]
name = "behind"
kind = "submission"
address = ["127.0.0.1:0"]
proxies = ["192.0.2.1", "127.0.0.0/8"]
`, func(sink.Message) error { return nil })
	conn, err := net.Dial("tcp", w.app.Addresses()["behind"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "PROXY TCP4 203.0.113.77 192.0.2.1 40000 587\r\n")
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "220 ") {
		t.Fatalf("greeting %q, %v", line, err)
	}
	fmt.Fprint(conn, "QUIT\r\n")
	if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "221 ") {
		t.Fatalf("end %q, %v", line, err)
	}
	if err := w.app.recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, err := w.app.Store().Search(t.Context(), audit.Query{Kind: audit.SessionOpened})
	if err != nil || len(events) != 1 || events[0].Client != "203.0.113.77" || !strings.HasPrefix(events[0].Data["proxy"], "127.0.0.1") {
		t.Errorf("the record of the session: %+v, %v", events, err)
	}
	bare, err := net.Dial("tcp", w.app.Addresses()["behind"])
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	if err := bare.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(bare, "EHLO client.example\r\n")
	if text, err := io.ReadAll(bare); strings.HasPrefix(string(text), "220 ") {
		t.Errorf("a peer that is a proxy was greeted without its header: %q (%v)", text, err)
	}
	if err := w.app.recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, err = w.app.Store().Search(t.Context(), audit.Query{Kind: audit.ConnectionRefused})
	if err != nil || len(events) != 1 || events[0].Reason != "proxy-header-missing" || events[0].Client != "127.0.0.1" ||
		events[0].Data["proxy"] != bare.LocalAddr().String() || events[0].Data["listener"] != "behind" {
		t.Errorf("the record of the proxy without a header: %+v, %v", events, err)
	}
}
