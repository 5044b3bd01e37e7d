package logins

import (
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"countersign/internal/testkit"
	"countersign/test/harness"
)

// TestDowngrade: a client that could bind and was made to believe that the gate cannot is
// refused (RFC 5802 section 6), and -PLUS is nothing without a binding.
func TestDowngrade(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	for _, m := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256"} {
		for _, a := range []struct {
			what  string
			by    scram
			reply string
			cause string
		}{
			{"could bind", scram{mechanism: m, header: "y,,"}, "535 ", "downgrade"},
			{"could bind, as itself", scram{mechanism: m, header: "y,a=" + k.login + ","}, "535 ", "downgrade"},
			{"took it back", scram{mechanism: m, header: "n,,", claimed: "y,,"}, "535 ", "binding"},
			{"would have bound", scram{mechanism: m, header: "n,,", claimed: "p=tls-exporter,,"}, "535 ", "binding"},
			{"binds without -PLUS", scram{mechanism: m, header: "p=tls-exporter,,"}, "535 ", "binding"},
			{"does not bind", scram{mechanism: m + "-PLUS", header: "n,,"}, "535 ", "binding"},
			{"thinks that it cannot", scram{mechanism: m + "-PLUS", header: "y,,"}, "535 ", "binding"},
			{"binds to nothing", scram{mechanism: m + "-PLUS", header: "p=tls-exporter,,"}, "535 ", "binding"},
			{"binds to zeros", scram{mechanism: m + "-PLUS", header: "p=tls-exporter,,", data: make([]byte, 32)}, "535 ", "binding"},
			{"binds to what TLS 1.3 has not", scram{mechanism: m + "-PLUS", header: "p=tls-unique,,"}, "535 ", "binding"},
			{"binds to what nobody has", scram{mechanism: m + "-PLUS", header: "p=tls-none,,"}, "535 ", "binding"},
			{"names no binding", scram{mechanism: m + "-PLUS", header: "p=,,"}, "501 ", "syntax"},
		} {
			c := open(t, w.Gate)
			a.by.key = k
			if reply := c.auth(a.by.dialogue()); !strings.HasPrefix(reply, a.reply) {
				t.Errorf("%s %s: %q", a.by.mechanism, a.what, reply)
			}
			w.cause(c, a.cause)
		}
	}
	w.unharmed()
}

// TestDataOfAnotherConnection: the data of one connection are of no use on another one to
// the same gate, and those of another type not at all.
func TestDataOfAnotherConnection(t *testing.T) {
	w := newWorld(t, "")
	k, one, two := w.key(), open(t, w.Gate), open(t, w.Gate)
	for _, s := range []scram{
		{header: "p=tls-exporter,,", data: one.exporter()},
		{header: "p=tls-exporter,,", data: two.endPoint()},
		{header: "p=tls-server-end-point,,", data: two.exporter()},
	} {
		s.key, s.mechanism = k, "SCRAM-SHA-256-PLUS"
		two.isRefused(s.header, two.auth(s.dialogue()))
		w.cause(two, "binding")
	}
	w.unharmed()
}

// relay stands between a client and the gate with a certificate that the client trusts,
// and passes everything on. It returns where it listens.
func (w *world) relay(config *tls.Config) string {
	w.t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		w.t.Fatal(err)
	}
	toGate := trust(w.t, w.Gate)
	var all sync.WaitGroup
	pass := func(victim net.Conn) {
		defer victim.Close()
		gate, err := tls.Dial("tcp", w.Submissions, toGate)
		if err != nil {
			return // the client sees the end of its connection
		}
		defer gate.Close()
		all.Go(func() {
			io.Copy(gate, victim)
			gate.Close()
		})
		io.Copy(victim, gate)
	}
	all.Go(func() {
		for {
			victim, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { pass(victim) })
		}
	})
	w.t.Cleanup(func() {
		listener.Close()
		all.Wait()
	})
	return listener.Addr().String()
}

// TestManInTheMiddle: whoever has the server's own certificate and key, or another
// certificate that the client trusts, and passes a bound login on, gets in no more than
// the binding allows; an unbound login passes, which shows that the relay works.
func TestManInTheMiddle(t *testing.T) {
	w := newWorld(t, "")
	own, err := tls.LoadX509KeyPair(filepath.Join(w.Dir, "data", "self.crt"), filepath.Join(w.Dir, "data", "self.key"))
	if err != nil {
		t.Fatal(err)
	}
	authority := testkit.NewAuthority(t)
	stolen, foreign := w.relay(&tls.Config{Certificates: []tls.Certificate{own}}), w.relay(authority.Server(harness.Host))
	k := w.key()
	exporter := func(c *client) []byte { return c.exporter() }
	unique := func(c *client) []byte { return c.state().TLSUnique }
	endPoint := func(c *client) []byte { return c.endPoint() }
	for _, a := range []struct {
		what, address string
		version       uint16
		header        string
		data          func(c *client) []byte // nil for none
		passes        bool
	}{
		{"unbound", stolen, tls.VersionTLS13, "n,,", nil, true},
		{"unbound", foreign, tls.VersionTLS12, "n,,", nil, true},
		{"exporter", stolen, tls.VersionTLS13, "p=tls-exporter,,", exporter, false},
		{"exporter", stolen, tls.VersionTLS12, "p=tls-exporter,,", exporter, false},
		{"exporter", foreign, tls.VersionTLS13, "p=tls-exporter,,", exporter, false},
		{"unique", stolen, tls.VersionTLS12, "p=tls-unique,,", unique, false},
		{"end point", foreign, tls.VersionTLS13, "p=tls-server-end-point,,", endPoint, false},
		{"end point", foreign, tls.VersionTLS12, "p=tls-server-end-point,,", endPoint, false},
		// This type stands for the certificate alone (RFC 5929 section 4): who has its
		// key is the server.
		{"end point", stolen, tls.VersionTLS13, "p=tls-server-end-point,,", endPoint, true},
	} {
		config := &tls.Config{RootCAs: authority.Pool(), ServerName: harness.Host, MinVersion: a.version, MaxVersion: a.version}
		if a.address == stolen {
			config.RootCAs = testkit.Roots(t, w.CAFile)
		}
		c := enter(t, a.address, config)
		s := scram{key: k, mechanism: "SCRAM-SHA-256", header: a.header}
		if a.data != nil {
			s.mechanism, s.data = "SCRAM-SHA-256-PLUS", a.data(c)
		}
		reply := c.auth(s.dialogue())
		if a.passes {
			if !strings.HasPrefix(reply, "235 ") {
				t.Errorf("%s, %s: %q", a.what, tls.VersionName(a.version), reply)
			}
			continue
		}
		c.isRefused(a.what, reply)
		// The gate's own TLS is 1.3 whatever the client's is, so tls-unique is not there.
		w.cause(c, "binding")
	}
	w.unharmed()
}
