package smtp

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"countersign/internal/fault"
)

func TestReplyOnTheWire(t *testing.T) {
	enhanced := EnhancedCode{5, 7, 1}
	word := strings.Repeat("x", 600)
	cases := []struct {
		name  string
		reply Reply
		want  string
	}{
		{"plain", Reply{Code: 250, Text: "OK"}, "250 OK\r\n"},
		{"enhanced", Reply{Code: 550, Enhanced: enhanced, Text: "No."}, "550 5.7.1 No.\r\n"},
		{"no text", Reply{Code: 550, Enhanced: enhanced}, "550 5.7.1\r\n"},
		{"no text at all", Reply{Code: 250}, "250 \r\n"},
		{"several lines", Reply{Code: 550, Enhanced: enhanced, Text: "One\nTwo\nThree"}, "550-5.7.1 One\r\n550-5.7.1 Two\r\n550 5.7.1 Three\r\n"},
		{"injected line", Reply{Code: 250, Text: "OK\r\n221 Bye"}, "250-OK?\r\n250 221 Bye\r\n"},
		{"control characters", Reply{Code: 250, Text: "a\x00b\tc\x7fd\u202ee\u0085f"}, "250 a?b?c?d?e?f\r\n"},
		{"UTF-8", Reply{Code: 250, Text: "Grüße \xff"}, "250 Grüße ?\r\n"},
		{"folded at a space", Reply{Code: 250, Text: strings.Repeat("x", 500) + " " + strings.Repeat("y", 20)},
			"250-" + strings.Repeat("x", 500) + "\r\n250 " + strings.Repeat("y", 20) + "\r\n"},
		{"folded in a word", Reply{Code: 250, Text: word}, "250-" + word[:506] + "\r\n250 " + word[506:] + "\r\n"},
		{"not folded through a character", Reply{Code: 250, Text: strings.Repeat("x", 505) + "ü" + "z"},
			"250-" + strings.Repeat("x", 505) + "\r\n250 üz\r\n"},
		{"empty challenge", Challenge(nil), "334 \r\n"},
		{"challenge", Challenge([]byte("Username:")), "334 VXNlcm5hbWU6\r\n"},
		{"long challenge", Challenge(make([]byte, 600)), "334 " + strings.Repeat("A", 800) + "\r\n"},
		{"hello", Hello("mx.example.org", "SIZE 10", "PIPELINING"), "250-mx.example.org\r\n250-SIZE 10\r\n250 PIPELINING\r\n"},
		{"hello alone", Hello("mx.example.org"), "250 mx.example.org\r\n"},
		{"queued", Queued("01J9"), "250 2.0.0 queued as 01J9\r\n"},
		{"help", Help([]string{"EHLO", "QUIT"}, "See example.org"), "214-2.0.0 Commands: EHLO QUIT\r\n214 2.0.0 See example.org\r\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := string(c.reply.AppendTo([]byte("before")))
			if got != "before"+c.want {
				t.Errorf("got  %q\nwant %q", got, "before"+c.want)
			}
			for line := range strings.SplitAfterSeq(c.want, "\r\n") {
				if len(line) > 512 && c.reply.Code != 334 {
					t.Errorf("a line of %d octets", len(line))
				}
			}
		})
	}
}

// Replies that are no refusals: codes, and enhanced codes only where RFC 2034
// has them.
func TestProtocolReplies(t *testing.T) {
	cases := []struct {
		reply Reply
		want  string
	}{
		{Greeting("mx.example.org"), "220 mx.example.org ESMTP"},
		{ReadyForTLS(), "220 2.0.0 "}, {Bye(), "221 2.0.0 "}, {OK(), "250 2.0.0 "}, {SenderOK(), "250 2.1.0 "},
		{RecipientOK(), "250 2.1.5 "}, {ChunkOK(7), "250 2.0.0 7 octets"}, {AuthOK(), "235 2.7.0 "},
		{StartData(), "354 Send"}, {CannotVerify(), "252 2.5.0 "},
	}
	for _, c := range cases {
		if got := c.reply.Error(); !strings.HasPrefix(got, c.want) || c.reply.Reason != "" {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestCatalogue(t *testing.T) {
	kebab := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[Reason]bool{}
	for _, row := range catalogue {
		if seen[row.reason] || !kebab.MatchString(string(row.reason)) {
			t.Errorf("%s: twice, or not kebab case", row.reason)
		}
		seen[row.reason] = true
		if class := row.code / 100; class != row.enhanced[0] || class != 4 && class != 5 {
			t.Errorf("%s: code %d with %s", row.reason, row.code, row.enhanced)
		}
		if row.text == "" || !strings.HasSuffix(row.text, ".") || !unicode.IsUpper(rune(row.text[0])) || strings.Contains(row.text, "%") {
			t.Errorf("%s: text %q is not a sentence", row.reason, row.text)
		}
		if row.detailed != "" && strings.Count(row.detailed, "%s") != 1 {
			t.Errorf("%s: %q has not one place for a detail", row.reason, row.detailed)
		}
		if len(Refusal(row.reason, strings.Repeat("d", 500)).AppendTo(nil)) > maxReplyLine && row.reason != EUnaligned {
			t.Errorf("%s does not fit one line", row.reason)
		}
		reply := Refusal(row.reason, "")
		if reply.Reason != row.reason || reply.Code != row.code || reply.Temporary() != (row.code < 500) {
			t.Errorf("%s: refusal is %v", row.reason, reply)
		}
	}
	if len(Reasons()) != len(catalogue) {
		t.Error("Reasons is not the catalogue")
	}
}

// The codes that clients and the standards depend on.
func TestCatalogueCodes(t *testing.T) {
	cases := map[Reason]string{
		EUnknownCommand: "500 5.5.1", ESyntax: "501 5.5.2", EBadSequence: "503 5.5.1", EBadParameter: "501 5.5.4",
		EUnknownParameter: "555 5.5.4", EEncryptionRequired: "530 5.7.0", EAuthEncryptionRequired: "538 5.7.11",
		EAuthRequired: "530 5.7.0", EAuthFailed: "535 5.7.8", EAuthTooMany: "454 4.7.0", EAuthBusy: "454 4.7.0", EAuthUnavailable: "454 4.7.0",
		EAuthMechanismUnknown: "504 5.5.4", EAuthMalformed: "501 5.5.2", EAuthCancelled: "501 5.7.0", EAuthTooLong: "500 5.5.6",
		EAuthTwice: "503 5.5.1", EAuthInTransaction: "503 5.5.1", ESenderNotOwned: "550 5.7.1", EHeaderSenderNotOwned: "550 5.7.1",
		ENullSenderNotAllowed: "550 5.7.1", ESenderBadAddress: "501 5.1.7", ERecipientBadAddress: "501 5.1.3",
		ETooManyRecipients: "452 4.5.3", EMessageTooLarge: "552 5.3.4", ETooManyErrors: "421 4.7.0", ETimeout: "421 4.4.2",
		EShutdown: "421 4.3.2", EHeaderFromMissing: "550 5.6.0", EHeader8Bit: "550 5.6.7", ELoopDetected: "554 5.4.6",
		ESigningUnavailable: "451 4.7.5", EStoreFull: "452 4.3.1", EInternal: "451 4.3.0",
		EUnaligned: "550 5.7.26", ESMTPUTF8Required: "553 5.6.7", ETLSUnavailable: "454 4.7.0",
	}
	for reason, want := range cases {
		if got := Refusal(reason, "").Error(); !strings.HasPrefix(got, want+" ") {
			t.Errorf("%s: %s, want %s", reason, got, want)
		}
	}
}

// TestRecordInRefusal: a DNS record stands in a reply whole, and its key on one line; what is
// longer than any is cut.
func TestRecordInRefusal(t *testing.T) {
	key := "p=" + strings.Repeat("M", 392) // 2048 bits
	wire := string(Refusal(EUnaligned, "Publish at cs-rsa-202611._domainkey.example.org the TXT record v=DKIM1; k=rsa; "+key).AppendTo(nil))
	if !strings.Contains(wire, " "+key+"\r\n") {
		t.Errorf("the key is broken:\n%s", wire)
	}
	wire = string(Refusal(EUnaligned, strings.Repeat("d", 5000)).AppendTo(nil))
	for line := range strings.SplitAfterSeq(wire, "\r\n") {
		if len(line) > maxReplyLine {
			t.Errorf("a line of %d octets", len(line))
		}
	}
	if strings.Count(wire, "d") > maxRecordDetail+50 {
		t.Errorf("%d octets", len(wire))
	}
}

func TestRefusalDetail(t *testing.T) {
	cases := []struct{ name, detail, want string }{
		{"none", "", "A parameter has a value that cannot be used."},
		{"plain", "SIZE", "A parameter cannot be used: SIZE."},
		{"percent", "%s%d", "A parameter cannot be used: %s%d."},
		{"line ends", "a\r\n250 OK", "A parameter cannot be used: a??250 OK."},
		{"UTF-8", "ü\x80", "A parameter cannot be used: ü?."},
		{"long", strings.Repeat("ü", 300), "A parameter cannot be used: " + strings.Repeat("ü", 98) + "...."},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := Refusal(EBadParameter, c.detail).Text; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := Refusal("no-such-reason", "x"); got.Reason != EInternal {
		t.Errorf("unknown reason gives %v", got)
	}
	if got := Refusal(EAuthFailed, "no such account").Text; strings.Contains(got, "account") {
		t.Errorf("detail shown where it has no place: %q", got)
	}
}

func TestReplyFor(t *testing.T) {
	secret := errors.New("pq: password of db is hunter2")
	refused := &fault.Error{Op: "submission.mail", Kind: fault.Denied, Reason: "sender-not-owned", Detail: "a@b", Err: secret}
	cases := []struct {
		name string
		err  error
		want Reply
	}{
		{"unknown error", secret, Refusal(EInternal, "")},
		{"reason and detail", refused, Refusal(ESenderNotOwned, "a@b")},
		{"wrapped by fault", fault.Wrap("x", fault.Internal, refused), Refusal(ESenderNotOwned, "a@b")},
		{"wrapped by fmt", fmt.Errorf("x: %w", refused), Refusal(ESenderNotOwned, "a@b")},
		{"outer reason wins", &fault.Error{Reason: "store-full", Err: refused}, Refusal(EStoreFull, "")},
		{"reason below one outside the catalogue", &fault.Error{Reason: "moon-phase", Err: refused}, Refusal(ESenderNotOwned, "a@b")},
		{"reason outside the catalogue", fault.Refuse("x", fault.Full, "moon-phase"), Refusal(EStoreFull, "")},
		{"kind, with a detail that stays silent", fault.New("x", fault.Busy, "pool of 4 is full"), Refusal(EBusy, "")},
		{"a reply", fmt.Errorf("x: %w", Refusal(EBadParameter, "y")), Refusal(EBadParameter, "y")},
		{"a reply below a kind", fault.Wrap("x", fault.Internal, Refusal(EBadParameter, "y")), Refusal(EBadParameter, "y")},
		{"connection", io.ErrUnexpectedEOF, Refusal(EInternal, "")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := ReplyFor(c.err)
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if strings.Contains(got.Text, "hunter2") {
				t.Error("the cause is disclosed")
			}
		})
	}
}

func TestEveryKindHasAReply(t *testing.T) {
	for _, kind := range fault.Kinds() {
		if _, known := replyByKind[kind]; !known {
			t.Errorf("%s has no reply", kind)
			continue
		}
		reply := ReplyFor(fault.New("x", kind, "y"))
		if reply.Temporary() != kind.Temporary() || reply.Reason != replyByKind[kind] {
			t.Errorf("%s: reply %v, temporary %v", kind, reply, kind.Temporary())
		}
	}
}

func TestEnhancedCode(t *testing.T) {
	if got := (EnhancedCode{5, 7, 11}).String(); got != "5.7.11" {
		t.Error(got)
	}
	if got := (EnhancedCode{}).String(); got != "" {
		t.Errorf("none is %q", got)
	}
}
