package smtpserver

import (
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/smtpserver/bounds"
)

// longAddress has 254 octets, the most that an address may have (RFC 5321
// section 4.5.3.1.3).
var longAddress = strings.Repeat("l", 64) + "@" + strings.Repeat(strings.Repeat("d", 61)+".", 3) + "tst"

// mailOf returns a valid MAIL with every parameter that has n octets with CRLF.
func mailOf(t *testing.T, n int) string {
	t.Helper()
	encoded := strings.NewReplacer("l", "+6C", "d", "+64").Replace(longAddress) // xtext (RFC 3461 section 4)
	line := "MAIL FROM:<" + longAddress + "> BODY=8BITMIME SMTPUTF8 RET=HDRS SIZE=00000000000000000001 AUTH=" + encoded + " ENVID="
	return padded(t, line, n, 100)
}

// rcptOf returns a RCPT with every parameter that has n octets with CRLF; it
// is valid but for the length of its path, where there is a source route.
func rcptOf(t *testing.T, route string, n int) string {
	t.Helper()
	line := "RCPT TO:<" + route + longAddress + "> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;"
	return padded(t, line, n, 500-len("ORCPT=rfc822;"))
}

// padded fills a line up to n octets with CRLF; the last value may have most.
func padded(t *testing.T, line string, n, most int) string {
	t.Helper()
	fill := n - len(line) - len("\r\n")
	if fill < 1 || fill > most {
		t.Fatalf("%d octets need a last value of %d, it may have 1 to %d: %s", n, fill, most, line)
	}
	return line + strings.Repeat("x", fill)
}

// TestLineBounds: a MAIL and a RCPT with all that extensions add may be as
// long as these say together, and not an octet longer: 512 (RFC 5321 section
// 4.5.3.1.4), for MAIL 668 more, for RCPT 529.
func TestLineBounds(t *testing.T) {
	const mailMost, rcptMost = 1180, 1041
	c := newRig(t, &double{}, Submission, nil).ready()
	for _, n := range []int{mailMost - 1, mailMost} {
		c.play("> " + mailOf(t, n) + "\n< 250 2.1.0\n> RSET\n< 250")
	}
	c.play("> " + mailOf(t, mailMost+1) + "\n< 500 5.5.2\n<* too long\n> MAIL FROM:<user@c.test>\n< 250 2.1.0")
	// No valid RCPT is that long: with the longest path and all parameters it
	// has 796 octets. Longer ones are read, and refused for what they hold.
	c.play("> " + rcptOf(t, "", 796) + "\n< 250 2.1.5")
	route := "@" + strings.Repeat(strings.Repeat("r", 59)+".", 4) + "test:"
	for _, n := range []int{rcptMost - 1, rcptMost} {
		c.play("> " + rcptOf(t, route, n) + "\n< 501 5.1.3")
	}
	c.play("> " + rcptOf(t, route, rcptMost+1) + "\n< 500 5.5.2\n<* too long\n> RCPT TO:<a@b.test>\n< 250 2.1.5")
}

// TestEveryRefusedAuthCounts: however an AUTH is refused, it is one of the few
// that a session may try, and nothing else.
func TestEveryRefusedAuthCounts(t *testing.T) {
	away := func(mechanism string) error {
		if mechanism == "ASK" {
			return fault.New("double", fault.Unavailable, "the directory is away")
		}
		return nil
	}
	const toAuth = "< 220\n> STARTTLS\n< 220\n~ tls\n> EHLO c.test\n< 250\n"
	for name, try := range map[string]string{
		"unknown mechanism":     "> AUTH CRAM-MD5\n< 504 5.5.4\n",
		"no such mechanism":     "> AUTH PL@IN\n< 501 5.5.2\n",
		"bad initial response":  "> AUTH PLAIN !!!\n< 501 5.5.2\n",
		"the backend refuses":   "> AUTH ASK\n< 454 4.7.0\n",
		"wrong password":        "> AUTH PLAIN AHVzZXIAd3Jvbmc=\n< 535 5.7.8\n",
		"busy":                  "> AUTH PLAIN AHVzZXIAYnVzeQ==\n< 454 4.7.0\n",
		"bad response":          "> AUTH PLAIN\n< 334\n> ???\n< 501 5.5.2\n",
		"response not of PLAIN": "> AUTH PLAIN\n< 334\n> AAAA\n< 501 5.5.2\n",
		"cancelled":             "> AUTH PLAIN\n< 334\n> *\n< 501 5.7.0\n",
	} {
		t.Run(name, func(t *testing.T) {
			backend := &double{auth: away}
			r := newRig(t, backend, Submission, func(l *bounds.Limits, _ *ListenerConfig) { l.MaxErrors, l.MaxAuthFailures = 1, 3 })
			r.dial().play(toAuth + try + try + try + "< 421 4.7.0\n< EOF")
			backend.session(t, 1).closedBecause(t, "too-many-auth-failures")
		})
	}
}

// many sends a line so many times, a hundred at once, and wants each answered so.
func (c *client) many(n int, line, answer string) {
	c.t.Helper()
	for n > 0 {
		k := min(n, 100)
		c.send(strings.Repeat(line+"\r\n", k))
		for range k {
			if got := c.reply(); !strings.HasPrefix(got, answer) {
				c.t.Fatalf("%s: got %q, want %s", line, got, answer)
			}
		}
		n -= k
	}
}

// TestRefusalsInVain: a session that is told to come again, or whose sender is refused, goes on for
// long, as it may mean well, but not for ever, whatever commands it mixes.
func TestRefusalsInVain(t *testing.T) {
	t.Parallel()
	const mail, later = "MAIL FROM:<user@c.test>", "RCPT TO:<temporary@b.test>"
	for name, try := range map[string]func(*client){
		"RCPT that is to come again": func(c *client) {
			c.many(1, mail, "250")
			c.many(maxVain-1, later, "451")
			c.send(later + "\r\n")
			c.play("< 451")
		},
		"in several messages, none of which is sent": func(c *client) {
			for range 2 {
				c.many(1, mail, "250")
				c.many(1, "RCPT TO:<a@b.test>", "250")
				c.many(maxVain/2-1, later, "451")
				c.many(1, "RSET", "250")
			}
			c.many(1, mail, "250")
			c.many(2, later, "451")
		},
		"more recipients than a message may have": func(c *client) {
			c.many(1, mail, "250")
			c.many(bounds.Default().MaxRecipients, "RCPT TO:<a@b.test>", "250")
			c.many(maxVainListed, "RCPT TO:<a@b.test>", "452")
		},
		"what was refused behind a recipient counts when that is given up": func(c *client) {
			c.many(1, mail, "250")
			c.many(1, "RCPT TO:<a@b.test>", "250")
			c.many(maxVain, later, "451")
			c.many(1, "RSET", "250")
			c.many(1, mail, "250")
			c.many(1, later, "451")
		},
		"MAIL that is refused": func(c *client) { c.many(maxVain, "MAIL FROM:<refused@c.test>", "550") },
		"DATA without recipients": func(c *client) {
			c.many(1, mail, "250")
			for range maxVain {
				c.many(1, "DATA", "503")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &double{mail: mailByName, rcpt: rcptByName}
			c := newRig(t, d, Submission, nil).dial()
			c.play(toReady)
			try(c)
			c.play("< 421 4.7.0\n< EOF")
			d.session(t, 1).closedBecause(t, "too-many-refusals")
		})
	}
}

// TestWholeListInOneMessage: a client that names a list of thousands at once, of which most are to come again,
// gets the message to those that were accepted, and may go on with the others.
func TestWholeListInOneMessage(t *testing.T) {
	t.Parallel()
	d := &double{mail: mailByName, rcpt: rcptByName}
	c := newRig(t, d, Submission, nil).dial()
	c.play(toReady)
	for range 2 {
		c.many(1, "MAIL FROM:<user@c.test>", "250")
		c.many(50, "RCPT TO:<a@b.test>", "250")
		c.many(maxVain+100, "RCPT TO:<temporary@b.test>", "451")
		c.play("> DATA\n< 354\n> .\n< 250")
	}
}

// TestAcceptedMessageBeginsAnew: who sends what can be sent, and the rest in a further message, may
// go on (RFC 5321 section 4.5.3.1.10), be it by DATA or by BDAT.
func TestAcceptedMessageBeginsAnew(t *testing.T) {
	t.Parallel()
	d := &double{mail: mailByName, rcpt: rcptByName}
	c := newRig(t, d, Submission, nil).dial()
	c.play(toReady)
	for _, body := range []string{"> DATA\n< 354\n> .\n< 250", ">> \"BDAT 2 LAST\\r\\nx\\n\"\n< 5", ">> \"BDAT 3 LAST\\r\\nx\\r\\n\"\n< 250", "> RSET\n< 250"} {
		c.many(1, "MAIL FROM:<user@c.test>", "250")
		c.many(1, "RCPT TO:<a@b.test>", "250")
		c.many(maxVain/2-1, "RCPT TO:<temporary@b.test>", "451")
		c.play(body)
	}
}
