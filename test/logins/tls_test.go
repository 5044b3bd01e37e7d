package logins

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/sasl"
	"countersign/internal/testkit"
	"countersign/test/harness"
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
			c := dial(t, address)
			c.send(header)
			c.expect("220 ")
			c.withoutTLS(name, k)
			// The same session with TLS, so that what was missing is known to be there.
			c.say("EHLO client.example", "250 ")
			c.say("STARTTLS", "220 ")
			c.secure(trust(t, w.Gate))
			if offer := c.say("EHLO client.example", "250 "); !strings.Contains(offer, "AUTH SCRAM-SHA-256-PLUS ") {
				t.Errorf("%s: with TLS there is no AUTH: %q", name, offer)
			}
			c.say(c.honest(k)[0].command(), "235 ")
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
func (c *client) withoutTLS(name string, k key) {
	c.t.Helper()
	encoded := encode([]byte("\x00" + k.login + "\x00" + k.password))
	for _, line := range []string{"EHLO client.example", "HELO client.example", "EHLO [127.0.0.1]", "RSET", "HELP", "NOOP", "VRFY a"} {
		c.send(line + "\r\n")
		if reply := c.reply(); strings.Contains(strings.ToUpper(reply), "AUTH") {
			c.t.Errorf("%s: %s is answered by %q", name, line, reply)
		}
	}
	c.say("EHLO client.example", "250 ")
	for _, m := range sasl.Mechanisms() {
		for _, initial := range []string{"", " =", " " + encoded, " " + encode([]byte("n,a="+k.login+",\x01auth=Bearer "+k.token+"\x01\x01"))} {
			c.send("AUTH " + m.Name + initial + "\r\n")
			if reply := c.reply(); !strings.HasPrefix(reply, "538 5.7.11 ") {
				c.t.Errorf("%s: AUTH %s is answered by %q", name, m.Name, reply)
			}
			// What a client says next is no response of an exchange.
			c.say(encoded, "500 ")
		}
	}
	c.say("auth plain "+encoded, "538 ")
	c.say("MAIL FROM:<"+k.login+"> AUTH=<>", "530 ")
	c.say("MAIL FROM:<"+k.login+">", "530 ")
}

// TestNoAuthOnTheWrongPort: a client in plain text on the port for TLS is sent away
// without having been asked for anything, and one that breaks TLS off gets nothing.
func TestNoAuthOnTheWrongPort(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	encoded := encode([]byte("\x00" + k.login + "\x00" + k.password))
	for _, first := range []string{"EHLO client.example\r\n", "AUTH PLAIN " + encoded + "\r\n"} {
		c := dial(t, w.Submissions)
		c.send(first + "AUTH PLAIN " + encoded + "\r\n")
		if reply := c.expect("554 5.7.0 "); strings.Contains(strings.ToUpper(reply), "AUTH") {
			t.Errorf("%q is answered by %q", first, reply)
		}
		c.over()
	}
	// Behind STARTTLS, in the same packet, and in place of the handshake.
	c := dial(t, w.Submission)
	c.expect("220 ")
	c.say("EHLO client.example", "250 ")
	c.send("STARTTLS\r\nAUTH PLAIN " + encoded + "\r\n")
	c.expect("421 ")
	c.over()
	c = dial(t, w.Submission)
	c.expect("220 ")
	c.say("EHLO client.example", "250 ")
	c.say("STARTTLS", "220 ")
	c.send("AUTH PLAIN " + encoded + "\r\n")
	c.over()
	w.unharmed()
}

// over wants the connection to end, and no reply before; octets of TLS, such as an alert,
// are none.
func (c *client) over() {
	c.t.Helper()
	for {
		c.wait()
		line, err := c.in.ReadString('\n')
		if err != nil {
			return
		}
		if len(line) > 3 && line[0] >= '2' && line[0] <= '3' {
			c.t.Errorf("instead of the end came %q", line)
		}
	}
}
