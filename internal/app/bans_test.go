package app

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/access"
	"countersign/internal/audit"
	"countersign/internal/mail"
)

// bans returns who sets bans in a world.
func (w *world) bans() *access.Admin {
	return access.NewAdmin(access.AdminOptions{Store: w.app.Store(), IDs: &mail.IDSource{}, Actor: "cli:test", Now: time.Now})
}

// banned sets a ban.
func (w *world) banned(network, login string) access.Ban {
	w.t.Helper()
	b, err := w.bans().Add(w.t.Context(), access.Wanted{Prefix: netip.MustParsePrefix(network), Login: login, Reason: "guessing passwords", Force: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// first connects through the proxy of a listener and returns all that is said, or why
// nothing is.
func (w *world) first(listener, client string) (string, error) {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.app.Addresses()[listener])
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, from(client)); err != nil {
		w.t.Fatal(err)
	}
	line := make([]byte, 512)
	n, err := conn.Read(line)
	return string(line[:n]), err
}

// greets waits until a listener greets a client, or refuses it, for a second at most.
func (w *world) greets(client string, want string) {
	w.t.Helper()
	for set := time.Now(); ; {
		began := time.Now()
		said, _ := w.first("known", client)
		if strings.HasPrefix(said, want) {
			return
		}
		if began.Sub(set) > time.Second {
			w.t.Fatalf("a second later %s is told %q, want %s", client, said, want)
		}
	}
}

// code says a line and returns the code of its answer.
func (c *talk) code(line string) int {
	c.t.Helper()
	if err := c.conn.PrintfLine("%s", line); err != nil {
		c.t.Fatal(err)
	}
	code, _, err := c.conn.ReadResponse(0)
	if code == 0 {
		c.t.Fatal(err)
	}
	return code
}

// TestBansOverTheWire: the client of a proxy is refused before the greeting, as IPv4 in
// whatever form it comes; an open session ends at its next command; all is as before when
// the ban is lifted.
func TestBansOverTheWire(t *testing.T) {
	w := newNetworks(t)
	open, _ := w.dial("known", from("203.0.113.9"), with(tls.VersionTLS13))
	proved, _ := w.dial("known", from("203.0.113.10"), with(tls.VersionTLS13))
	proved.say(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+testLogin+"\x00"+testPassword)))
	other, _ := w.dial("known", from("203.0.114.1"), with(tls.VersionTLS13))
	b := w.banned("203.0.113.0/24", "")
	w.greets("203.0.113.5", "554 5.7.1 Connections from your network are refused here (guessing passwords);")
	w.greets("::ffff:203.0.113.5", "554 5.7.1")
	w.greets("203.0.114.1", "220")
	open.say(421, "NOOP")
	proved.say(421, "MAIL FROM:<"+testLogin+">")
	other.say(250, "NOOP")
	if _, err := w.bans().Lift(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	w.greets("203.0.113.5", "220")
	found, err := w.app.Store().Search(t.Context(), audit.Query{Kind: audit.BanLifted})
	if err != nil || len(found) != 1 || found[0].Data["ban"] != string(b.ID) {
		t.Errorf("recorded %+v, %v", found, err)
	}
}

// TestBannedAtTheTLSPort gets no handshake, which would be work, and no words.
func TestBannedAtTheTLSPort(t *testing.T) {
	w := newNetworks(t)
	w.banned("127.0.0.0/8", "") // whose socket it is, as the proxy of that listener is another one
	for set := time.Now(); ; {
		began := time.Now()
		conn, err := tls.Dial("tcp", w.app.Addresses()["known-tls"], with(tls.VersionTLS13))
		if err != nil {
			if !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset by peer") && !strings.Contains(err.Error(), "broken pipe") {
				t.Errorf("the connection ends with %v", err)
			}
			return
		}
		conn.Close()
		if began.Sub(set) > time.Second {
			t.Fatal("a second later there is still a handshake")
		}
	}
}

// TestBannedLoginOverTheWire: a login that is banned where the client is gets the answer of
// a wrong password, also where there is no such account; elsewhere it gets in.
func TestBannedLoginOverTheWire(t *testing.T) {
	w := newNetworks(t)
	const nobody = "nobody@example.org"
	plain := func(login, password string) string {
		return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00"+password))
	}
	proved, _ := w.dial("known", from("203.0.113.10"), with(tls.VersionTLS13))
	proved.say(235, plain(testLogin, testPassword))
	neighbour, _ := w.dial("known", from("203.0.113.11"), with(tls.VersionTLS13))
	neighbour.say(235, plain(otherLogin, testPassword))
	w.banned("203.0.113.0/24", testLogin)
	w.banned("203.0.113.0/24", nobody)
	for set := time.Now(); ; { // until it is felt
		began := time.Now()
		s, _ := w.dial("known", from("203.0.113.12"), with(tls.VersionTLS13))
		code := s.code(plain(testLogin, testPassword))
		if code == 535 {
			break
		}
		if began.Sub(set) > time.Second {
			t.Fatalf("a second later it is answered with %d", code)
		}
	}
	s, _ := w.dial("known", from("203.0.113.13"), with(tls.VersionTLS13))
	s.say(535, plain(nobody, testPassword))
	s.say(535, plain(testLogin, "another password"))
	proved.say(421, "NOOP")
	neighbour.say(250, "NOOP")
	elsewhere, _ := w.dial("known", from("203.0.114.1"), with(tls.VersionTLS13))
	elsewhere.say(235, plain(testLogin, testPassword))
	if err := w.app.recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := w.app.Store().Search(t.Context(), audit.Query{Kind: audit.AuthFailed})
	if err != nil || len(found) < 3 {
		t.Fatalf("recorded %+v, %v", found, err)
	}
	for _, e := range found {
		if e.Data["cause"] != "banned" || e.Code != 535 || e.Reason != "auth-failed" {
			t.Errorf("recorded %+v", e)
		}
	}
}
