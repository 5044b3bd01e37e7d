package interop

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	gomail "github.com/wneessen/go-mail"

	"countersign/internal/testkit"
	"countersign/test/harness"
)

// goMail submits an attempt by go-mail.
func (d *doors) goMail(t *testing.T, o attempt, version uint16) error {
	t.Helper()
	host, port := o.address(d.Gate)
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	options := []gomail.Option{
		gomail.WithPort(number), gomail.WithTimeout(15 * time.Second), gomail.WithTLSPolicy(gomail.TLSMandatory),
		gomail.WithTLSConfig(&tls.Config{RootCAs: testkit.Roots(t, d.CAFile), ServerName: harness.Host, MinVersion: version, MaxVersion: version}),
		gomail.WithSMTPAuth(gomail.SMTPAuthType(o.mechanism)), gomail.WithUsername(o.login), gomail.WithPassword(o.password),
	}
	if o.implicit {
		options = append(options, gomail.WithSSL())
	}
	c, err := gomail.NewClient(host, options...)
	if err != nil {
		t.Fatal(err)
	}
	m := gomail.NewMsg()
	m.Subject(o.subject)
	m.SetBodyString(gomail.TypeTextPlain, "Hello.")
	if err := m.From(o.from); err != nil {
		t.Fatal(err)
	}
	if err := m.To("b@example.com"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return c.DialAndSendWithContext(ctx, m)
}

// TestGoMailLogsIn is TestProgramsLogIn for a library of Go. It binds to the channel by
// tls-exporter with TLS 1.3, and by tls-unique with TLS 1.2.
func TestGoMailLogsIn(t *testing.T) {
	d := newDoors(t)
	for _, mechanism := range []string{
		"PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS",
	} {
		for i, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			o := rightly(i == 0, mechanism, fmt.Sprintf("go-mail by %s with %s", mechanism, tls.VersionName(version)))
			t.Run(o.subject, func(t *testing.T) { d.tryGoMail(t, o, version) })
		}
	}
	d.wantRecord(t)
}

// tryGoMail is try for that library.
func (d *doors) tryGoMail(t *testing.T, o attempt, version uint16) {
	right, wrong := d.secret(&o)
	o.password = wrong
	if err := d.goMail(t, o, version); err == nil || !strings.Contains(err.Error(), `535 "5.7.8 `) {
		t.Errorf("a wrong secret: %v, want 535", err)
	}
	d.refused++
	if _, ok := d.box.find("Subject: " + o.subject + "\r\n"); ok {
		t.Error("its message was delivered")
	}
	o.password = right
	if err := d.goMail(t, o, version); err != nil {
		t.Fatal(err)
	}
	d.passed = append(d.passed, o.mechanism)
	d.box.waitFor(t, o.subject)
}
