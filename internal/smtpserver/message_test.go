package smtpserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/smtpserver/bounds"
)

// toChunks is a transaction up to its first BDAT.
const toChunks = `
> MAIL FROM:<user@c.test>
< 250 2.1.0
> RCPT TO:<a@b.test>
< 250 2.1.5
`

func TestChunks(t *testing.T) {
	tests := []struct {
		name   string
		limits func(*bounds.Limits)
		script string
		// kept are the messages that must have been accepted.
		kept   []string
		closed string
	}{
		{name: "one chunk", script: toChunks + `
			>> "BDAT 4 LAST\r\nhi\r\n"
			< 250 2.0.0 queued as M1
			> MAIL FROM:<user@c.test>
			< 250`, kept: []string{"hi\r\n"}},
		{name: "several chunks", script: toChunks + `
			>> "BDAT 4\r\nhi\r\n"
			< 250 2.0.0 4 octets
			>> "BDAT 3\r\n.\r\n"
			< 250
			> NOOP
			< 250 2.0.0 OK
			> BDAT 0
			< 250
			> BDAT 0 LAST
			< 250 2.0.0 queued`, kept: []string{"hi\r\n.\r\n"}},
		{name: "all in one write", script: `
			>> "MAIL FROM:<user@c.test>\r\nRCPT TO:<a@b.test>\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nRSET\r\nNOOP\r\n"
			< 250
			< 250
			< 250 2.0.0 6 octets
			< 250 2.0.0 queued
			< 250 2.0.0 OK`, kept: []string{"QUIT\r\nRSET\r\n"}},
		{name: "a line without its end gets one", script: toChunks + `
			>> "BDAT 2 LAST\r\nhi"
			< 250`, kept: []string{"hi\r\n"}},
		{name: "a CRLF across chunks", script: toChunks + `
			>> "BDAT 3\r\nhi\r"
			< 250
			>> "BDAT 1 LAST\r\n\n"
			< 250`, kept: []string{"hi\r\n"}},
		{name: "an empty message", script: toChunks + `
			> BDAT 0 LAST
			< 250`, kept: []string{""}},
		{name: "a bare LF", script: toChunks + `
			>> "BDAT 5 LAST\r\na\nb\r\n"
			< 550 5.6.0
			<* line feed
			> NOOP
			< 250`},
		{name: "a CR at the end", script: toChunks + `
			>> "BDAT 3 LAST\r\nhi\r"
			< 550 5.6.0
			> NOOP
			< 250`},
		{name: "later chunks of a refused message", script: toChunks + `
			>> "BDAT 3\r\na\nb"
			< 550 5.6.0
			>> "BDAT 6\r\nQUIT\r\n"
			< 503 5.5.1
			> NOOP
			< 250
			> RCPT TO:<a@b.test>
			< 503
			>> "BDAT 6 LAST\r\nQUIT\r\n"
			< 503 5.5.1
			> MAIL FROM:<user@c.test>
			< 250`},
		{name: "a refused message given up", script: toChunks + `
			>> "BDAT 3\r\na\nb"
			< 550
			> RSET
			< 250` + toChunks + `
			>> "BDAT 4 LAST\r\nhi\r\n"
			< 250`, kept: []string{"hi\r\n"}},
		{name: "RSET between chunks", script: toChunks + `
			>> "BDAT 4\r\nhi\r\n"
			< 250
			> RSET
			< 250 2.0.0 OK
			>> "BDAT 6 LAST\r\nQUIT\r\n"
			< 503
			> MAIL FROM:<user@c.test>
			< 250`},
		{name: "EHLO between chunks", script: toChunks + `
			>> "BDAT 4\r\nhi\r\n"
			< 250
			> EHLO c.test
			< 250-mx.test
			> MAIL FROM:<user@c.test>
			< 250`},
		{name: "QUIT between chunks", script: toChunks + `
			>> "BDAT 4\r\nhi\r\n"
			< 250
			> QUIT
			< 221
			< EOF`, closed: "quit"},
		{name: "other commands between chunks", script: toChunks + `
			>> "BDAT 4\r\nhi\r\n"
			< 250
			> DATA
			< 503 5.5.1
			> MAIL FROM:<user@c.test>
			< 503 5.5.1
			> RCPT TO:<a@b.test>
			< 503 5.5.1
			> AUTH PLAIN
			< 503 5.5.1
			> STARTTLS
			< 503 5.5.1
			> RSET now
			< 501 5.5.2
			> FOO
			< 500
			> VRFY user
			< 252
			> HELP
			< 214
			>> "BDAT 4 LAST\r\nho\r\n"
			< 250 2.0.0 queued`, kept: []string{"hi\r\nho\r\n"}},
		{name: "the error budget between chunks", limits: func(l *bounds.Limits) { l.MaxErrors = 1 }, script: toChunks + `
			>> "BDAT 4\r\nhi\r\n"
			< 250
			> FOO
			< 500
			< 421
			< EOF`, closed: "too-many-errors"},
		{name: "a chunk larger than any message", script: toChunks + `
			> BDAT 65537
			< 552 5.3.4
			< EOF`, closed: "message-too-large"},
		{name: "chunks that are too much together", script: toChunks + `
			>> ` + quotedChunk(40000, "") + `
			< 250
			>> ` + quotedChunk(40000, " LAST") + `
			< 552 5.3.4
			> NOOP
			< 250`},
		{name: "refused chunks without end", script: toChunks + `
			>> "BDAT 3\r\na\nb"
			< 550` + strings.Repeat(`
			>> `+quotedChunk(60000, "")+`
			< 503`, 18) + `
			> BDAT 60000
			< EOF`, closed: "message-too-large"},
		{name: "a size that nobody can read", script: toChunks + `
			>> "BDAT 99999999999999999999999\r\nQUIT\r\n"
			< 501
			< EOF`, closed: "protocol"},
		{name: "a size beyond int64", script: toChunks + `
			>> "BDAT 9223372036854775808\r\nQUIT\r\n"
			< 501
			< EOF`, closed: "protocol"},
		{name: "a BDAT that may be one", script: toChunks + `
			>> "BDAT\t6 LAST\r\nQUIT\r\n"
			< 500
			< EOF`, closed: "protocol"},
		{name: "a BDAT line too long", script: toChunks + `
			> bdat 6 ` + strings.Repeat("x", 600) + `
			< 500
			< EOF`, closed: "protocol"},
		{name: "an unreadable BDAT out of order", script: `
			>> "BDAT x\r\nQUIT\r\n"
			< 503
			< EOF`, closed: "protocol"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &double{}
			r := newRig(t, d, Submission, func(l *bounds.Limits, _ *ListenerConfig) {
				if tt.limits != nil {
					tt.limits(l)
				}
			})
			r.ready().play(tt.script)
			if got := d.kept(); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.kept) {
				t.Errorf("kept %q, want %q", got, tt.kept)
			}
			if tt.closed != "" {
				d.session(t, 1).closedBecause(t, tt.closed)
			}
		})
	}
}

// quotedChunk is a BDAT with size octets of lines, for ">> ".
func quotedChunk(size int, last string) string {
	lines := strings.Repeat(strings.Repeat("x", 98)+"\r\n", size/100)
	return strconv.Quote(fmt.Sprintf("BDAT %d%s\r\n%s", size, last, lines))
}

// TestNothingButDotEndsAMessage sends what other servers have taken for the
// end of a message (SMTP smuggling), with a second message behind it.
func TestNothingButDotEndsAMessage(t *testing.T) {
	const second = "MAIL FROM:<user@c.test>\r\nRCPT TO:<victim@b.test>\r\nDATA\r\nsmuggled\r\n"
	ends := []string{
		"\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n\x00.\r\n", "\r\n.\x00\r\n",
		"\r\r\n.\n", "\n\n.\r\r\n", "\r\n.\r\r\n", "\r\n.\n\r\n",
	}
	for _, end := range ends {
		t.Run(strconv.Quote(end), func(t *testing.T) {
			t.Parallel()
			d := &double{}
			c := newRig(t, d, Submission, nil).ready()
			c.play(toData)
			c.send("first" + end + second + ".\r\nNOOP\r\n")
			c.play("< 550 5.6.0\n< 250 2.0.0 OK\n> QUIT\n< 221\n< EOF")
			if got := d.kept(); len(got) != 0 {
				t.Errorf("kept %q", got)
			}
		})
	}
}

func TestDataErrors(t *testing.T) {
	early := func(context.Context, io.Reader) (mail.ID, error) {
		return "", fault.Refuse("double", fault.Denied, "header-from-missing")
	}
	tests := []struct {
		name   string
		data   func(context.Context, io.Reader) (mail.ID, error)
		script string
		closed string
	}{
		{name: "refused unread", data: early, script: toData + `
			> QUIT
			> .
			< 550 5.6.0
			<* From
			> NOOP
			< 250`},
		{name: "refused unread in chunks", data: early, script: toChunks + `
			>> "BDAT 6\r\nQUIT\r\n"
			< 550 5.6.0
			>> "BDAT 6 LAST\r\nQUIT\r\n"
			< 503
			> NOOP
			< 250`},
		{name: "a fault of ours is temporary and silent", data: func(_ context.Context, body io.Reader) (mail.ID, error) {
			io.Copy(io.Discard, body)
			return "", errors.New("disk 7 on fire")
		}, script: toData + `
			> .
			< 451 4.3.0
			<! fire`},
		{name: "no space", data: func(_ context.Context, body io.Reader) (mail.ID, error) {
			io.Copy(io.Discard, body)
			return "", fault.New("double", fault.Full, "no space")
		}, script: toData + `
			> .
			< 452 4.3.1`},
		{name: "a violation counts whatever the backend says", data: func(_ context.Context, body io.Reader) (mail.ID, error) {
			io.Copy(io.Discard, body)
			return "X", nil
		}, script: toData + `
			>> "a\nb\r\n.\r\n"
			< 550 5.6.0
			<* line feed`},
		{name: "a violation counts whatever the backend calls it", data: func(_ context.Context, body io.Reader) (mail.ID, error) {
			_, err := io.Copy(io.Discard, body)
			return "", fmt.Errorf("trouble: %v", err)
		}, script: toData + `
			>> "a\nb\r\n.\r\n"
			< 550 5.6.0`},
		{name: "a violation that nobody read counts too", data: func(context.Context, io.Reader) (mail.ID, error) {
			return "X", nil
		}, script: toData + `
			>> "a\nb\r\n.\r\n"
			< 550 5.6.0`},
		{name: "chunks accepted unread", data: func(context.Context, io.Reader) (mail.ID, error) {
			return "X", nil
		}, script: toChunks + `
			>> "BDAT 2\r\n\r\n"
			< 451
			> NOOP
			< 250`},
		{name: "a refused message without end", data: early, script: toData + `
			>> ` + strconv.Quote(strings.Repeat(strings.Repeat("x", 998)+"\r\n", 1200)) + `
			< 550 5.6.0
			< EOF`, closed: "message-too-large"},
		{name: "a panic", data: func(context.Context, io.Reader) (mail.ID, error) {
			panic("body of doom")
		}, script: toData + `
			> QUIT
			< 421 4.3.0
			< EOF`, closed: "panic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &double{data: tt.data}
			newRig(t, d, Submission, nil).ready().play(tt.script)
			if tt.closed != "" {
				d.session(t, 1).closedBecause(t, tt.closed)
			}
		})
	}
}

// TestLargeMessage sends one over many reads and records.
func TestLargeMessage(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submissions, func(l *bounds.Limits, _ *ListenerConfig) { l.MaxMessageBytes = 4 << 20 })
	text := strings.Repeat(strings.Repeat("0123456789", 9)+"\r\n", 30000)
	c := r.ready()
	c.play(toData)
	c.send(text + ".\r\n")
	c.play("< 250")
	c.play(toChunks)
	for rest := text; rest != ""; {
		n := min(len(rest), 100_001)
		last := ""
		if n == len(rest) {
			last = " LAST"
		}
		c.send(fmt.Sprintf("BDAT %d%s\r\n%s", n, last, rest[:n]))
		rest = rest[n:]
		c.play("< 250")
	}
	got := d.kept()
	if len(got) != 2 || got[0] != text || got[1] != text {
		t.Errorf("%d messages, or not as sent", len(got))
	}
}

// TestPanics wants each to end its own session and no other.
func TestPanics(t *testing.T) {
	tests := []struct{ name, script string }{
		{"in MAIL", toReady + "> MAIL FROM:<panic@c.test>\n< 421 4.3.0\n< EOF"},
		{"in AUTH", strings.Replace(toReady, "> AUTH PLAIN AHVzZXIAc2VjcmV0\n< 235 2.7.0", "> AUTH PLAIN AHVzZXIAcGFuaWM=\n< 421 4.3.0\n< EOF", 1)},
		{"in a record", "< 220\n> EHLO panic.test\n< 421 4.3.0\n< EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &double{mail: mailByName}
			d.watch = func(o Observation) {
				if o.Kind == ObservedHello && o.Text == "panic.test" {
					panic("record of doom")
				}
			}
			r := newRig(t, d, Submission, nil)
			other := r.ready()
			r.dial().play(tt.script)
			s := d.session(t, 2)
			s.closedBecause(t, "panic")
			if o, ok := find(s.observations(t), ObservedPanic); !ok || !strings.Contains(o.Err.Error(), "doom") || !strings.Contains(o.Err.Error(), "goroutine") {
				t.Errorf("observed %+v", o)
			}
			other.play("> NOOP\n< 250")
		})
	}
}

func TestPanicsAtTheEdges(t *testing.T) {
	t.Parallel()
	t.Run("in Open", func(t *testing.T) {
		for _, kind := range []ListenerKind{Submission, Submissions} {
			d := &double{open: func(Peer) error { panic("peer of doom") }}
			c := newRig(t, d, kind, nil).dial()
			if kind == Submission {
				c.play("< 421 4.3.0")
			}
			c.play("< EOF") // on TLS no plain text
		}
	})
	t.Run("in the last record", func(t *testing.T) {
		d := &double{watch: func(o Observation) {
			if o.Kind == ObservedClose || o.Kind == ObservedPanic {
				panic("close of doom")
			}
		}, mail: mailByName}
		r := newRig(t, d, Submission, nil)
		r.dial().play("< 220\n> QUIT\n< 221\n< EOF")
		r.ready().play("> MAIL FROM:<panic@c.test>\n< 421\n< EOF")
	})
}

// TestRefusalsBetweenChunksAreAllAccountedFor: so many are recorded one by one,
// and of the rest how many there were.
func TestRefusalsBetweenChunksAreAllAccountedFor(t *testing.T) {
	t.Parallel()
	for _, beyond := range []int{0, 7} {
		d := &double{}
		r := newRig(t, d, Submission, func(l *bounds.Limits, _ *ListenerConfig) { l.MaxErrors = 1000 })
		script := toReady + toChunks + ">> \"BDAT 4\\r\\nhi\\r\\n\"\n< 250" +
			strings.Repeat("\n> FOO\n< 500", maxHeld+beyond) + "\n> BDAT 0 LAST\n< 250\n> QUIT\n< 221\n< EOF"
		r.dial().play(script)
		recorded := 0
		all := d.session(t, 1).observations(t)
		for _, o := range all {
			if o.Kind == ObservedRefusal {
				recorded++
			}
		}
		o, omitted := find(all, ObservedOmitted)
		if recorded != maxHeld || omitted != (beyond > 0) || omitted && !strings.HasPrefix(o.Text, strconv.Itoa(beyond)+" more") {
			t.Errorf("%d beyond: %d recorded, and %+v", beyond, recorded, o)
		}
	}
}
