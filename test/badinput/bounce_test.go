package badinput

import (
	"bufio"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"

	"countersign/internal/testkit"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// reports returns the reports of failure that arrived so far.
func (h *hop) reports() []testkit.Received {
	var found []testkit.Received
	for _, m := range h.mx.Received() {
		if strings.HasPrefix(m.Mail, nullSender) {
			found = append(found, m)
		}
	}
	return found
}

// sendTo submits a message whose RCPT commands have these arguments.
func sendTo(t *testing.T, g *harness.Gate, subject, mailParameters string, rcpt ...string) string {
	t.Helper()
	c := talk.LogIn(t, g)
	c.Say("MAIL FROM:<"+harness.Login+">"+mailParameters, "250 ")
	for _, r := range rcpt {
		c.Say("RCPT TO:"+r, "250 ")
	}
	c.Say("DATA", "354 ")
	c.Send(talk.Message(subject, "text") + ".\r\n")
	return talk.Accepted(t, c.Reply())
}

// TestBounces: a recipient that the next hop refuses for good is reported to
// the sender, once, unless nobody wants to know.
func TestBounces(t *testing.T) {
	var deaf atomic.Bool // the sender's own server refuses the report too
	next := listen(t, "127.0.0.1:0", func(to string) string {
		switch {
		case strings.HasPrefix(to, "nobody"):
			return "550 5.1.1 no such user here"
		case to == harness.Login && deaf.Load():
			return "550 5.2.1 no mailbox for the sender either"
		}
		return ""
	})
	g := harness.Serve(t, next.addr(), "")

	t.Run("one of two", func(t *testing.T) {
		sendTo(t, g, "half refused", " ENVID=QQ314159 RET=HDRS",
			"<b@example.com>", "<nobody@example.com> ORCPT=rfc822;Nobody@Example.COM")
		harness.WaitFor(t, "the report", func() bool { return len(next.reports()) == 1 })
		waitEmpty(t, g)
		if n := len(next.find("half refused")); n != 1 {
			t.Errorf("the other recipient got it %d times", n)
		}
		checkReport(t, next.reports()[0])
	})
	t.Run("nobody wants to know", func(t *testing.T) {
		id := sendTo(t, g, "never", "", "<nobody@example.com> NOTIFY=NEVER")
		// A report is queued with the outcome: an empty queue has none to come.
		waitEmpty(t, g)
		if n := len(next.reports()); n != 1 {
			t.Errorf("%d reports, the first test made one", n)
		}
		if out := g.Admin("", "trace", id); !strings.Contains(out, "5.1.1") {
			t.Errorf("the record does not say what happened:\n%s", out)
		}
	})
	t.Run("the report fails too", func(t *testing.T) {
		deaf.Store(true)
		before := len(next.named())
		sendTo(t, g, "twice refused", "", "<nobody@example.com>")
		waitEmpty(t, g)
		if got := next.named()[before:]; len(got) != 2 || got[0] != "nobody@example.com" || got[1] != harness.Login {
			t.Errorf("recipients named: %q", got)
		}
		if n := len(next.reports()); n != 1 {
			t.Errorf("%d reports arrived, the first test made one", n)
		}
	})
}

// checkReport reads a report as RFC 3462 and 3464 have it.
func checkReport(t *testing.T, m testkit.Received) {
	t.Helper()
	if len(m.Rcpt) != 1 || inBrackets(m.Rcpt[0]) != harness.Login {
		t.Errorf("the report went to %q", m.Rcpt)
	}
	msg, err := mail.ReadMessage(strings.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	kind, parameters, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || parameters["report-type"] != "delivery-status" {
		t.Fatalf("Content-Type %q: %v", msg.Header.Get("Content-Type"), err)
	}
	if msg.Header.Get("Auto-Submitted") == "" || msg.Header.Get("Message-Id") == "" || msg.Header.Get("Date") == "" {
		t.Errorf("header %v", msg.Header)
	}
	parts := multipart.NewReader(msg.Body, parameters["boundary"])
	part := func(want ...string) string {
		t.Helper()
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if strings.HasPrefix(p.Header.Get("Content-Type"), w) {
				return string(text)
			}
		}
		t.Errorf("a part is %q, want %q", p.Header.Get("Content-Type"), want)
		return string(text)
	}
	if text := part("text/plain"); !strings.Contains(text, "nobody@example.com") || !strings.Contains(text, "no such user here") {
		t.Errorf("the text for people:\n%s", text)
	}
	status := textproto.NewReader(bufio.NewReader(strings.NewReader(part("message/delivery-status"))))
	message, err := status.ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	if message.Get("Reporting-Mta") != "dns; gate.example.org" || message.Get("Original-Envelope-Id") != "QQ314159" {
		t.Errorf("fields of the message: %v", message)
	}
	recipient, err := status.ReadMIMEHeader()
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"Final-Recipient":    "rfc822; nobody@example.com",
		"Original-Recipient": "rfc822; Nobody@Example.COM",
		"Action":             "failed",
		"Status":             "5.1.1",
	} {
		if got := recipient.Get(field); strings.ReplaceAll(got, "; ", ";") != strings.ReplaceAll(want, "; ", ";") {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	if got := recipient.Get("Diagnostic-Code"); !strings.HasPrefix(got, "smtp;") || !strings.Contains(got, "550") {
		t.Errorf("Diagnostic-Code is %q", got)
	}
	if another, _ := status.ReadMIMEHeader(); len(another) > 0 {
		t.Errorf("a recipient that got it is reported: %v", another)
	}
	// RET=HDRS gives back the header alone.
	if text := part("text/rfc822-headers", "message/rfc822-headers"); !strings.Contains(text, "Subject: half refused") || strings.Contains(text, "\r\ntext\r\n") {
		t.Errorf("what is given back:\n%s", text)
	}
}
