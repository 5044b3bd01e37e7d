package logins

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// maxLine is more than any line of AUTH may have: 12,288 octets and the command (RFC 4954
// section 4).
const maxLine = 12_400

// TestHugeIdentities: names, secrets and all else of 64 KB end the session before they
// are read whole; what fits into a line is refused by its mechanism.
func TestHugeIdentities(t *testing.T) {
	w := newWorld(t, "")
	right := w.key()
	for _, size := range []int{64 << 10, 8000} {
		long := strings.Repeat("a", size)
		for what, k := range map[string]talk.Key{
			"login":  {Login: long + "@example.org", Password: right.Password, Token: right.Token},
			"secret": {Login: right.Login, Password: long, Token: long},
			"both":   {Login: long, Password: long, Token: long},
		} {
			for _, mechanism := range talk.Mechanisms() {
				c := talk.Open(t, w.Gate)
				d := c.By(mechanism, k)
				reply, said := c.Lines(d, 1+len(d.Answers))
				if strings.HasPrefix(reply, "334 ") { // the document about a token
					c.Send("\r\n")
					reply = c.Reply()
				}
				want := []string{"501 ", "535 "}
				if len(said[len(said)-1]) > maxLine {
					want = []string{"500 "}
				}
				if !slices.Contains(want, reply[:min(len(reply), 4)]) {
					t.Errorf("%s: a %s of %d octets: %q, want one of %q", d.Mechanism, what, size, reply, want)
				}
				if want[0] == "500 " {
					c.Ended()
				}
			}
		}
	}
	for _, line := range []string{"AUTH " + strings.Repeat("A", 64<<10), "AUTH PLAIN " + strings.Repeat("=", 64<<10), strings.Repeat("AUTH ", 13<<10)} {
		c := talk.Open(t, w.Gate)
		c.Say(line, "500 ")
	}
	w.unharmed()
}

// octets are those that have no place in any exchange, or mean something in one.
const octets = "\x00\x01\n\r\x7f\xff"

// positions are where an octet is put into a line of that many octets: everywhere at
// both ends, and now and then between.
func positions(length int) []int {
	const ends, step = 16, 7
	var list []int
	for at := range length + 1 {
		if at < ends || at > length-ends || at%step == 0 {
			list = append(list, at)
		}
	}
	return list
}

// put inserts an octet into line n of a dialogue.
func put(d *talk.Dialogue, n, at int, octet byte) *talk.Dialogue {
	spoiled := func(response []byte) []byte {
		at := min(at, len(response))
		return slices.Insert(slices.Clone(response), at, octet)
	}
	changed := *d
	if d.Initial == nil {
		n++ // the first line says nothing
	}
	if n == 0 {
		changed.Initial = spoiled(d.Initial)
		return &changed
	}
	changed.Answers = slices.Clone(d.Answers)
	honest := d.Answers[n-1]
	changed.Answers[n-1] = func(challenge []byte) []byte { return spoiled(honest(challenge)) }
	return &changed
}

// responses returns what an honest exchange says, decoded, without signing in.
func responses(c *talk.Client, d *talk.Dialogue) (lengths []int) {
	c.T.Helper()
	if d.Initial != nil {
		lengths = append(lengths, len(d.Initial))
	}
	for i, answer := range d.Answers {
		said := *d
		said.Answers = d.Answers[:i]
		reply, _ := c.Lines(&said, i+1)
		if !strings.HasPrefix(reply, "334 ") {
			break // a token needs no answer
		}
		lengths = append(lengths, len(answer(c.Challenge(reply))))
		c.Say("*", "501 ")
	}
	return lengths
}

// TestControlCharacters: an octet that does not belong there, at any place in any line of
// any exchange, never makes it a login, nor anything but a plain refusal.
func TestControlCharacters(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	t.Run("mechanisms", func(t *testing.T) {
		for _, mechanism := range talk.Mechanisms() {
			t.Run(mechanism, func(t *testing.T) {
				t.Parallel()
				c := talk.Open(t, w.Gate)
				lengths := responses(c, c.By(mechanism, k))
				c = talk.Open(t, w.Gate)
				for n, length := range lengths {
					for _, at := range positions(length) {
						for _, octet := range []byte(octets) {
							what := fmt.Sprintf("%q at %d of line %d", octet, at, n)
							c = w.spoilt(c, what, put(c.By(mechanism, k), n, at, octet))
						}
					}
				}
			})
		}
	})
	w.unharmed()
}

// spoilt wants an exchange to be refused, and returns the client that goes on.
func (w *world) spoilt(c *talk.Client, what string, d *talk.Dialogue) *talk.Client {
	c.T.Helper()
	reply := c.Auth(d)
	if strings.HasPrefix(reply, "334 ") {
		c.Send("AQ==\r\n")
		reply = c.Reply()
	}
	if !strings.HasPrefix(reply, "535 5.7.8 ") && !strings.HasPrefix(reply, "501 5.5.2 ") {
		c.T.Errorf("%s: %q", what, reply)
	}
	if strings.HasPrefix(reply, "235 ") {
		return talk.Open(c.T, w.Gate)
	}
	return c
}

// TestRawControlCharacters puts them where base64 is expected, and around the command. A
// NUL ends the session.
func TestRawControlCharacters(t *testing.T) {
	w := newWorld(t, "")
	good := talk.Plain(harness.Login, harness.Password)
	for _, octet := range []string{"\x00", "\x01", "\x1f", "\x7f", "\xff", "\u00e9"} {
		for _, lines := range [][]string{
			{"AUTH" + octet + "PLAIN"}, {"AUTH " + octet + "PLAIN"}, {"AUTH PLAIN" + octet},
			{good + octet}, {good[:12] + octet + good[12:]}, {good[:20] + octet + good[20:]},
			{"AUTH LOGIN", "YUBl" + octet}, {"AUTH PLAIN", good[11:] + octet}, {"AUTH CRAM-MD5", octet},
		} {
			c := talk.Open(t, w.Gate)
			reply := c.Repeat(lines)
			if !strings.HasPrefix(reply, "50") {
				t.Errorf("%q: %q", lines, reply)
			}
			if octet == "\x00" {
				c.Ended()
				continue
			}
			c.Say(good, "235 ")
		}
	}
	w.unharmed()
}

// TestAuthBehindAuth: what is pipelined behind AUTH is never more than it would be alone
// (RFC 4954 section 4 lets nothing stand there): a response where one is asked for, else a
// command.
func TestAuthBehindAuth(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	right := talk.Encode([]byte("\x00" + k.Login + "\x00" + k.Password))
	wrong := talk.Encode([]byte("\x00" + k.Login + "\x00" + fmt.Sprintf("%x", sha256.Sum256(nil))))
	for _, a := range []struct{ what, lines, want string }{
		{"twice", "AUTH PLAIN " + right + "\r\nAUTH PLAIN " + right, "235 503"},
		{"another account behind", "AUTH PLAIN " + right + "\r\nAUTH PLAIN " + talk.Encode([]byte("\x00"+other+"\x00"+otherPassword)), "235 503"},
		{"behind a wrong one", "AUTH PLAIN " + wrong + "\r\nAUTH PLAIN " + right, "535 235"},
		// The second line is the first one's response, and nothing else.
		{"as a response", "AUTH PLAIN\r\nAUTH PLAIN " + right, "334 501"},
		{"as a response to CRAM-MD5", "AUTH CRAM-MD5\r\nAUTH PLAIN " + right, "334 501"},
		{"as a name", "AUTH LOGIN\r\nAUTH LOGIN", "334 501"},
		{"cancelled, then right", "AUTH CRAM-MD5\r\n*\r\nAUTH PLAIN " + right, "334 501 235"},
		{"all at once", "AUTH LOGIN\r\n" + talk.Encode([]byte(k.Login)) + "\r\n" + talk.Encode([]byte(k.Password)), "334 334 235"},
		{"unknown, then right", "AUTH NONE\r\nAUTH PLAIN " + right, "504 235"},
		{"mail behind a wrong one", "AUTH PLAIN " + wrong + "\r\nMAIL FROM:<" + k.Login + ">", "535 530"},
		{"mail as a response", "AUTH LOGIN\r\nMAIL FROM:<" + k.Login + ">", "334 501"},
	} {
		c := talk.Open(t, w.Gate)
		c.Send(a.lines + "\r\nNOOP\r\n")
		for _, code := range append(strings.Fields(a.want), "250") {
			if reply := c.Reply(); !strings.HasPrefix(reply, code+" ") {
				t.Errorf("%s: %q, want %s", a.what, reply, code)
			}
		}
		c.Say("QUIT", "221 ")
		c.Ended()
	}
	w.unharmed()
}
