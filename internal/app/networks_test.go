package app

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/credentials"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/sink"
)

// newNetworks is a world with listeners behind a proxy, so that clients come from
// anywhere: "known" and "known-tls", where networks count, and "strict", where they do
// not.
func newNetworks(t *testing.T) *world {
	t.Helper()
	behind := "address = [\"127.0.0.1:0\"]\nproxies = [\"127.0.0.0/8\"]\n"
	w := newWorld(t, "[[listener]]\nname = \"known\"\nkind = \"submission\"\nnetworks = \"on\"\n"+behind+
		"[[listener]]\nname = \"known-tls\"\nkind = \"submissions\"\nnetworks = \"on\"\n"+
		strings.Replace(behind, "127.0.0.0/8", "127.0.0.2", 1)+
		"[[listener]]\nname = \"strict\"\nkind = \"submission\"\n"+behind,
		func(sink.Message) error { return nil })
	w.account(otherLogin)
	return w
}

// from is the header of a proxy (version 1) for a client.
func from(client string) string {
	family, local := "TCP4", "192.0.2.1"
	if strings.Contains(client, ":") {
		family, local = "TCP6", "2001:db8:ffff::1"
	}
	return fmt.Sprintf("PROXY %s %s %s 40000 587\r\n", family, client, local)
}

// TestNetworksOverTheWire: a client need not log in where the narrowest network that it
// is in is an account's, and is that account and no other.
func TestNetworksOverTheWire(t *testing.T) {
	w := newNetworks(t)
	w.credential(testLogin, account.Network, "203.0.113.0/24")
	w.credential(otherLogin, account.Network, "203.0.113.64/26")
	w.credential(testLogin, account.Network, "203.0.113.70/32")
	w.credential(testLogin, account.Network, "2001:db8::/32")
	w.credential(otherLogin, account.Network, "2001:db8:1::/48")
	for client, login := range map[string]string{
		"203.0.113.5": testLogin, "203.0.113.63": testLogin, "203.0.113.128": testLogin, "203.0.113.70": testLogin,
		"203.0.113.64": otherLogin, "203.0.113.127": otherLogin,
		"::ffff:203.0.113.5": testLogin, "::ffff:203.0.113.64": otherLogin, // IPv4-mapped
		"2001:db8::25": testLogin, "2001:db8:1::25": otherLogin,
		"203.0.112.255": "", "203.0.114.0": "", "198.51.100.1": "", "2001:db9::1": "", "::ffff:198.51.100.1": "", "::cb00:7105": "",
	} {
		t.Run(client, func(t *testing.T) {
			// Before TLS the answer is another one: dial asks for it.
			s, lines := w.dial("known", from(client), with(tls.VersionTLS13))
			if !strings.Contains(saysAuth(lines), "PLAIN") {
				t.Errorf("offered %q", lines)
			}
			if login == "" {
				s.say(530, "MAIL FROM:<"+testLogin+">")
				s.say(530, "MAIL FROM:<"+testLogin+">")
				return
			}
			foreign := testLogin
			if login == testLogin {
				foreign = otherLogin
			}
			s.say(550, "MAIL FROM:<"+foreign+">")
			s.say(250, "MAIL FROM:<"+login+">")
			s.say(250, "RSET")
			s.say(503, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+foreign+"\x00"+testPassword)))
			strict, _ := w.dial("strict", from(client), with(tls.VersionTLS13))
			strict.say(530, "MAIL FROM:<"+login+">")
		})
	}
}

// TestSocketAddressOfANetwork: without a proxy the socket's own address counts, and what
// a client says of itself does not.
func TestSocketAddressOfANetwork(t *testing.T) {
	w := newNetworks(t)
	w.credential(testLogin, account.Network, "127.0.0.1/32")
	s, _ := w.dial("known-tls", "", with(tls.VersionTLS12)) // its proxy is another one
	s.say(250, "MAIL FROM:<"+testLogin+">")
	// Behind the proxy the client is who the proxy says.
	behind, _ := w.dial("known", from("198.51.100.1"), with(tls.VersionTLS12))
	behind.say(530, "MAIL FROM:<"+testLogin+">")
}

// TestPasswordGoesBeforeANetwork: who logs in is who they say, wherever they are.
func TestPasswordGoesBeforeANetwork(t *testing.T) {
	w := newNetworks(t)
	w.credential(testLogin, account.Network, "203.0.113.0/24")
	s, _ := w.dial("known", from("203.0.113.5"), with(tls.VersionTLS13))
	s.say(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+otherLogin+"\x00"+testPassword)))
	s.say(550, "MAIL FROM:<"+testLogin+">")
	s.say(250, "MAIL FROM:<"+otherLogin+">")
}

// TestNetworkIsFeltAndRecorded: what comes in is the account's, in the record too, and a
// network that is taken away, or whose account may not send, opens nothing.
func TestNetworkIsFeltAndRecorded(t *testing.T) {
	w := newNetworks(t)
	const network = "203.0.113.0/24"
	w.credential(testLogin, account.Network, network)
	w.credential(otherLogin, account.Network, "203.0.113.64/26")
	s, _ := w.dial("known", from("203.0.113.5"), with(tls.VersionTLS13))
	id := s.submit("from the printer", func(int) {})
	e := w.last(audit.AuthPassed)
	if _, has := e.Data["mechanism"]; has || e.Login != testLogin || e.Data["credential"] != nameOf(network) || e.Client != "203.0.113.5" {
		t.Errorf("recorded %+v", e)
	}
	if e := w.last(audit.Accepted); e.Login != testLogin || e.Submission != id {
		t.Errorf("recorded %+v", e)
	}

	if err := w.credentials().Revoke(t.Context(), parsed(t, testLogin), nameOf(network)); err != nil {
		t.Fatal(err)
	}
	w.until("the session to feel it", func() bool { return s.answer("NOOP") == 421 })
	again, _ := w.dial("known", from("203.0.113.5"), with(tls.VersionTLS13))
	again.say(530, "MAIL FROM:<"+testLogin+">")

	// A narrow network that may not be used is not made up for by a wide one.
	if err := w.app.Admin("test").SuspendAccount(t.Context(), mail.Address{Local: "b", Domain: "example.org"}); err != nil {
		t.Fatal(err)
	}
	w.credential(testLogin, account.Network, "203.0.112.0/22")
	inner, _ := w.dial("known", from("203.0.113.65"), with(tls.VersionTLS13))
	inner.say(530, "MAIL FROM:<"+testLogin+">")
	outer, _ := w.dial("known", from("203.0.114.1"), with(tls.VersionTLS13))
	outer.say(250, "MAIL FROM:<"+testLogin+">")
}

// TestEnvelopeOfANetwork: its bounds are those of any credential.
func TestEnvelopeOfANetwork(t *testing.T) {
	w := newNetworks(t)
	const network = "203.0.113.0/24"
	w.credential(testLogin, account.Network, network)
	within, most := []netip.Prefix{netip.MustParsePrefix("203.0.113.8/29")}, 1
	err := w.credentials().SetEnvelope(t.Context(), parsed(t, testLogin), nameOf(network), credentials.EnvelopeChange{Networks: &within, MaxRecipients: &most})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := w.dial("known", from("203.0.113.9"), with(tls.VersionTLS13))
	s.say(250, "MAIL FROM:<"+testLogin+">")
	s.say(250, "RCPT TO:<b@example.com>")
	s.say(452, "RCPT TO:<c@example.com>")
	outside, _ := w.dial("known", from("203.0.113.5"), with(tls.VersionTLS13))
	outside.say(530, "MAIL FROM:<"+testLogin+">")
}

// answer says a line and returns the code of the answer.
func (c *talk) answer(line string) int {
	c.t.Helper()
	if err := c.conn.PrintfLine("%s", line); err != nil {
		c.t.Fatal(err)
	}
	code, _, err := c.conn.ReadResponse(0)
	if err != nil {
		c.t.Fatal(err)
	}
	return code
}

// TestSuspendedWhileInANetwork: a session of somebody who never logged in ends when the
// account is suspended, and the network opens something again when it is resumed.
func TestSuspendedWhileInANetwork(t *testing.T) {
	w := newNetworks(t)
	w.credential(testLogin, account.Network, "203.0.113.0/24")
	w.suspended(func() *talk {
		s, _ := w.dial("known", from("203.0.113.5"), with(tls.VersionTLS13))
		return s
	})
}

// suspended opens a session that may send, suspends its account, and wants it to end, and
// another to be open after that is undone.
func (w *world) suspended(open func() *talk) {
	w.t.Helper()
	admin, who := w.app.Admin("test"), parsed(w.t, testLogin)
	idle, sending := open(), open()
	for _, s := range []*talk{idle, sending} {
		s.say(250, "MAIL FROM:<"+testLogin+">")
	}
	idle.say(250, "RSET")
	sending.say(250, "RCPT TO:<b@example.com>")
	if err := admin.SuspendAccount(w.t.Context(), who); err != nil {
		w.t.Fatal(err)
	}
	w.until("the session to feel it", func() bool { return idle.answer("NOOP") == 421 })
	sending.say(421, "DATA")
	if err := admin.ResumeAccount(w.t.Context(), who); err != nil {
		w.t.Fatal(err)
	}
	open().say(250, "MAIL FROM:<"+testLogin+">")
}
