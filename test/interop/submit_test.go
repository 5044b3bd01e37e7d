package interop

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"countersign/test/harness"
)

// letter is a message that no ordinary client sends in just this form.
type letter struct {
	name string
	// params stand behind the path of MAIL.
	params string
	to     []string
	// head is what the header holds besides From, Date, Message-ID and the
	// Subject, which is the name.
	head string
	body string
	// chunked sends it by BDAT (RFC 3030) in pieces of this many octets; 0
	// means by DATA.
	chunked int
}

// text returns the whole message. It lacks no field that the gate would add.
func (l letter) text() string {
	return "From: <" + harness.Login + ">\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" +
		strings.ReplaceAll(l.name, " ", "-") + "@example.org>\r\nSubject: " + l.name + "\r\n" + l.head + "\r\n" + l.body
}

// submit sends a letter over the port for TLS.
func submit(t *testing.T, g *harness.Gate, l letter) {
	t.Helper()
	c := open(t, g)
	defer c.Close()
	c.say(t, 235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+harness.Login+"\x00"+harness.Password)))
	c.say(t, 250, "MAIL FROM:<"+harness.Login+">"+l.params)
	for _, to := range l.to {
		c.say(t, 250, "RCPT TO:<"+to+">")
	}
	text := l.text()
	if l.chunked == 0 {
		c.say(t, 354, "DATA")
		// RFC 5321 section 4.5.2: a leading dot is doubled.
		stuffed := strings.ReplaceAll("\r\n"+text, "\r\n.", "\r\n..")[2:]
		c.say(t, 250, stuffed+".")
	}
	for l.chunked > 0 {
		piece := text[:min(l.chunked, len(text))]
		text = text[len(piece):]
		last := ""
		if text == "" {
			last = " LAST"
		}
		c.write(t, fmt.Sprintf("BDAT %d%s\r\n%s", len(piece), last, piece))
		c.read(t, 250, "BDAT")
		if text == "" {
			break
		}
	}
	c.say(t, 221, "QUIT")
}

// talk is an open session.
type talk struct {
	conn *tls.Conn
	*textproto.Conn
}

// open connects to the port for TLS and says EHLO.
func open(t *testing.T, g *harness.Gate) *talk {
	t.Helper()
	text, err := os.ReadFile(g.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	conn, err := tls.Dial("tcp", g.Submissions, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c := &talk{conn, textproto.NewConn(conn)}
	c.read(t, 220, "the connection")
	c.say(t, 250, "EHLO client.example.org")
	return c
}

// say sends a line and wants a reply with this code.
func (c *talk) say(t *testing.T, code int, line string) {
	t.Helper()
	c.write(t, line+"\r\n")
	c.read(t, code, line[:min(len(line), 40)])
}

func (c *talk) write(t *testing.T, raw string) {
	t.Helper()
	if _, err := io.WriteString(c.conn, raw); err != nil {
		t.Fatal(err)
	}
}

func (c *talk) read(t *testing.T, code int, to string) {
	t.Helper()
	if _, text, err := c.ReadResponse(code); err != nil {
		t.Fatalf("the answer to %q is %v\n%s", to, err, text)
	}
}
