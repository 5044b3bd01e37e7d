package smtpserver

import (
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/smtpserver/bounds"
)

// dialogues are whole sessions, one for each rule. They start at the greeting;
// "ready" ones after AUTH.
var dialogues = []struct {
	name   string
	ready  bool
	limits func(*bounds.Limits)
	script string
	// closed is what the session is recorded to have ended for; "" leaves it.
	closed string
}{
	{name: "greeting and quit", script: `
		< 220 mx.test ESMTP
		> QUIT
		< 221 2.0.0
		< EOF`, closed: "quit"},
	{name: "verbs in any case", script: `
		< 220
		> ehlo c.test
		< 250-mx.test
		> nOOp
		< 250 2.0.0
		> quit
		< 221`},
	{name: "EHLO before TLS offers STARTTLS and no AUTH", script: `
		< 220
		> EHLO c.test
		< 250-mx.test
		<* PIPELINING
		<* SIZE 65536
		<* 8BITMIME
		<* SMTPUTF8
		<* CHUNKING
		<* DSN
		<* ENHANCEDSTATUSCODES
		<* LIMITS MAILMAX=1000 RCPTMAX=100
		<* STARTTLS
		<! AUTH
		<! BINARYMIME
		<! REQUIRETLS`},
	{name: "EHLO after TLS offers AUTH and no STARTTLS", script: `
		< 220
		> EHLO c.test
		< 250
		> STARTTLS
		< 220
		~ tls
		> EHLO c.test
		< 250-mx.test
		<* AUTH PLAIN ASK
		<! STARTTLS`},
	{name: "HELO lists nothing", script: `
		< 220
		> HELO c.test
		< 250 mx.test`},
	{name: "before TLS only six verbs answer", limits: func(l *bounds.Limits) { l.MaxErrors = 0 }, script: `
		< 220
		> NOOP
		< 250
		> RSET
		< 250
		> EHLO c.test
		< 250
		> AUTH PLAIN AHVzZXIAc2VjcmV0
		< 538 5.7.11
		> MAIL FROM:<user@c.test>
		< 530 5.7.0
		<* Encryption
		> RCPT TO:<a@b.test>
		< 530 5.7.0
		> DATA
		< 530 5.7.0
		> BDAT 6 LAST
		>> "QUIT\r\n"
		< 530 5.7.0
		> VRFY user
		< 530 5.7.0
		> HELP
		< 530 5.7.0
		> HELO c.test
		< 250
		> QUIT
		< 221`},
	{name: "after TLS without AUTH", limits: func(l *bounds.Limits) { l.MaxErrors = 0 }, script: `
		< 220
		> STARTTLS
		< 220
		~ tls
		> MAIL FROM:<user@c.test>
		< 530 5.7.0
		<* Authentication
		> AUTH PLAIN AHVzZXIAc2VjcmV0
		< 503 5.5.1
		<* EHLO
		> EHLO c.test
		< 250
		> MAIL FROM:<user@c.test>
		< 530 5.7.0
		> RCPT TO:<a@b.test>
		< 530 5.7.0
		> DATA
		< 530 5.7.0
		> BDAT 6 LAST
		>> "QUIT\r\n"
		< 530 5.7.0
		> VRFY user
		< 530 5.7.0
		> HELP
		< 214
		<* STARTTLS AUTH MAIL
		> STARTTLS
		< 503 5.5.1
		> QUIT
		< 221`},
	{name: "STARTTLS forgets EHLO", script: `
		< 220
		> EHLO c.test
		< 250
		> STARTTLS
		< 220
		~ tls
		> AUTH PLAIN AHVzZXIAc2VjcmV0
		< 503 5.5.1`},
	{name: "a message", ready: true, script: toData + `
		> Subject: x
		>
		> ..dot
		> .
		< 250 2.0.0 queued as M1
		> QUIT
		< 221 2.0.0`},
	{name: "VRFY", ready: true, script: `
		> VRFY user
		< 252 2.5.0`},
	{name: "AUTH twice", ready: true, script: `
		> AUTH PLAIN AHVzZXIAc2VjcmV0
		< 503 5.5.1`},
	{name: "AUTH in a transaction", ready: true, script: `
		> MAIL FROM:<user@c.test>
		< 250
		> AUTH PLAIN AHVzZXIAc2VjcmV0
		< 503 5.5.1
		<* RSET`},
	{name: "STARTTLS in a transaction", ready: true, script: `
		> MAIL FROM:<user@c.test>
		< 250
		> STARTTLS
		< 503 5.5.1`},
	{name: "commands out of order", ready: true, limits: func(l *bounds.Limits) { l.MaxErrors = 0 }, script: `
		> RCPT TO:<a@b.test>
		< 503 5.5.1
		> DATA
		< 503 5.5.1
		> BDAT 6 LAST
		>> "QUIT\r\n"
		< 503 5.5.1
		> MAIL FROM:<user@c.test>
		< 250
		> DATA
		< 503 5.5.1
		> BDAT 6 LAST
		>> "QUIT\r\n"
		< 503 5.5.1
		> MAIL FROM:<user@c.test>
		< 503 5.5.1
		> RSET
		< 250
		> RCPT TO:<a@b.test>
		< 503 5.5.1`},
	{name: "EHLO resets", ready: true, script: `
		> MAIL FROM:<user@c.test>
		< 250
		> RCPT TO:<a@b.test>
		< 250
		> EHLO again.test
		< 250
		> DATA
		< 503
		> MAIL FROM:<user@c.test>
		< 250`},
	{name: "a refused EHLO changes nothing", ready: true, script: `
		> MAIL FROM:<user@c.test>
		< 250
		> EHLO
		< 501 5.5.2
		> RCPT TO:<a@b.test>
		< 250`},
	{name: "malformed commands", ready: true, limits: func(l *bounds.Limits) { l.MaxErrors, l.MaxRefusedRecipients = 0, 0 }, script: `
		> STARTTLSX
		< 500 5.5.1
		> FOO bar
		< 500 5.5.1
		>
		< 500 5.5
		>  MAIL FROM:<user@c.test>
		< 500 5.5
		> MAIL
		< 501 5.5.2
		> MAIL <user@c.test>
		< 501 5.5
		> MAIL FROM:user@c.test
		< 501 5
		> MAIL FROM:<user@c.test> FOO=BAR
		< 555 5.5.4
		> MAIL FROM:<user@c.test> SIZE=x
		< 501 5.5.4
		> MAIL FROM:<user@c.test> SIZE=1 SIZE=2
		< 501 5.5.4
		> MAIL FROM:<user@c.test> BODY=BINARYMIME
		< 555 5.5.4
		> MAIL FROM:<us er@c.test>
		< 501 5
		> DATA now
		< 503 5.5.1
		> QUIT now
		< 501 5.5.2
		> RSET now
		< 501 5.5.2
		> VRFY
		< 501 5.5.2
		> MAIL FROM:<user@c.test>
		< 250
		> RCPT FROM:<a@b.test>
		< 501 5.5
		> RCPT TO:<>
		< 501 5
		> RCPT TO:<a@b.test> NOTIFY=SOMETIMES
		< 501 5.5.4
		> RCPT TO:<ä@b.test>
		< 553 5.6.7
		> RCPT TO:<a@b.test>
		< 250
		> DATA now
		< 501 5.5.2
		> RSET
		< 250
		> NOOP anything goes
		< 250`},
	{name: "STARTTLS with an argument", script: `
		< 220
		> STARTTLS now
		< 501 5.5.2
		> STARTTLSX
		< 500 5.5.1
		> STARTTLS
		< 220`},
	{name: "a line over its limit", ready: true, script: `
		> NOOP ` + strings.Repeat("x", 505) + `
		< 250
		> NOOP ` + strings.Repeat("x", 506) + `
		< 500 5.5.2
		> NOOP
		< 250`},
	{name: "a line that no command can have", ready: true, script: `
		> NOOP ` + strings.Repeat("x", 13000) + `
		< 500 5.5.2
		< EOF`, closed: "protocol"},
	{name: "bare LF", ready: true, script: `
		>> "NOOP\nQUIT\r\n"
		< 500 5.5.2
		<* line feed
		< EOF`, closed: "protocol"},
	{name: "bare CR", ready: true, script: `
		>> "NOOP\rQUIT\r\n"
		< 500 5.5.2
		< EOF`, closed: "protocol"},
	{name: "NUL", ready: true, script: `
		>> "NOOP\x00\r\nNOOP\r\n"
		< 500 5.5.2
		< EOF`, closed: "protocol"},
	{name: "another protocol", script: `
		< 220
		> GET / HTTP/1.1
		< 554 5.5.0
		< EOF`, closed: "wrong-protocol"},
	{name: "a PROXY header from anybody", script: `
		< 220
		> PROXY TCP4 192.0.2.1 192.0.2.2 1 2
		< 554 5.5.0
		< EOF`, closed: "wrong-protocol"},
	{name: "AUTH steps", script: `
		< 220
		> STARTTLS
		< 220
		~ tls
		> EHLO c.test
		< 250
		> auth ask
		< 334 VXNlcg==
		> dXNlcg==
		< 334 UGFzcw==
		> c2VjcmV0
		< 235 2.7.0`},
	{name: "AUTH refusals", limits: func(l *bounds.Limits) { l.MaxAuthFailures = 0 }, script: `
		< 220
		> STARTTLS
		< 220
		~ tls
		> EHLO c.test
		< 250
		> AUTH
		< 501 5.5.2
		> AUTH CRAM-MD5
		< 504 5.5.4
		> AUTH PLAIN !!!
		< 501 5.5.2
		> AUTH PLAIN =
		< 501 5.5.2
		> AUTH PLAIN AHVzZXIAd3Jvbmc=
		< 535 5.7.8
		> AUTH PLAIN AHVzZXIAYnVzeQ==
		< 454 4.7.0
		> AUTH PLAIN
		< 334
		> *
		< 501 5.7.0
		> AUTH PLAIN
		< 334
		> ???
		< 501 5.5.2
		> AUTH PLAIN
		< 334
		> AHVzZXIAc2VjcmV0
		< 235 2.7.0`},
	{name: "an AUTH line of 12288 octets", script: `
		< 220
		> STARTTLS
		< 220
		~ tls
		> EHLO c.test
		< 250
		> AUTH PLAIN
		< 334
		> ` + strings.Repeat("AAAA", 3072) + `
		< 501 5.5.2
		> AUTH PLAIN ` + strings.Repeat("AAAA", 3072) + `
		< 501 5.5.2
		> AUTH PLAIN
		< 334
		> ` + strings.Repeat("AAAA", 3073) + `
		< 500 5.5.6
		< EOF`, closed: "protocol"},
	{name: "pipelining", ready: true, script: `
		>> "MAIL FROM:<user@c.test>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<c@b.test>\r\nDATA\r\n"
		< 250 2.1.0
		< 250 2.1.5
		< 250 2.1.5
		< 354
		>> "hi\r\n.\r\nMAIL FROM:<user@c.test>\r\nRSET\r\nQUIT\r\n"
		< 250 2.0.0 queued
		< 250 2.1.0
		< 250 2.0.0
		< 221
		< EOF`, closed: "quit"},
	{name: "a body sent without waiting", ready: true, script: `
		>> "MAIL FROM:<user@c.test>\r\nRCPT TO:<a@b.test>\r\nDATA\r\nhi\r\n.\r\nNOOP\r\n"
		< 250
		< 250
		< 354
		< 250 2.0.0 queued
		< 250 2.0.0 OK`},
	{name: "a body sent behind a refused DATA", ready: true, script: `
		>> "MAIL FROM:<user@c.test>\r\nDATA\r\nNOOP\r\n.\r\n"
		< 250
		< 503
		< EOF`, closed: "protocol"},
	{name: "a body sent in spite of a refused DATA", ready: true, script: `
		> MAIL FROM:<user@c.test>
		< 250
		> DATA
		< 503
		>> "Subject: x\r\n\r\nRSET\r\nMAIL FROM:<user@c.test>\r\nRCPT TO:<a@b.test>\r\n"
		< 500 5.5.1
		< EOF`, closed: "protocol"},
	{name: "an empty line in spite of a refused DATA", ready: true, script: `
		> DATA now
		< 503
		>
		< 500 5.5
		< EOF`, closed: "protocol"},
	{name: "an endless header field in spite of a refused DATA", ready: true, script: `
		> DATA
		< 503
		> NOOP ` + strings.Repeat("x", 506) + `
		< 500 5.5.2
		< EOF`, closed: "protocol"},
	{name: "commands behind a refused DATA", ready: true, script: `
		>> "MAIL FROM:<user@c.test>\r\nRCPT TO:<refused@b.test>\r\nDATA\r\n"
		< 250
		< 550
		< 503
		> RCPT TO:<a@b.test>
		< 250
		> FOO
		< 500 5.5.1
		> DATA
		< 354
		> hi
		> .
		< 250 2.0.0 queued
		> DATA
		< 503
		> DATA
		< 503
		> QUIT
		< 221`, closed: "quit"},
	{name: "SIZE too large", ready: true, script: `
		> MAIL FROM:<user@c.test> SIZE=65537
		< 552 5.3.4
		<* 65536
		> MAIL FROM:<user@c.test> SIZE=65536
		< 250`},
	{name: "a message too large", ready: true, script: toData + `
		>> ` + strconv.Quote(strings.Repeat(strings.Repeat("x", 500)+"\r\n", 132)) + `
		> .
		< 552 5.3.4
		> NOOP
		< 250`},
	{name: "long lines refused", ready: true, script: toData + `
		> ` + strings.Repeat("x", 999) + `
		> .
		< 550 5.6.0
		<* 998`},
	{name: "long lines allowed", ready: true, limits: func(l *bounds.Limits) { l.LongLines = true }, script: toData + `
		> ` + strings.Repeat("x", 5000) + `
		> .
		< 250`},
	{name: "too many recipients in a message", ready: true, limits: func(l *bounds.Limits) { l.MaxRecipients = 2; l.MaxRefusedRecipients = 1 }, script: `
		> MAIL FROM:<user@c.test>
		< 250
		> RCPT TO:<a@b.test>
		< 250
		> RCPT TO:<c@b.test>
		< 250
		> RCPT TO:<d@b.test>
		< 452 4.5.3
		<* 2
		> DATA
		< 354
		> .
		< 250`},
	{name: "too many messages in a session", ready: true, limits: func(l *bounds.Limits) { l.MaxMessages = 1 }, script: toData + `
		> .
		< 250
		> MAIL FROM:<user@c.test>
		< 421 4.7.0
		< EOF`, closed: "too-many-messages"},
	{name: "too many errors", ready: true, limits: func(l *bounds.Limits) { l.MaxErrors = 2 }, script: `
		> FOO
		< 500
		> BAR
		< 500
		< 421 4.7.0
		< EOF`, closed: "too-many-errors"},
	{name: "too many refused logins", limits: func(l *bounds.Limits) { l.MaxErrors, l.MaxAuthFailures = 1, 2 }, script: `
		< 220
		> STARTTLS
		< 220
		~ tls
		> EHLO c.test
		< 250
		> AUTH PLAIN AHVzZXIAd3Jvbmc=
		< 535
		> AUTH PLAIN AHVzZXIAYnVzeQ==
		< 454
		< 421 4.7.0
		< EOF`, closed: "too-many-auth-failures"},
	{name: "chatter without end", script: "\n\t\t< 220" + strings.Repeat("\n\t\t> NOOP\n\t\t< 250", maxChatter) +
		"\n\t\t> NOOP\n\t\t< 421 4.7.0\n\t\t< EOF", closed: "too-many-errors"},
	{name: "too many refused recipients", ready: true, limits: func(l *bounds.Limits) { l.MaxErrors, l.MaxRefusedRecipients = 1, 2 }, script: `
		> MAIL FROM:<user@c.test>
		< 250
		> RCPT TO:<temporary@b.test>
		< 451
		> RCPT TO:<refused@b.test>
		< 550
		> RCPT TO:<temporary@b.test>
		< 451
		> RCPT TO:<refused@b.test>
		< 550
		< 421 4.7.0
		< EOF`, closed: "too-many-refused-recipients"},
	{name: "recipients over a limit do not end the session", ready: true, limits: func(l *bounds.Limits) { l.MaxErrors, l.MaxRefusedRecipients = 1, 1 }, script: `
		> MAIL FROM:<user@c.test>
		< 250
		> RCPT TO:<a@b.test>
		< 250
		> RCPT TO:<over@b.test>
		< 550 5.5.3
		> RCPT TO:<over@b.test>
		< 550 5.5.3
		> DATA
		< 354
		> .
		< 250`},
	{name: "recipients over a limit without end", ready: true, limits: func(l *bounds.Limits) { l.MaxErrors, l.MaxRefusedRecipients = 1, 2 }, script: overLimit() +
		"\n\t\t> RSET\n\t\t< 250" + overLimit() + "\n\t\t< 421 4.7.0\n\t\t< EOF", closed: "too-many-refused-recipients"},
	{name: "what follows a refused MAIL is no error", ready: true, limits: func(l *bounds.Limits) { l.MaxErrors = 1 }, script: `
		>> "MAIL FROM:<refused@c.test>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n"
		< 550 5.7.1
		< 503
		< 503
		< 503
		> MAIL FROM:<user@c.test>
		< 250`},
	{name: "a 421 of the backend ends the session", ready: true, script: `
		> MAIL FROM:<enough@c.test>
		< 421 4.7.0
		< EOF`, closed: "too-many-messages"},
	{name: "STARTTLS with plain text behind it", script: `
		< 220
		>> "STARTTLS\r\nEHLO evil.test\r\n"
		< 421 4.7.0
		< EOF`, closed: "pipelined-starttls"},
	{name: "a handshake that fails", script: `
		< 220
		> STARTTLS
		< 220
		> EHLO c.test
		< EOF`, closed: "tls-failed"},
}

func TestDialogues(t *testing.T) {
	for _, tt := range dialogues {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &double{mail: mailByName, rcpt: rcptByName}
			r := newRig(t, d, Submission, func(l *bounds.Limits, _ *ListenerConfig) {
				if tt.limits != nil {
					tt.limits(l)
				}
			})
			c := r.dial()
			if tt.ready {
				c.play(toReady)
			}
			c.play(tt.script)
			if tt.closed != "" {
				d.session(t, 1).closedBecause(t, tt.closed)
			}
		})
	}
}

// mailByName refuses senders by what they are called.
func mailByName(env mail.Envelope) error {
	switch env.From.Local {
	case "refused":
		return fault.Refuse("double", fault.Denied, "sender-not-owned")
	case "enough":
		return fault.Refuse("double", fault.Busy, "too-many-messages")
	case "panic":
		panic("sender of doom")
	}
	return nil
}

// rcptByName refuses recipients by what they are called.
func rcptByName(r mail.Recipient) error {
	switch r.To.Local {
	case "refused":
		return fault.Refuse("double", fault.Denied, "recipient-domain-not-found")
	case "over":
		return fault.Refuse("double", fault.Denied, "limit-recipients-refused")
	case "temporary":
		return fault.New("double", fault.Unavailable, "directory away")
	}
	return nil
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submissions, nil)
	c := r.ready()
	c.play(toData + `
		> hello
		> .
		< 250 2.0.0 queued as M1
		> STARTTLS
		< 503
		> QUIT
		< 221
		< EOF`)
	s := d.session(t, 1)
	s.closedBecause(t, "quit")
	if o, ok := find(s.observations(t), ObservedTLS); !ok || o.TLS == nil || o.TLS.Version != tls.VersionTLS13 {
		t.Errorf("TLS observed as %+v", o)
	}
	if got := d.kept(); len(got) != 1 || got[0] != "hello\r\n" {
		t.Errorf("kept %q", got)
	}
}

func TestEnvelopeReachesTheBackend(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submission, nil)
	c := r.ready()
	c.play(`
		> MAIL FROM:<user@c.test> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb
		< 250
		> RCPT TO:<ä@b.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b.test
		< 250
		> DATA
		< 354
		> grüße
		> .
		< 250
		> QUIT
		< 221`)
	s := d.session(t, 1)
	s.closedBecause(t, "quit")
	want := mail.Envelope{
		From: mail.Address{Local: "user", Domain: "c.test"}, Size: 100, Body: mail.Body8Bit,
		SMTPUTF8: true, Return: mail.ReturnHeaders, EnvelopeID: "a+b",
	}
	if s.env != want {
		t.Errorf("envelope %+v, want %+v", s.env, want)
	}
	rcpt := mail.Recipient{
		To:     mail.Address{Local: "ä", Domain: "b.test"},
		Notify: mail.NotifySuccess | mail.NotifyFailure, Original: "rfc822;a@b.test",
	}
	if len(s.to) != 1 || s.to[0] != rcpt {
		t.Errorf("recipients %+v, want %+v", s.to, rcpt)
	}
	if s.peer.Listener != "test" || !mail.ValidID(s.peer.ID.String()) || !loopback.Contains(s.peer.Client.Addr()) || s.peer.Proxy.IsValid() {
		t.Errorf("peer %+v", s.peer)
	}
}

func TestRefusalsAreObserved(t *testing.T) {
	t.Parallel()
	d := &double{mail: mailByName}
	r := newRig(t, d, Submission, nil)
	c := r.ready()
	c.play(`
		> MAIL FROM:<refused@c.test>
		< 550
		> c2VjcmV0
		< 500
		> QUIT
		< 221`)
	all := d.session(t, 1).observations(t)
	var got []string
	for _, o := range all {
		got = append(got, fmt.Sprint(o.Kind, " ", o.Verb, " ", o.Code, " ", o.Enhanced, " ", o.Reason))
		if strings.Contains(o.Text+o.Verb, "2VjcmV0") {
			t.Errorf("a line that may be a password is recorded: %+v", o)
		}
	}
	want := []string{
		"hello EHLO 0  ", "tls  0  ", "hello EHLO 0  ", "auth-ok AUTH 0  ",
		"refusal MAIL 550 5.7.1 sender-not-owned", "refusal  500 5.5.1 unknown-command", "close  0  ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("observed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAuthFailureIsObservedOnce(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submissions, nil)
	c := r.dial()
	c.startTLS()
	c.play(`
		< 220
		> EHLO c.test
		< 250
		> AUTH PLAIN AHVzZXIAd3Jvbmc=
		< 535 5.7.8
		> QUIT
		< 221`)
	all := d.session(t, 1).observations(t)
	o, ok := find(all, ObservedAuthFailed)
	if !ok || o.Text != "PLAIN" || o.Code != 535 || o.Reason != "auth-failed" || o.Err == nil {
		t.Errorf("observed %+v", o)
	}
	if _, ok := find(all, ObservedRefusal); ok {
		t.Error("a failed AUTH is recorded as a refusal too")
	}
}
