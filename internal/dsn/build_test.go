package dsn

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

const testHead = "From: joe@cust.example\r\nTo: ann@other.example\r\nSubject: hello\r\n\r\n"

func address(t testing.TB, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// testReport is a report about one failed recipient; tests change it.
func testReport(t testing.TB) Report {
	at := time.Date(2026, 11, 4, 12, 0, 0, 0, time.UTC)
	return Report{
		Host: "mail.example.net", ID: "01JCQZ7V6M0000000000SVBM10", Date: at.Add(time.Hour),
		To: address(t, "joe@cust.example"),
		Recipients: []Recipient{{
			Recipient:   mail.Recipient{To: address(t, "ann@other.example"), Original: "rfc822;Ann@other.example"},
			Action:      Failed,
			Status:      "5.1.1",
			Diagnostic:  "550 5.1.1 No such user",
			RemoteMTA:   "mx.other.example",
			LastAttempt: at.Add(time.Hour),
		}},
		Original: Original{
			Head: []byte(testHead), Body: strings.NewReader("the body\r\n"), MaxBody: 1000, Arrival: at,
			Envelope: mail.Envelope{EnvelopeID: "QQ314159", Return: mail.ReturnFull},
		},
		Random: bytes.NewReader(make([]byte, 16)),
	}
}

// parsed is a report taken apart by the standard library.
type parsed struct {
	header netmail.Header
	parts  []part
}

type part struct {
	kind    string
	content string
}

// build makes the report and takes it apart again.
func build(t *testing.T, r Report) (Message, parsed) {
	t.Helper()
	m, err := Build(r)
	if err != nil {
		t.Fatal(err)
	}
	whole := append(bytes.Clone(m.Head), m.Body...)
	for line := range bytes.SplitSeq(whole, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
			t.Errorf("not fit for the wire: %q", line)
		}
	}
	msg, err := netmail.ReadMessage(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	mediaType, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/report" {
		t.Fatalf("%s, %v", mediaType, err)
	}
	out := parsed{header: msg.Header}
	mr := multipart.NewReader(msg.Body, params["boundary"])
	for {
		p, err := mr.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var r io.Reader = p
		if p.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			r = quotedprintable.NewReader(p)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out.parts = append(out.parts, part{kind: p.Header.Get("Content-Type"), content: string(content)})
	}
	if len(out.parts) != 3 {
		t.Fatalf("%d parts: %s", len(out.parts), whole)
	}
	if want := strings.TrimPrefix(out.parts[1].kind, "message/"); params["report-type"] != want {
		t.Errorf("report-type %s, part %s", params["report-type"], want)
	}
	return m, out
}

func TestBuildFailure(t *testing.T) {
	m, p := build(t, testReport(t))
	for name, want := range map[string]string{
		"From": "Mail Delivery System <MAILER-DAEMON@mail.example.net>", "To": "<joe@cust.example>",
		"Subject": "Undelivered mail: returned to sender", "Date": "Wed, 04 Nov 2026 13:00:00 +0000",
		"Message-Id": "<01JCQZ7V6M0000000000SVBM10@mail.example.net>", "Auto-Submitted": "auto-replied", "Mime-Version": "1.0",
	} {
		if got := p.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if m.EightBit || m.SMTPUTF8 {
		t.Error("a report in ASCII needs no extension")
	}
	const status = "Original-Envelope-Id: QQ314159\r\nReporting-MTA: dns; mail.example.net\r\nArrival-Date: Wed, 04 Nov 2026 12:00:00 +0000\r\n" +
		"\r\nOriginal-Recipient: rfc822;Ann@other.example\r\nFinal-Recipient: rfc822; ann@other.example\r\nAction: failed\r\nStatus: 5.1.1\r\n" +
		"Remote-MTA: dns; mx.other.example\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user\r\nLast-Attempt-Date: Wed, 04 Nov 2026 13:00:00 +0000\r\n"
	if p.parts[1].content != status {
		t.Errorf("got\n%s\nwant\n%s", p.parts[1].content, status)
	}
	if got := p.parts[2]; got.kind != "message/rfc822" || got.content != testHead+"the body\r\n" {
		t.Errorf("got %+v", got)
	}
	const text = "This is the mail server mail.example.net, with news of a message that you sent on\r\nWed, 04 Nov 2026 12:00:00 +0000.\r\n" +
		"\r\n<ann@other.example>:\r\n    The message could not be delivered. We have given up.\r\n    The server mx.other.example said:\r\n    550 5.1.1 No such user\r\n" +
		"\r\nYou named the message QQ314159.\r\n\r\nThe message is attached.\r\n"
	if p.parts[0].content != text {
		t.Errorf("got\n%s\nwant\n%s", p.parts[0].content, text)
	}
}

func TestBuildActions(t *testing.T) {
	cases := []struct {
		actions []Action
		subject string
		fields  string // of the last recipient
	}{
		{[]Action{Delayed}, "Delayed mail: still trying", "Action: delayed\r\n"},
		{[]Action{Relayed}, "Mail passed on", "Action: relayed\r\n"},
		{[]Action{Delivered}, "Mail delivered", "Action: delivered\r\n"},
		{[]Action{Delivered, Delayed}, "Delayed mail: still trying", "Action: delayed\r\n"},
		{[]Action{Failed, Delivered}, "Undelivered mail: returned to sender", "Action: delivered\r\n"},
	}
	for _, c := range cases {
		r := testReport(t)
		one := r.Recipients[0]
		r.Recipients = nil
		for _, a := range c.actions {
			one.Action = a
			one.WillRetryUntil = r.Date.Add(24 * time.Hour)
			r.Recipients = append(r.Recipients, one)
		}
		_, p := build(t, r)
		if p.header.Get("Subject") != c.subject || !strings.Contains(p.parts[1].content, c.fields) {
			t.Errorf("%v: %s\n%s", c.actions, p.header.Get("Subject"), p.parts[1].content)
		}
		last := c.actions[len(c.actions)-1]
		if got := strings.Contains(p.parts[1].content, "Will-Retry-Until: Thu, 05 Nov 2026 13:00:00 +0000\r\n"); got != (last == Delayed) {
			t.Errorf("%v: Will-Retry-Until: %v", c.actions, got)
		}
		if n := strings.Count(p.parts[1].content, "Final-Recipient:"); n != len(c.actions) {
			t.Errorf("%v: %d groups", c.actions, n)
		}
	}
}

func TestBuildReturnsWhatWasAskedFor(t *testing.T) {
	full := part{"message/rfc822", testHead + "the body\r\n"}
	header := part{"text/rfc822-headers", strings.TrimSuffix(testHead, "\r\n")}
	cases := map[string]struct {
		change func(*Report)
		want   part
	}{
		"full":               {func(*Report) {}, full},
		"header":             {func(r *Report) { r.Original.Envelope.Return = mail.ReturnHeaders }, header},
		"nothing said":       {func(r *Report) { r.Original.Envelope.Return = mail.ReturnUnset }, header},
		"delay":              {func(r *Report) { r.Recipients[0].Action = Delayed }, header},
		"no body":            {func(r *Report) { r.Original.Body = nil }, header},
		"just fits":          {func(r *Report) { r.Original.MaxBody = 10 }, full},
		"too long":           {func(r *Report) { r.Original.MaxBody = 9 }, header},
		"empty body":         {func(r *Report) { r.Original.Body = strings.NewReader("") }, part{"message/rfc822", testHead}},
		"body without CRLF":  {func(r *Report) { r.Original.Body = strings.NewReader("x") }, part{"message/rfc822", testHead + "x"}},
		"international":      {func(r *Report) { r.Original.Envelope.SMTPUTF8 = true }, part{"message/global", testHead + "the body\r\n"}},
		"international head": {func(r *Report) { r.Original.Envelope.SMTPUTF8 = true; r.Original.Body = nil }, part{"message/global-headers", header.content}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := testReport(t)
			c.change(&r)
			_, p := build(t, r)
			if p.parts[2] != c.want {
				t.Errorf("got %q, want %q", p.parts[2], c.want)
			}
			if got := strings.Contains(p.parts[0].content, "The header of the message is attached."); got != (strings.Contains(c.want.kind, "headers")) {
				t.Errorf("the text does not fit: %s", p.parts[0].content)
			}
		})
	}
}

func TestBuildEightBit(t *testing.T) {
	r := testReport(t)
	r.Original.Body = strings.NewReader("Gr\xc3\xbc\xc3\x9fe\r\n")
	m, p := build(t, r)
	if !m.EightBit || m.SMTPUTF8 || p.header.Get("Content-Transfer-Encoding") != "8bit" {
		t.Errorf("%v %v %v", m.EightBit, m.SMTPUTF8, p.header)
	}
	if p.parts[2].content != testHead+"Gr\xc3\xbc\xc3\x9fe\r\n" {
		t.Errorf("got %q", p.parts[2].content)
	}
}

func TestBuildInternational(t *testing.T) {
	r := testReport(t)
	r.To = address(t, "jörg@cust.example")
	r.Recipients[0].To = address(t, "änne@other.example")
	r.Recipients[0].Original = "utf-8;änne@other.example"
	r.Original.Envelope.SMTPUTF8 = true
	r.Original.Head = []byte("From: jörg@cust.example\r\n\r\n")
	r.Original.Body = strings.NewReader("Grüße\r\n")
	m, p := build(t, r)
	if !m.SMTPUTF8 || m.EightBit || not8Free(m.Body) {
		t.Errorf("SMTPUTF8 %v, EightBit %v: %s", m.SMTPUTF8, m.EightBit, m.Body)
	}
	if p.parts[1].kind != "message/global-delivery-status" ||
		!strings.Contains(p.parts[1].content, "Original-Recipient: utf-8;änne@other.example\r\nFinal-Recipient: utf-8; änne@other.example\r\n") {
		t.Errorf("got %q", p.parts[1])
	}
	if p.parts[2] != (part{"message/global", "From: jörg@cust.example\r\n\r\nGrüße\r\n"}) {
		t.Errorf("got %q", p.parts[2])
	}
	if !strings.Contains(p.parts[0].content, "<änne@other.example>:") {
		t.Errorf("got %q", p.parts[0])
	}
}

func not8Free(b []byte) bool { return bytes.ContainsFunc(b, func(r rune) bool { return r > '~' }) }

// TestBuildHostileText checks that nobody writes fields or lines of his own
// into a report.
func TestBuildHostileText(t *testing.T) {
	r := testReport(t)
	r.Original.Envelope.EnvelopeID = "x\r\nAction: delivered"
	r.Recipients[0].Original = "rfc822;x\r\n\r\nFinal-Recipient: rfc822; evil"
	r.Recipients[0].RemoteMTA = "mx\r\nX: y"
	r.Recipients[0].Diagnostic = "550 no\r\n\r\nAction: delivered\x00\x1b[2J \xff" + strings.Repeat("z", 5000)
	_, p := build(t, r)
	status := p.parts[1].content
	if strings.Contains(status, "Original-") || strings.Contains(status, "\r\nAction: delivered") || strings.Count(status, "\r\n\r\n") != 1 {
		t.Errorf("got %s", status)
	}
	if !strings.Contains(status, "Remote-MTA: dns; mx X: y\r\n") || !strings.Contains(status, " ...\r\n") {
		t.Errorf("got %s", status)
	}
	if !utf8.ValidString(p.parts[0].content) || strings.ContainsAny(p.parts[0].content, "\x00\x1b") {
		t.Errorf("got %q", p.parts[0].content)
	}
}

func TestBuildOwnReason(t *testing.T) {
	r := testReport(t)
	r.Recipients[0].Diagnostic, r.Recipients[0].RemoteMTA = "", ""
	r.Recipients[0].Reason = "the domain does not accept mail"
	_, p := build(t, r)
	if !strings.Contains(p.parts[0].content, "    The reason: the domain does not accept mail.\r\n") ||
		strings.Contains(p.parts[1].content, "Diagnostic-Code") || strings.Contains(p.parts[1].content, "Remote-MTA") {
		t.Errorf("got %q", p.parts)
	}
}

func TestBuildLongRecipientStaysWhole(t *testing.T) {
	r := testReport(t)
	long := strings.Repeat("a", 60) + "@" + strings.Repeat("b", 60) + "." + strings.Repeat("c", 60) + ".example"
	r.Recipients[0].To = address(t, long)
	_, p := build(t, r)
	h, err := textproto.NewReader(newReader(p.parts[1].content[strings.Index(p.parts[1].content, "\r\n\r\n")+4:] + "\r\n")).ReadMIMEHeader()
	if err != nil || h.Get("Final-Recipient") != "rfc822; "+long {
		t.Errorf("got %v, %v", h, err)
	}
}

func TestBuildRefuses(t *testing.T) {
	broken := errors.New("disk gone")
	cases := map[string]struct {
		change func(*Report)
		kind   fault.Kind
	}{
		"no recipient":  {func(r *Report) { r.Recipients = nil }, fault.Invalid},
		"null sender":   {func(r *Report) { r.To = mail.Address{} }, fault.Invalid},
		"no randomness": {func(r *Report) { r.Random = strings.NewReader("x") }, fault.Internal},
		"broken body":   {func(r *Report) { r.Original.Body = iotest.ErrReader(broken) }, fault.Internal},
	}
	for name, c := range cases {
		r := testReport(t)
		c.change(&r)
		_, err := Build(r)
		if fault.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestBuildReadByPython has another library take reports apart.
func TestBuildReadByPython(t *testing.T) {
	const script = `
import sys, json, email, email.policy
m = email.message_from_binary_file(sys.stdin.buffer)
parts = m.get_payload()
status = parts[1].get_payload()
print(json.dumps({
  "type": m.get_content_type(), "report": m.get_param("report-type"), "defects": [str(d) for p in m.walk() for d in p.defects],
  "parts": [p.get_content_type() for p in parts],
  "groups": [dict(g.items()) for g in status] if isinstance(status, list) else [],
  "subject": parts[2].get_payload(0)["Subject"] if parts[2].is_multipart() else "",
  "body": parts[2].get_payload(0).get_payload() if parts[2].is_multipart() else "",
}))
`
	r := testReport(t)
	second := r.Recipients[0]
	second.To = address(t, `"two words"@other.example`)
	second.Diagnostic = strings.Repeat("451 4.7.1 wait ", 20)
	r.Recipients = append(r.Recipients, second)
	m, _ := build(t, r)
	cmd := exec.Command("/usr/bin/python3", "-c", script)
	cmd.Stdin = io.MultiReader(bytes.NewReader(m.Head), bytes.NewReader(m.Body))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	var got struct {
		Type, Report, Subject, Body string
		Defects, Parts              []string
		Groups                      []map[string]string
	}
	err = json.Unmarshal(out, &got)
	if err != nil {
		t.Fatal(err)
	}
	if got.Type != "multipart/report" || got.Report != "delivery-status" || len(got.Defects) != 0 ||
		strings.Join(got.Parts, " ") != "text/plain message/delivery-status message/rfc822" {
		t.Errorf("got %+v", got)
	}
	if got.Subject != "hello" || strings.ReplaceAll(got.Body, "\r\n", "\n") != "the body\n" {
		t.Errorf("the original reads %q, %q", got.Subject, got.Body)
	}
	if len(got.Groups) != 3 || got.Groups[0]["Reporting-MTA"] != "dns; mail.example.net" ||
		got.Groups[1]["Final-Recipient"] != "rfc822; ann@other.example" ||
		got.Groups[2]["Final-Recipient"] != `rfc822; "two words"@other.example` || got.Groups[2]["Status"] != "5.1.1" {
		t.Errorf("the status reads %v", got.Groups)
	}
}

// newReader returns a buffered reader of s.
func newReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }
