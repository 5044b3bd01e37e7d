package logins

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/sasl"
	"countersign/internal/testkit"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// TestNoAuthBeforeTLS: whatever is configured, no listener offers or takes AUTH, and
// none of its answers invites to it, before there is TLS (promise 2).
func TestNoAuthBeforeTLS(t *testing.T) {
	authority := filepath.Join(t.TempDir(), "authority.pem")
	testkit.WriteCertificates(t, authority, testkit.NewAuthority(t))
	var table strings.Builder
	more := map[string]string{}
	for name, options := range map[string]string{
		"plain": "", "newest": `min_tls = "1.3"`, "proxied": `proxies = ["127.0.0.1"]`, "both": "min_tls = \"1.3\"\nproxies = [\"127.0.0.0/8\"]",
		"certified": fmt.Sprintf("client_ca_file = %q", authority), "networked": `networks = "on"`, "picked": `mechanisms = ["PLAIN", "SCRAM-SHA-256-PLUS"]`,
	} {
		more[name] = harness.FreePort(t)
		fmt.Fprintf(&table, "[[listener]]\nname = %q\nkind = \"submission\"\naddress = [%q]\n%s\n", name, more[name], options)
	}
	w := newWorld(t, table.String())
	// Who need not log in needs TLS all the same.
	w.Admin("", "credential", "add", other, "printer", "--network", "127.0.0.0/8")
	k := w.key()
	for name, address := range more {
		for _, header := range proxyHeaders(name) {
			c := talk.Dial(t, address)
			c.Send(header)
			c.Expect("220 ")
			withoutTLS(c, name, k)
			// The same session with TLS, so that what was missing is known to be there.
			c.Say(talk.Hello, "250 ")
			c.Say("STARTTLS", "220 ")
			c.Secure(talk.Trust(t, w.Gate))
			if offer := c.Say(talk.Hello, "250 "); !strings.Contains(offer, "AUTH SCRAM-SHA-256-PLUS ") {
				t.Errorf("%s: with TLS there is no AUTH: %q", name, offer)
			}
			c.Say(talk.Plain(k.Login, k.Password), "235 ")
		}
	}
	w.unharmed()
}

// proxyHeaders are what a proxy may say first to a listener (PROXY protocol, version 2 with
// what it says of TLS at its own door, PP2_TYPE_SSL): that is no TLS of ours.
func proxyHeaders(listener string) []string {
	if listener != "proxied" && listener != "both" {
		return []string{""}
	}
	const sign = "\r\n\r\n\x00\r\nQUIT\n"
	addresses := "\x7f\x00\x00\x02\x7f\x00\x00\x01\x30\x39\x02\x4b"
	// type 0x20, 5 octets: client flags "by SSL, with a certificate", verified.
	tlv := "\x20\x00\x05\x07\x00\x00\x00\x00"
	v2 := func(rest string) string {
		return sign + "\x21\x11" + string([]byte{byte(len(rest) >> 8), byte(len(rest))}) + rest
	}
	return []string{"PROXY TCP4 127.0.0.2 127.0.0.1 12345 465\r\n", v2(addresses), v2(addresses + tlv)}
}

// withoutTLS tries everything on a connection without TLS.
func withoutTLS(c *talk.Client, name string, k talk.Key) {
	c.T.Helper()
	encoded := talk.Encode([]byte("\x00" + k.Login + "\x00" + k.Password))
	for _, line := range []string{"EHLO client.example", "HELO client.example", "EHLO [127.0.0.1]", "RSET", "HELP", "NOOP", "VRFY a"} {
		c.Send(line + "\r\n")
		if reply := c.Reply(); strings.Contains(strings.ToUpper(reply), "AUTH") {
			c.T.Errorf("%s: %s is answered by %q", name, line, reply)
		}
	}
	c.Say(talk.Hello, "250 ")
	for _, m := range sasl.Mechanisms() {
		for _, initial := range []string{"", " =", " " + encoded, " " + talk.Encode([]byte("n,a="+k.Login+",\x01auth=Bearer "+k.Token+"\x01\x01"))} {
			c.Send("AUTH " + m.Name + initial + "\r\n")
			if reply := c.Reply(); !strings.HasPrefix(reply, "538 5.7.11 ") {
				c.T.Errorf("%s: AUTH %s is answered by %q", name, m.Name, reply)
			}
			// What a client says next is no response of an exchange.
			c.Say(encoded, "500 ")
		}
	}
	c.Say("auth plain "+encoded, "538 ")
	c.Say("MAIL FROM:<"+k.Login+"> AUTH=<>", "530 ")
	c.Say("MAIL FROM:<"+k.Login+">", "530 ")
}

// TestNoAuthOnTheWrongPort: a client in plain text on the port for TLS is sent away
// without having been asked for anything, and one that breaks TLS off gets nothing.
func TestNoAuthOnTheWrongPort(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	encoded := talk.Encode([]byte("\x00" + k.Login + "\x00" + k.Password))
	for _, first := range []string{"EHLO client.example\r\n", "AUTH PLAIN " + encoded + "\r\n"} {
		c := talk.Dial(t, w.Submissions)
		c.Send(first + "AUTH PLAIN " + encoded + "\r\n")
		if reply := c.Expect("554 5.7.0 "); strings.Contains(strings.ToUpper(reply), "AUTH") {
			t.Errorf("%q is answered by %q", first, reply)
		}
		c.Over()
	}
	// Behind STARTTLS, in the same packet, and in place of the handshake.
	c := talk.Dial(t, w.Submission)
	c.Expect("220 ")
	c.Say(talk.Hello, "250 ")
	c.Send("STARTTLS\r\nAUTH PLAIN " + encoded + "\r\n")
	c.Expect("421 ")
	c.Over()
	c = talk.Dial(t, w.Submission)
	c.Expect("220 ")
	c.Say(talk.Hello, "250 ")
	c.Say("STARTTLS", "220 ")
	c.Send("AUTH PLAIN " + encoded + "\r\n")
	c.Over()
	w.unharmed()
}
