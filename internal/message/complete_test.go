package message

import (
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"countersign/internal/mail"
)

const (
	testSession    = mail.ID("01JCQZ7V6M0000000000SESS10")
	testSubmission = mail.ID("01JCQZ7V6M0000000000SVBM10")
)

func testTime() time.Time {
	return time.Date(2026, 11, 4, 13, 5, 6, 0, time.FixedZone("", 3600))
}

func testCompletion() Completion {
	return Completion{
		Received: ReceivedField(Trace{
			Host: "mail.example.net", Session: testSession, Submission: testSubmission, TLS: "TLS 1.3", At: testTime(),
		}),
		Date: testTime(), ID: testSubmission, Domain: "cust.example",
	}
}

func TestComplete(t *testing.T) {
	const trace = "Received: by mail.example.net (Countersign) with ESMTPSA\r\n\tid 01JCQZ7V6M0000000000SVBM10\r\n" +
		"\t(session 01JCQZ7V6M0000000000SESS10, TLS 1.3);\r\n\tWed, 04 Nov 2026 12:05:06 +0000\r\n"
	const date = "Date: Wed, 04 Nov 2026 12:05:06 +0000\r\n"
	const id = "Message-ID: <01JCQZ7V6M0000000000SVBM10@cust.example>\r\n"
	cases := map[string]struct{ in, want string }{
		"both missing":      {"From: a@b.example\r\n", trace + "From: a@b.example\r\n" + date + id},
		"both there":        {"date: yesterday\r\nMESSAGE-ID:\r\n <x@y>\r\n", trace + "date: yesterday\r\nMESSAGE-ID:\r\n <x@y>\r\n"},
		"both empty":        {"Date:\r\nMessage-ID: \t\r\nTo: x\r\n", trace + "To: x\r\n" + date + id},
		"Bcc goes":          {"Bcc: a@b.example\r\nTo: x\r\nBCC: c,\r\n d\r\nResent-Bcc: e\r\nDate: d\r\nMessage-ID: i\r\n", trace + "To: x\r\nDate: d\r\nMessage-ID: i\r\n"},
		"Return-Path goes":  {"Return-Path: <a@b.example>\r\nDate: d\r\nMessage-ID: i\r\n", trace + "Date: d\r\nMessage-ID: i\r\n"},
		"the rest as it is": {"x-ODD :no\r\n"[:5] + ":  a \t\r\n\t b\r\nDate: d\r\nMessage-ID: i\r\n", trace + "x-ODD:  a \t\r\n\t b\r\nDate: d\r\nMessage-ID: i\r\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := mustRead(t, c.in+"\r\n")
			h.Complete(testCompletion())
			if got := string(h.Bytes()); got != c.want+"\r\n" {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestCompleteWithoutReceived(t *testing.T) {
	h := mustRead(t, "Date: d\r\nMessage-ID: i\r\n\r\n")
	h.Complete(Completion{})
	if got := string(h.Bytes()); got != "Date: d\r\nMessage-ID: i\r\n\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestReceivedFieldProtocol(t *testing.T) {
	got := ReceivedField(Trace{Host: "h.example", SMTPUTF8: true, At: testTime()})
	if !strings.Contains(got, " with UTF8SMTPSA\r\n") || strings.Contains(got, "TLS") {
		t.Errorf("got %q", got)
	}
}

func TestFormatDateReadsBack(t *testing.T) {
	back, err := netmail.ParseDate(FormatDate(testTime()))
	if err != nil || !back.Equal(testTime()) {
		t.Errorf("got %v, %v", back, err)
	}
}

func TestResultsInOurOwnNameAreDropped(t *testing.T) {
	text := "From: a@example.org\r\nAuthentication-Results: GATE.example.org 1; dkim=pass\r\n" +
		"Authentication-Results: other.example; dkim=pass\r\n\r\n"
	h, _, err := ReadHeader(strings.NewReader(text), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	h.Complete(Completion{Domain: "gate.example.org"})
	if got := string(h.Bytes()); strings.Contains(got, "GATE") || !strings.Contains(got, "other.example") {
		t.Errorf("got %s", got)
	}
}
