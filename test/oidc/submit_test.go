package oidc

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"countersign/internal/testkit"
	"countersign/test/harness"
)

// session is an SMTP session over TLS.
type session struct{ *textproto.Conn }

// dial connects to the port for TLS, for no longer than a minute.
func dial(t *testing.T, g *harness.Gate) *session {
	t.Helper()
	conn, err := tls.Dial("tcp", g.Submissions, &tls.Config{RootCAs: testkit.Roots(t, g.CAFile), ServerName: harness.Host})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	s := &session{textproto.NewConn(conn)}
	t.Cleanup(func() { s.Close() })
	if _, text, err := s.ReadResponse(220); err != nil {
		t.Fatal(err, text)
	}
	if code, text := s.say(t, "EHLO client.example"); code != 250 || !strings.Contains(text, "OAUTHBEARER XOAUTH2") {
		t.Fatal(code, text)
	}
	return s
}

// say sends a line and returns the reply.
func (s *session) say(t *testing.T, line string) (code int, text string) {
	t.Helper()
	if err := s.PrintfLine("%s", line); err != nil {
		t.Fatal(err)
	}
	code, text, err := s.ReadResponse(0)
	if err != nil {
		t.Fatalf("%.20s: %v", line, err)
	}
	return code, text
}

// outcome is how a login ended: with that reply, after the error document if there was one.
type outcome struct {
	code     int
	text     string
	document map[string]string
}

// initial are the initial responses of a user with a token, by mechanism.
var initial = map[string]func(user, token string) string{
	"OAUTHBEARER": func(user, token string) string { return "n,a=" + user + ",\x01auth=Bearer " + token + "\x01\x01" },
	"XOAUTH2":     func(user, token string) string { return "user=" + user + "\x01auth=Bearer " + token + "\x01\x01" },
}

// dummy is what a client answers to the error document (RFC 7628 section 3.2.3; in
// XOAUTH2 it is nothing).
var dummy = map[string]string{"OAUTHBEARER": "AQ==", "XOAUTH2": ""}

// auth logs in.
func (s *session) auth(t *testing.T, mechanism, user, token string) (o outcome) {
	t.Helper()
	o.code, o.text = s.say(t, "AUTH "+mechanism+" "+base64.StdEncoding.EncodeToString([]byte(initial[mechanism](user, token))))
	if o.code != 334 {
		return o
	}
	text, err := base64.StdEncoding.DecodeString(o.text)
	if err != nil {
		t.Fatalf("%s: %q: %v", mechanism, o.text, err)
	}
	if err := json.Unmarshal(text, &o.document); err != nil {
		t.Fatalf("%s: the document %q: %v", mechanism, text, err)
	}
	o.code, o.text = s.say(t, dummy[mechanism])
	return o
}

// sends sends a message of a user who has logged in.
func (s *session) sends(t *testing.T, user, subject string) {
	t.Helper()
	for _, line := range []string{"MAIL FROM:<" + user + ">", "RCPT TO:<b@example.com>", "DATA",
		"From: <" + user + ">\r\nSubject: " + subject + "\r\n\r\nHello.\r\n."} {
		if code, text := s.say(t, line); code != 250 && code != 354 {
			t.Fatalf("%.20s: %d %s", line, code, text)
		}
	}
}
