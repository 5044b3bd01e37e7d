package smtpclient

import (
	"strings"
	"testing"

	"countersign/internal/mail"
	"countersign/internal/testkit"
)

func TestParameters(t *testing.T) {
	full := &Message{
		Envelope: mail.Envelope{
			From: mail.Address{Local: "a b", Domain: "example.net"}, Body: mail.Body8Bit,
			Return: mail.ReturnFull, EnvelopeID: "id+1=x y",
		},
		Recipients: []mail.Recipient{
			{To: mail.Address{Local: "b", Domain: "example.org"}, Notify: mail.NotifySuccess | mail.NotifyDelay | mail.NotifyFailure, Original: "rfc822;b+c@example.org"},
			{To: mail.Address{Local: "c", Domain: "example.org"}, Notify: mail.NotifyNever},
			{To: mail.Address{Local: "d", Domain: "example.org"}, Original: "utf-8;jürgen@bücher.example"},
		},
		Head: []byte("A: b\r\n\r\n"), Body: []byte("\xc3\xbc\r\n"), Size: 12,
	}
	utf8 := *full
	utf8.Envelope.SMTPUTF8 = true
	null := &Message{Recipients: []mail.Recipient{{To: mail.Address{Local: "b", Domain: "example.org"}}}, Head: []byte("\r\n")}
	tests := []struct {
		name       string
		extensions []string
		message    *Message
		want       string // the commands, or the result
	}{
		{"everything", testkit.AllExtensions(), full, strings.Join([]string{
			`MAIL FROM:<"a b"@example.net> SIZE=12 BODY=8BITMIME RET=FULL ENVID=id+2B1+3Dx+20y`,
			`RCPT TO:<b@example.org> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;b+2Bc@example.org`,
			`RCPT TO:<c@example.org> NOTIFY=NEVER`,
			`RCPT TO:<d@example.org> ORCPT=utf-8;j\x{FC}rgen@b\x{FC}cher.example`,
		}, "\n")},
		{"with SMTPUTF8", []string{"8BITMIME", "SMTPUTF8", "DSN"}, &utf8, strings.Join([]string{
			`MAIL FROM:<"a b"@example.net> BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=id+2B1+3Dx+20y`,
			`RCPT TO:<b@example.org> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;b+2Bc@example.org`,
			`RCPT TO:<c@example.org> NOTIFY=NEVER`,
			`RCPT TO:<d@example.org> ORCPT=utf-8;jürgen@bücher.example`,
		}, "\n")},
		{"no DSN, no size", []string{"8BITMIME", "SIZE 0"}, full, strings.Join([]string{
			`MAIL FROM:<"a b"@example.net> SIZE=12 BODY=8BITMIME`, `RCPT TO:<b@example.org>`, `RCPT TO:<c@example.org>`, `RCPT TO:<d@example.org>`,
		}, "\n")},
		{"null sender", nil, null, "MAIL FROM:<>\nRCPT TO:<b@example.org>"},
		{"no 8BITMIME", []string{"SMTPUTF8"}, full, "mail/no-8bit mail/no-8bit mail/no-8bit"},
		{"no SMTPUTF8", []string{"8BITMIME"}, &utf8, "mail/no-utf8 mail/no-utf8 mail/no-utf8"},
		{"too big", []string{"8BITMIME", "SIZE 11"}, full, "mail/too-big mail/too-big mail/too-big"},
		{"just fits", []string{"SIZE 12"}, &Message{Recipients: null.Recipients, Head: []byte("\r\n"), Size: 12}, "MAIL FROM:<> SIZE=12\nRCPT TO:<b@example.org>"},
		{"declared 8-bit, is not", nil, &Message{
			Envelope: mail.Envelope{Body: mail.Body8Bit}, Recipients: null.Recipients, Head: []byte("\r\n"), Body: []byte("7\r\n"),
		}, "MAIL FROM:<>\nRCPT TO:<b@example.org>"},
		{"address beyond ASCII", []string{"8BITMIME"}, &Message{
			Recipients: []mail.Recipient{{To: mail.Address{Local: "jürgen", Domain: "example.org"}}}, Head: []byte("\r\n"),
		}, "mail/no-utf8"},
		{"a line end in an address", nil, &Message{
			Recipients: []mail.Recipient{{To: mail.Address{Local: "b>\r\nDATA\r\n", Domain: "example.org"}}}, Head: []byte("\r\n"),
		}, "mail/local"},
	}
	for _, tt := range tests {
		m := &testkit.MX{Extensions: tt.extensions}
		c := mustConnect(t, m, Options{})
		results := c.Send(t.Context(), tt.message)
		got := summary(results)
		if strings.HasPrefix(got, "250") {
			var lines []string
			for _, line := range m.Commands() {
				if strings.HasPrefix(line, "MAIL") || strings.HasPrefix(line, "RCPT") {
					lines = append(lines, line)
				}
			}
			got = strings.Join(lines, "\n")
		} else if commands := m.Commands(); len(commands) != 1 {
			t.Errorf("%s: sent %q, want nothing behind EHLO", tt.name, commands)
		}
		if got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
		if !c.Usable() {
			t.Errorf("%s: the connection is not usable any more", tt.name)
		}
	}
}
