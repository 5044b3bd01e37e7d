package smtp

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"countersign/internal/mail"
)

// all is everything offered.
var all = Extensions{Size: true, EightBitMIME: true, SMTPUTF8: true, DSN: true, Auth: true}

func address(local, domain string) mail.Address {
	return mail.Address{Local: local, Domain: mail.Domain(domain)}
}

func TestParseMail(t *testing.T) {
	from := address("a", "example.org")
	local64 := strings.Repeat("l", 64)
	label := strings.Repeat("d", 61)
	domain := strings.Join([]string{label, label, label}, ".") // 185 octets: 64+1+185 = 250
	cases := []struct {
		args string
		want mail.Envelope
		err  string
	}{
		{"FROM:<a@example.org>", mail.Envelope{From: from}, ""},
		{"from:<a@example.org>", mail.Envelope{From: from}, ""},
		{"FROM: <a@example.org>", mail.Envelope{From: from}, ""},
		{"FROM:<>", mail.Envelope{}, ""},
		{"FROM:<> BODY=8BITMIME", mail.Envelope{Body: mail.Body8Bit}, ""},
		{"FROM:<a@EXAMPLE.org>", mail.Envelope{From: from}, ""},
		{`FROM:<"a"@example.org>`, mail.Envelope{From: from}, ""},
		{`FROM:<"a>b c\"d"@example.org>`, mail.Envelope{From: address(`a>b c"d`, "example.org")}, ""},
		{`FROM:<"a\>@b"@example.org>`, mail.Envelope{From: address(`a>@b`, "example.org")}, ""},
		{"FROM:<a@[192.0.2.1]>", mail.Envelope{From: address("a", "[192.0.2.1]")}, ""},
		{"FROM:<a@[IPv6:2001:db8::1]>", mail.Envelope{From: address("a", "[IPv6:2001:db8::1]")}, ""},
		{"FROM:<@x.example,@y.example:a@example.org>", mail.Envelope{From: from}, ""},
		{"FROM:<@[IPv6:2001:db8::1]:a@example.org>", mail.Envelope{From: from}, ""},
		{"FROM:<" + local64 + "@" + domain + ">", mail.Envelope{From: address(local64, domain)}, ""},

		{"", mail.Envelope{}, "501 5.5.2"},
		{"<a@example.org>", mail.Envelope{}, "501 5.5.2"},
		{"FROM <a@example.org>", mail.Envelope{}, "501 5.5.2"},
		{"FROM :<a@example.org>", mail.Envelope{}, "501 5.5.2"},
		{" FROM:<a@example.org>", mail.Envelope{}, "501 5.5.2"},
		{"FROM:  <a@example.org>", mail.Envelope{}, "501 5.5.2"},
		{"FROM:a@example.org", mail.Envelope{}, "501 5.5.2"},
		{"FROM:", mail.Envelope{}, "501 5.5.2"},
		{"FROM:<a@example.org", mail.Envelope{}, "501 5.5.2"},
		{`FROM:<"a@example.org>`, mail.Envelope{}, "501 5.5.2"},
		{`FROM:<"a\`, mail.Envelope{}, "501 5.5.2"},
		{"FROM:<a@example.org>SIZE=1", mail.Envelope{}, "501 5.5.2"},
		{"FROM:<a@example.org>>", mail.Envelope{}, "501 5.5.2"},
		{"TO:<a@example.org>", mail.Envelope{}, "501 5.5.2"},
		{"FROM:< >", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<a>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<@example.org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<a@>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<a@b@example.org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<<a@example.org>>", mail.Envelope{}, "501 5.5.2"},
		{"FROM:< a@example.org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<a@example.org >", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<a..b@example.org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<a@example..org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<a@example.org.>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<a@[192.0.2]>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<l" + local64 + "@example.org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<" + local64 + "@dddddddd." + domain + ">", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<@x.example:@y.example:a@example.org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<@x.example,y.example:a@example.org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<@x.example,a@example.org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<@x..example:a@example.org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<@[192.0.2.1]a@example.org>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<@x.example:>", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<@" + strings.Repeat("x", 60) + "." + domain + ":a@example.org>", mail.Envelope{}, "501 5.1.7"},

		{"FROM:<a@example.org> SMTPUTF8", mail.Envelope{From: from, SMTPUTF8: true}, ""},
		{"FROM:<ü@example.org> SMTPUTF8", mail.Envelope{From: address("ü", "example.org"), SMTPUTF8: true}, ""},
		{"FROM:<a@bücher.example> SMTPUTF8", mail.Envelope{From: address("a", "xn--bcher-kva.example"), SMTPUTF8: true}, ""},
		{"FROM:<ü@example.org>", mail.Envelope{}, "553 5.6.7"},
		{"FROM:<a@bücher.example>", mail.Envelope{}, "553 5.6.7"},
		{"FROM:<" + local64 + "@" + strings.Repeat("ü.", 28) + "example> SMTPUTF8", mail.Envelope{}, "501 5.1.7"},
		{"FROM:<a@example.org> SMTPUTF8=1", mail.Envelope{}, "501 5.5.4"},
	}
	for _, c := range cases {
		t.Run(c.args, func(t *testing.T) {
			if c.err == "" && c.want.Body == "" {
				c.want.Body = mail.Body7Bit
			}
			got, err := ParseMail(c.args, all)
			if asReply(t, err) != c.err || got != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestMailParameters(t *testing.T) {
	cases := []struct {
		params string
		want   mail.Envelope
		err    string
	}{
		{"SIZE=0", mail.Envelope{}, ""},
		{"size=1000", mail.Envelope{Size: 1000}, ""},
		{"SIZE=99999999999999999999", mail.Envelope{Size: math.MaxInt64}, ""},
		{"SIZE=000000000000000000001", mail.Envelope{}, "501 5.5.4"},
		{"SIZE", mail.Envelope{}, "501 5.5.4"},
		{"SIZE=", mail.Envelope{}, "501 5.5.4"},
		{"SIZE=-1", mail.Envelope{}, "501 5.5.4"},
		{"SIZE=1k", mail.Envelope{}, "501 5.5.4"},
		{"SIZE=1 SIZE=1", mail.Envelope{}, "501 5.5.4"},
		{"SIZE=1 size=2", mail.Envelope{}, "501 5.5.4"},
		{"BODY=7bit", mail.Envelope{}, ""},
		{"BODY=8BITMIME", mail.Envelope{Body: mail.Body8Bit}, ""},
		{"BODY=BINARYMIME", mail.Envelope{}, "555 5.5.4"},
		{"BODY=9BIT", mail.Envelope{}, "501 5.5.4"},
		{"BODY", mail.Envelope{}, "501 5.5.4"},
		{"RET=FULL", mail.Envelope{Return: mail.ReturnFull}, ""},
		{"RET=hdrs", mail.Envelope{Return: mail.ReturnHeaders}, ""},
		{"RET=BODY", mail.Envelope{}, "501 5.5.4"},
		{"RET", mail.Envelope{}, "501 5.5.4"},
		{"ENVID=QQ314159", mail.Envelope{EnvelopeID: "QQ314159"}, ""},
		{"ENVID=a+2Bb+3Dc+20d", mail.Envelope{EnvelopeID: "a+b=c d"}, ""},
		{"ENVID=" + strings.Repeat("e", 100), mail.Envelope{EnvelopeID: strings.Repeat("e", 100)}, ""},
		{"ENVID=" + strings.Repeat("e", 101), mail.Envelope{}, "501 5.5.4"},
		{"ENVID=a+0D+0AX:", mail.Envelope{}, "501 5.5.4"},
		{"ENVID=a+2b", mail.Envelope{}, "501 5.5.4"},
		{"ENVID=a+2", mail.Envelope{}, "501 5.5.4"},
		{"ENVID=a+", mail.Envelope{}, "501 5.5.4"},
		{"ENVID=a+FC", mail.Envelope{}, "501 5.5.4"},
		{"ENVID=ü", mail.Envelope{}, "501 5.5.4"},
		{"ENVID=a=b", mail.Envelope{}, "501 5.5.4"},
		{"ENVID", mail.Envelope{}, "501 5.5.4"},
		{"AUTH=<>", mail.Envelope{}, ""},
		{"AUTH=e+3Dmc2@example.com", mail.Envelope{}, ""},
		{"AUTH=nobody", mail.Envelope{}, "501 5.5.4"},
		{"AUTH=a+b@example.com", mail.Envelope{}, "501 5.5.4"},
		{"AUTH", mail.Envelope{}, "501 5.5.4"},
		{"SIZE=5 BODY=8BITMIME RET=HDRS ENVID=x AUTH=<> SMTPUTF8", mail.Envelope{Size: 5, Body: mail.Body8Bit, Return: mail.ReturnHeaders, EnvelopeID: "x", SMTPUTF8: true}, ""},
		{"FOO", mail.Envelope{}, "555 5.5.4"},
		{"FOO=BAR", mail.Envelope{}, "555 5.5.4"},
		{"REQUIRETLS", mail.Envelope{}, "555 5.5.4"},
		{"NOTIFY=NEVER", mail.Envelope{}, "555 5.5.4"},
		{"SIZE=1  RET=FULL", mail.Envelope{}, "501 5.5.2"},
		{" SIZE=1", mail.Envelope{}, "501 5.5.2"},
		{"=1", mail.Envelope{}, "501 5.5.2"},
		{"-A", mail.Envelope{}, "501 5.5.2"},
		{"S;ZE=1", mail.Envelope{}, "501 5.5.2"},
		{"<b@example.org>", mail.Envelope{}, "501 5.5.2"},
	}
	for _, c := range cases {
		t.Run(c.params, func(t *testing.T) {
			if c.err == "" {
				c.want.From = address("a", "example.org")
				if c.want.Body == "" {
					c.want.Body = mail.Body7Bit
				}
			}
			got, err := ParseMail("FROM:<a@example.org> "+c.params, all)
			if asReply(t, err) != c.err || got != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestParametersNotOffered(t *testing.T) {
	for _, params := range []string{"SIZE=1", "BODY=7BIT", "SMTPUTF8", "RET=FULL", "ENVID=x", "AUTH=<>"} {
		_, err := ParseMail("FROM:<a@example.org> "+params, Extensions{})
		if asReply(t, err) != "555 5.5.4" {
			t.Errorf("%s: %v", params, err)
		}
	}
	for _, params := range []string{"NOTIFY=NEVER", "ORCPT=rfc822;a@example.org"} {
		_, err := ParseRcpt("TO:<a@example.org> "+params, Extensions{}, false)
		if asReply(t, err) != "555 5.5.4" {
			t.Errorf("%s: %v", params, err)
		}
	}
}

func TestParseRcpt(t *testing.T) {
	to := address("b", "example.net")
	long := strings.Repeat("o", 500-len("ORCPT=rfc822;"))
	cases := []struct {
		args string
		utf8 bool
		want mail.Recipient
		err  string
	}{
		{"TO:<b@example.net>", false, mail.Recipient{To: to}, ""},
		{"to: <b@example.net>", false, mail.Recipient{To: to}, ""},
		{"TO:<@x.example:b@example.net>", false, mail.Recipient{To: to}, ""},
		{"TO:<>", false, mail.Recipient{}, "501 5.1.3"},
		{"TO:<Postmaster>", false, mail.Recipient{}, "501 5.1.3"},
		{"TO:<b@>", false, mail.Recipient{}, "501 5.1.3"},
		{"TO:b@example.net", false, mail.Recipient{}, "501 5.5.2"},
		{"FROM:<b@example.net>", false, mail.Recipient{}, "501 5.5.2"},
		{"TO:<ü@example.net>", true, mail.Recipient{To: address("ü", "example.net")}, ""},
		{"TO:<ü@example.net>", false, mail.Recipient{}, "553 5.6.7"},
		{"TO:<b@example.net> NOTIFY=NEVER", false, mail.Recipient{To: to, Notify: mail.NotifyNever}, ""},
		{"TO:<b@example.net> notify=success", false, mail.Recipient{To: to, Notify: mail.NotifySuccess}, ""},
		{"TO:<b@example.net> NOTIFY=SUCCESS,FAILURE,DELAY", false, mail.Recipient{To: to, Notify: mail.NotifySuccess | mail.NotifyFailure | mail.NotifyDelay}, ""},
		{"TO:<b@example.net> NOTIFY=NEVER,FAILURE", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> NOTIFY=FAILURE,NEVER", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> NOTIFY=DELAY,DELAY", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> NOTIFY=", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> NOTIFY", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> NOTIFY=DELAY,", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> NOTIFY=SOMETIMES", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> NOTIFY=DELAY NOTIFY=DELAY", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> ORCPT=rfc822;Bob+2Bx@example.net", false, mail.Recipient{To: to, Original: "rfc822;Bob+x@example.net"}, ""},
		{"TO:<b@example.net> ORCPT=rfc822;" + long, false, mail.Recipient{To: to, Original: "rfc822;" + long}, ""},
		{"TO:<b@example.net> ORCPT=rfc822;o" + long, false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> ORCPT=rfc822;a+0Ab", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> ORCPT=rfc822;", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> ORCPT=;b@example.net", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> ORCPT=b@example.net", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> ORCPT=rfc 822;b", false, mail.Recipient{}, "501 5.5.2"},
		{"TO:<b@example.net> ORCPT=rfc@822;b", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> ORCPT=rfc822;ü", true, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> ORCPT=utf-8;ü@example.net", true, mail.Recipient{To: to, Original: "utf-8;ü@example.net"}, ""},
		{"TO:<b@example.net> ORCPT=utf-8;ü@example.net", false, mail.Recipient{}, "553 5.6.7"},
		{`TO:<b@example.net> ORCPT=utf-8;\x{FC}\x{2B}@example.net`, false, mail.Recipient{To: to, Original: "utf-8;ü+@example.net"}, ""},
		{`TO:<b@example.net> ORCPT=utf-8;\x{0A}`, false, mail.Recipient{}, "501 5.5.4"},
		{`TO:<b@example.net> ORCPT=utf-8;\x{D800}`, false, mail.Recipient{}, "501 5.5.4"},
		{`TO:<b@example.net> ORCPT=utf-8;\x{110000}`, false, mail.Recipient{}, "501 5.5.4"},
		{`TO:<b@example.net> ORCPT=utf-8;\x{FC`, false, mail.Recipient{}, "501 5.5.4"},
		{`TO:<b@example.net> ORCPT=utf-8;\x{fc}`, false, mail.Recipient{}, "501 5.5.4"},
		{`TO:<b@example.net> ORCPT=utf-8;a\b`, false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> ORCPT=utf-8;a+2Bb", false, mail.Recipient{}, "501 5.5.4"},
		{"TO:<b@example.net> SIZE=1", false, mail.Recipient{}, "555 5.5.4"},
	}
	for _, c := range cases {
		t.Run(c.args, func(t *testing.T) {
			got, err := ParseRcpt(c.args, all, c.utf8)
			if asReply(t, err) != c.err || got != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// checkAddress checks what may be said of every address that was accepted: it
// goes through its wire form unchanged.
func checkAddress(t *testing.T, a mail.Address, smtputf8 bool) {
	t.Helper()
	wire := a.String()
	if a.IsNull() {
		return
	}
	again, err := mail.ParseAddress(wire)
	if err != nil || again != a {
		t.Fatalf("%+v is %q on the wire, which is read as %+v, %v", a, wire, again, err)
	}
	if strings.ContainsAny(wire, "\x00\r\n") || !utf8.ValidString(wire) || !smtputf8 && !a.IsASCII() {
		t.Fatalf("accepted %q", wire)
	}
}

func FuzzParseMail(f *testing.F) {
	f.Add("FROM:<a@example.org> SIZE=10 BODY=8BITMIME")
	f.Add(`FROM:<@x,@y:"a>\"b"@[IPv6:::1]> RET=HDRS ENVID=a+20b`)
	f.Fuzz(func(t *testing.T, args string) {
		env, err := ParseMail(args, all)
		if err != nil {
			asReply(t, err)
			if env != (mail.Envelope{}) {
				t.Fatalf("an error and %+v", env)
			}
			return
		}
		checkAddress(t, env.From, env.SMTPUTF8)
		again, err := ParseMail("FROM:<"+env.From.String()+"> SMTPUTF8", all)
		if err != nil || again.From != env.From {
			t.Fatalf("%q again: %+v, %v", env.From, again, err)
		}
		if env.Size < 0 || !printableASCII(env.EnvelopeID) {
			t.Fatalf("%+v", env)
		}
	})
}

func FuzzParseRcpt(f *testing.F) {
	f.Add("TO:<b@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bc", false)
	f.Add(`TO:<ü@bücher.example> ORCPT=utf-8;\x{FC}`, true)
	f.Fuzz(func(t *testing.T, args string, smtputf8 bool) {
		rcpt, err := ParseRcpt(args, all, smtputf8)
		if err != nil {
			asReply(t, err)
			if rcpt != (mail.Recipient{}) {
				t.Fatalf("an error and %+v", rcpt)
			}
			return
		}
		if rcpt.To.IsNull() {
			t.Fatal("the null address as recipient")
		}
		checkAddress(t, rcpt.To, smtputf8)
		if rcpt.Notify.Has(mail.NotifyNever) && rcpt.Notify != mail.NotifyNever {
			t.Fatalf("%+v", rcpt)
		}
		kind, original, _ := strings.Cut(rcpt.Original, ";")
		if !printableASCII(original) && (!strings.EqualFold(kind, "utf-8") || strings.ContainsAny(original, "\x00\r\n")) {
			t.Fatalf("%+v", rcpt)
		}
	})
}

func printableASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
