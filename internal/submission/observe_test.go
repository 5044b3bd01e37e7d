package submission

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"countersign/internal/audit"
	"countersign/internal/smtpserver"
	"countersign/internal/smtpserver/bounds"
	"countersign/internal/testkit"
)

// serve answers on loopback with the gate behind it, until the test ends.
func (f *fixture) serve(kind smtpserver.ListenerKind) (address string) {
	f.t.Helper()
	config := testkit.NewAuthority(f.t).Server("gate.example.org")
	srv := smtpserver.New(smtpserver.Options{
		Hostname: "gate.example.org", Backend: f.gate, IDs: f.ids, Limits: bounds.Default(), OnRefused: f.gate.Refused,
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	f.must(err)
	done := make(chan error, 1)
	go func() {
		done <- srv.Serve(l, smtpserver.ListenerConfig{Name: "test", Kind: kind, TLS: func() *tls.Config { return config }})
	}()
	f.t.Cleanup(func() {
		srv.Close()
		f.must(<-done)
	})
	return l.Addr().String()
}

// TestServerNameCannotFillTheRecord asks for a server name of 60,000 octets in
// a real handshake.
func TestServerNameCannotFillTheRecord(t *testing.T) {
	f := newFixture(t)
	address := f.serve(smtpserver.Submissions)
	for _, tt := range []struct{ asked, recorded string }{
		{strings.Repeat("a", 60_000), strings.Repeat("a", 64)},
		{"a\x00\n\xff b" + strings.Repeat("\x01", 1000), "a??? b" + strings.Repeat("?", 58)},
		{"Gate.Example.ORG", "gate.example.org"},
		{"printer_7", "printer_7"},
	} {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: tt.asked})
		f.must(err)
		greeting := make([]byte, 3)
		_, err = conn.Read(greeting)
		f.must(err)
		conn.Close()
		f.must(f.recorder.Flush(t.Context()))
		events, err := f.store.Search(t.Context(), audit.Query{Kind: audit.SessionTLS})
		f.must(err)
		if last := events[len(events)-1]; last.Data["name"] != tt.recorded {
			t.Errorf("asked for %.20q (%d octets), recorded %q (%d)", tt.asked, len(tt.asked), last.Data["name"], len(last.Data["name"]))
		}
	}
}
