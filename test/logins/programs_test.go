package logins

import (
	"strings"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// manner is the order in which a program logs in: what it says line by line, and what it
// waits for. Where the program is free software that is read from its source, else from a
// log or a specification that is public.
type manner struct {
	// program is its name, found where this is known from.
	program, found string
	// says are its lines; secrets stand between braces.
	says []string
	// asked are the challenges before its second line and further ones, decoded.
	asked []string
	// dummy answers the document that says what is wrong with a token.
	dummy string
	// leaves says that it ends the connection at that document.
	leaves bool
}

// manners are those of the programs that people have.
var manners = []manner{
	{program: "Thunderbird, XOAUTH2", found: "mailnews/compose/src/SmtpClient.sys.mjs: whatever is not success gets an empty line, then the next method is tried on the same connection",
		says: []string{"AUTH XOAUTH2 {xoauth2}"}},
	{program: "Thunderbird, PLAIN", found: "the same file", says: []string{"AUTH PLAIN {plain}"}},
	{program: "Thunderbird, LOGIN", found: "the same file; it gives up where the prompts are not these to the letter",
		says: []string{"AUTH LOGIN", "{user}", "{password}"}, asked: []string{"Username:", "Password:"}},

	{program: "Thunderbird for Android (K-9), XOAUTH2", found: "SmtpTransport.kt: an empty line, and after 535 the user is asked, but where the status is 400 (XOAuth2ChallengeParser) a new token comes on the same connection",
		says: []string{"AUTH XOAUTH2 {xoauth2}"}},
	{program: "Thunderbird for Android (K-9), OAUTHBEARER", found: "the same file, so that the answer is not the one of RFC 7628 section 3.2.3 but empty",
		says: []string{"AUTH OAUTHBEARER {bearer}"}},
	{program: "Thunderbird for Android (K-9), LOGIN", found: "the same file",
		says: []string{"AUTH LOGIN", "{user}", "{password}"}, asked: []string{"Username:", "Password:"}},

	{program: "FairEmail, XOAUTH2", found: "its com/sun/mail/smtp/SMTPTransport.java, which is Jakarta Mail's: a 334 is an error (\"OAUTH2 asked for more\"), and it closes the connection",
		says: []string{"AUTH XOAUTH2 {xoauth2}"}, leaves: true},
	{program: "FairEmail, PLAIN", found: "the same file: the authorization identity is the user", says: []string{"AUTH PLAIN {plain as oneself}"}},
	{program: "FairEmail, LOGIN", found: "the same file", says: []string{"AUTH LOGIN", "{user}", "{password}"}, asked: []string{"Username:", "Password:"}},

	{program: "clients of Microsoft 365, XOAUTH2", found: "Microsoft's page on OAuth for IMAP, POP and SMTP: the token comes after an empty challenge; logs of such clients in wneessen/go-mail#130 and Enough-Software/enough_mail#107",
		says: []string{"AUTH XOAUTH2", "{xoauth2}"}, asked: []string{""}},
	{program: "Jakarta Mail for Microsoft 365, XOAUTH2", found: "its option auth.xoauth2.two.line.authentication.format",
		says: []string{"AUTH XOAUTH2", "{xoauth2}"}, asked: []string{""}, leaves: true},
	{program: "Outlook, LOGIN", found: "bcoe/secure-smtpd#29: it waits for the prompts with their colons",
		says: []string{"AUTH LOGIN", "{user}", "{password}"}, asked: []string{"Username:", "Password:"}},
	{program: "Outlook, LOGIN with the name in the command", found: "[MS-XLOGIN], in which the name may stand there",
		says: []string{"AUTH LOGIN {user}", "{password}"}, asked: []string{"Password:"}},
	{program: ".NET's SmtpClient, LOGIN", found: "rnwood/smtp4dev#3, cosullivan/SmtpServer#31: the name in the command, the mechanism in lower case",
		says: []string{"AUTH login {user}", "{password}"}, asked: []string{"Password:"}},

	{program: "Apple Mail, PLAIN", found: "its log in simonrob/email-oauth2-proxy#93, where PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER were offered; no public log shows its tokens, for which there are two orders of XOAUTH2, both here",
		says: []string{"AUTH PLAIN {plain}"}},

	{program: "mutt, OAUTHBEARER", found: "smtp.c", says: []string{"AUTH OAUTHBEARER {bearer}"}, dummy: "AQ=="},
	{program: "mutt, XOAUTH2", found: "the same file: two steps, and the answer of the other mechanism", says: []string{"AUTH XOAUTH2", "{xoauth2}"}, asked: []string{""}, dummy: "AQ=="},
	{program: "NeoMutt, OAUTHBEARER", found: "smtp.c: it takes the 334 for a refusal and leaves", says: []string{"AUTH OAUTHBEARER {bearer}"}, leaves: true},
	{program: "msmtp, OAUTHBEARER", found: "what it says with --debug: host and port, and an empty answer", says: []string{"AUTH OAUTHBEARER {bearer with place}"}},
	{program: "msmtp, XOAUTH2", found: "what it says with --debug", says: []string{"AUTH XOAUTH2", "{xoauth2}"}, asked: []string{""}},
	{program: "curl, OAUTHBEARER", found: "its tests: without an initial response, unless --sasl-ir is given",
		says: []string{"AUTH OAUTHBEARER", "{bearer with place}"}, asked: []string{""}, dummy: "AQ=="},
	{program: "curl, PLAIN", found: "curl/curl#4080: without an initial response", says: []string{"AUTH PLAIN", "{plain}"}, asked: []string{""}},
	{program: "smtplib of Python, LOGIN", found: "aio-libs/aiosmtpd#219: the name in the command", says: []string{"AUTH LOGIN {user}", "{password}"}, asked: []string{"Password:"}},
}

// lines are what it says with a key.
func (m *manner) lines(k talk.Key) []string {
	bearer := "auth=Bearer " + k.Token + "\x01\x01"
	in := func(text string) string { return talk.Encode([]byte(text)) }
	secrets := strings.NewReplacer(
		"{user}", in(k.Login), "{password}", in(k.Password), "{plain}", in("\x00"+k.Login+"\x00"+k.Password),
		"{plain as oneself}", in(k.Login+"\x00"+k.Login+"\x00"+k.Password), "{xoauth2}", in("user="+k.Login+"\x01"+bearer),
		"{bearer}", in("n,a="+k.Login+",\x01"+bearer), "{bearer with place}", in("n,a="+k.Login+",\x01host=127.0.0.1\x01port=465\x01"+bearer),
	)
	var all []string
	for _, line := range m.says {
		all = append(all, secrets.Replace(line))
	}
	return all
}

// bears reports whether it shows a token.
func (m *manner) bears() bool { return strings.Contains(strings.ToUpper(m.says[0]), "OAUTH") }

// logsIn says its lines and returns the reply to the last.
func (m *manner) logsIn(c *talk.Client, k talk.Key) (reply string) {
	c.T.Helper()
	for i, line := range m.lines(k) {
		c.Send(line + "\r\n")
		reply = c.Reply()
		if i < len(m.asked) && reply != "334 "+talk.Encode([]byte(m.asked[i])) {
			c.T.Fatalf("%s waits for %q after its line %d (%s), not for %q", m.program, m.asked[i], i+1, m.found, reply)
		}
	}
	return reply
}

// TestPrograms: in the order of each program the right secret gets in and sends, the wrong one
// is refused in the way in which it can be told, and then the right one gets in on the same
// connection, as those do that ask their user again.
func TestPrograms(t *testing.T) {
	w := newWorld(t, "")
	right := w.key()
	claims := w.Issuer.Claims(harness.Login)
	claims["aud"] = "another.example.net"
	wrong := talk.Key{Login: harness.Login, Password: "a wrong test password", Token: w.Issuer.Token(claims)}
	w.hide(wrong.Password, wrong.Token)
	refused := map[string]int{}
	for _, m := range manners {
		c := talk.Open(t, w.Gate)
		m.isRefused(c, wrong)
		cause := "wrong-password"
		if m.bears() {
			cause = "token: wrong-audience"
		}
		refused[cause]++
		if m.leaves {
			c.Vanish(false)
			c = talk.Open(t, w.Gate)
		} else {
			w.cause(c, cause)
		}
		if reply := m.logsIn(c, right); !strings.HasPrefix(reply, "235 2.7.0 ") {
			t.Fatalf("%s: %q", m.program, reply)
		}
		talk.Accepted(t, c.Submit("b@example.com", talk.Message(m.program, "text")))
		c.Say("QUIT", "221 ")
	}
	// Who leaves before the answer has failed all the same.
	harness.WaitFor(t, "the record of all that were refused", func() bool {
		recorded := map[string]int{}
		for _, e := range w.Events("--kind", "auth.failed") {
			recorded[e.Data["cause"]]++
		}
		return recorded["wrong-password"] == refused["wrong-password"] && recorded["token: wrong-audience"] == refused["token: wrong-audience"]
	})
	w.unharmed()
}

// isRefused logs in with the wrong secret.
func (m *manner) isRefused(c *talk.Client, wrong talk.Key) {
	c.T.Helper()
	reply := m.logsIn(c, wrong)
	if m.bears() {
		if document := string(c.Challenge(reply)); !strings.Contains(document, `"status":"invalid_token"`) && !strings.Contains(document, `"status":"400"`) {
			c.T.Fatalf("%s is told %q", m.program, document)
		}
		if m.leaves {
			return
		}
		c.Send(m.dummy + "\r\n")
		reply = c.Reply()
	}
	c.IsRefused(m.program, reply)
}
