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
	"countersign/test/harness/talk"
)

// TestDowngrade: a client that could bind and was made to believe that the gate cannot is
// refused (RFC 5802 section 6), and -PLUS is nothing without a binding.
func TestDowngrade(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	for _, m := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256"} {
		for _, a := range []struct {
			what  string
			by    talk.Scram
			reply string
			cause string
		}{
			{"could bind", talk.Scram{Mechanism: m, Header: "y,,"}, "535 ", "downgrade"},
			{"could bind, as itself", talk.Scram{Mechanism: m, Header: "y,a=" + k.Login + ","}, "535 ", "downgrade"},
			{"took it back", talk.Scram{Mechanism: m, Header: "n,,", Claimed: "y,,"}, "535 ", "binding"},
			{"would have bound", talk.Scram{Mechanism: m, Header: "n,,", Claimed: "p=tls-exporter,,"}, "535 ", "binding"},
			{"binds without -PLUS", talk.Scram{Mechanism: m, Header: "p=tls-exporter,,"}, "535 ", "binding"},
			{"does not bind", talk.Scram{Mechanism: m + "-PLUS", Header: "n,,"}, "535 ", "binding"},
			{"thinks that it cannot", talk.Scram{Mechanism: m + "-PLUS", Header: "y,,"}, "535 ", "binding"},
			{"binds to nothing", talk.Scram{Mechanism: m + "-PLUS", Header: "p=tls-exporter,,"}, "535 ", "binding"},
			{"binds to zeros", talk.Scram{Mechanism: m + "-PLUS", Header: "p=tls-exporter,,", Data: make([]byte, 32)}, "535 ", "binding"},
			{"binds to what TLS 1.3 has not", talk.Scram{Mechanism: m + "-PLUS", Header: "p=tls-unique,,"}, "535 ", "binding"},
			{"binds to what nobody has", talk.Scram{Mechanism: m + "-PLUS", Header: "p=tls-none,,"}, "535 ", "binding"},
			{"names no binding", talk.Scram{Mechanism: m + "-PLUS", Header: "p=,,"}, "501 ", "syntax"},
		} {
			c := talk.Open(t, w.Gate)
			a.by.Key = k
			if reply := c.Auth(a.by.Dialogue()); !strings.HasPrefix(reply, a.reply) {
				t.Errorf("%s %s: %q", a.by.Mechanism, a.what, reply)
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
	k, one, two := w.key(), talk.Open(t, w.Gate), talk.Open(t, w.Gate)
	for _, s := range []talk.Scram{
		{Header: "p=tls-exporter,,", Data: one.Exporter()},
		{Header: "p=tls-exporter,,", Data: two.EndPoint()},
		{Header: "p=tls-server-end-point,,", Data: two.Exporter()},
	} {
		s.Key, s.Mechanism = k, "SCRAM-SHA-256-PLUS"
		two.IsRefused(s.Header, two.Auth(s.Dialogue()))
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
	toGate := talk.Trust(w.t, w.Gate)
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
	exporter := func(c *talk.Client) []byte { return c.Exporter() }
	unique := func(c *talk.Client) []byte { return c.State().TLSUnique }
	endPoint := func(c *talk.Client) []byte { return c.EndPoint() }
	for _, a := range []struct {
		what, address string
		version       uint16
		header        string
		data          func(c *talk.Client) []byte // nil for none
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
		c := talk.Enter(t, a.address, config)
		s := talk.Scram{Key: k, Mechanism: "SCRAM-SHA-256", Header: a.header}
		if a.data != nil {
			s.Mechanism, s.Data = "SCRAM-SHA-256-PLUS", a.data(c)
		}
		reply := c.Auth(s.Dialogue())
		if a.passes {
			if !strings.HasPrefix(reply, "235 ") {
				t.Errorf("%s, %s: %q", a.what, tls.VersionName(a.version), reply)
			}
			continue
		}
		c.IsRefused(a.what, reply)
		// The gate's own TLS is 1.3 whatever the client's is, so tls-unique is not there.
		w.cause(c, "binding")
	}
	w.unharmed()
}
