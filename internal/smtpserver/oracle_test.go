package smtpserver

import (
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	gosmtp "github.com/emersion/go-smtp"
	"pgregory.net/rapid"

	"countersign/internal/smtpserver/bounds"
)

// oracle is a go-smtp backend that keeps what it gets.
type oracle struct {
	mu   sync.Mutex // guards kept
	kept []string
}

type oracleSession struct{ o *oracle }

func (s oracleSession) Reset()                                 {}
func (s oracleSession) Logout() error                          { return nil }
func (s oracleSession) Mail(string, *gosmtp.MailOptions) error { return nil }
func (s oracleSession) Rcpt(string, *gosmtp.RcptOptions) error { return nil }

func (s oracleSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	s.o.kept = append(s.o.kept, string(text))
	return nil
}

// TestAgainstGoSMTP runs random sessions, legal but for the order of commands,
// against us and go-smtp, and wants replies of the same class and the same
// messages. Not asked, because go-smtp is wrong there: a second MAIL within a
// transaction (taken), BDAT out of order (its chunk is run as commands), DATA between
// chunks, and whatever package smtp refuses and go-smtp takes. Nor what is no
// command behind a refused DATA, where we hang up on purpose.
func TestAgainstGoSMTP(t *testing.T) {
	o := &oracle{}
	theirs := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return oracleSession{o}, nil }))
	theirs.Domain, theirs.EnableSMTPUTF8, theirs.EnableDSN = "mx.test", true, true
	theirs.MaxMessageBytes = testLimits().MaxMessageBytes
	theirs.ErrorLog = log.New(io.Discard, "", 0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- theirs.Serve(listener) }()
	defer func() {
		theirs.Close()
		<-stopped
	}()

	d := &double{}
	r := newRig(t, d, Submission, func(l *bounds.Limits, _ *ListenerConfig) { l.MaxErrors = 0 })
	rapid.Check(t, func(rt *rapid.T) {
		o.kept, d.messages = nil, nil
		ours := r.ready()
		defer ours.raw.Close()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			rt.Fatal(err)
		}
		defer conn.Close()
		their := newClient(t, conn)
		their.play("< 220\n> EHLO c.test\n< 250")
		said := &sequence{rt: rt}
		for range rapid.IntRange(1, 20).Draw(rt, "commands") {
			command := said.next()
			ours.send(command)
			their.send(command)
			a, b := ours.reply(), their.reply()
			if a[0] != b[0] {
				rt.Fatalf("after %q: we say %q, go-smtp %q", command, a, b)
			}
		}
		o.mu.Lock()
		theirKept := slices.Clone(o.kept)
		o.mu.Unlock()
		if ourKept := d.kept(); !slices.Equal(ourKept, theirKept) {
			rt.Fatalf("we keep %q, go-smtp %q", ourKept, theirKept)
		}
	})
}

// sequence draws the commands of a session, with the state they lead to.
type sequence struct {
	rt                   *rapid.T
	mail, data, chunking bool
	rcpts, errors        int
	// refused says that a DATA has just been.
	refused bool
}

// next returns a command, or after a 354 a message.
func (s *sequence) next() string {
	if s.data {
		s.data = false
		s.mail, s.rcpts = false, 0
		return s.message(true) + ".\r\n"
	}
	options := []string{"NOOP", "RSET", "VRFY", "EHLO", "HELO"}
	if s.errors < 3 { // go-smtp ends a session with more
		options = append(options, "SYNTAX")
		if !s.refused {
			options = append(options, "UNKNOWN")
		}
	}
	s.refused = false
	if s.chunking {
		options = []string{"NOOP", "RSET", "BDAT", "BDAT", "BDAT"}
	} else if !s.mail {
		options = append(options, "MAIL", "MAIL", "MAIL", "RCPT", "DATA")
	} else if s.rcpts == 0 {
		options = append(options, "RCPT", "RCPT", "RCPT", "DATA")
	} else {
		options = append(options, "RCPT", "DATA", "DATA", "DATA", "BDAT", "BDAT", "BDAT")
	}
	return s.build(rapid.SampledFrom(options).Draw(s.rt, "verb"))
}

// build writes one command out and moves on.
func (s *sequence) build(verb string) string {
	switch verb {
	case "RSET", "EHLO", "HELO":
		s.mail, s.rcpts, s.chunking = false, 0, false
		if verb != "RSET" {
			verb += " c.test"
		}
	case "VRFY":
		verb = "VRFY user"
	case "UNKNOWN":
		s.errors++
		verb = "XFOO bar"
	case "SYNTAX":
		s.errors++
		if s.mail {
			verb = "RCPT TO:<a@b.test> FOO=BAR"
			break
		}
		verb = rapid.SampledFrom([]string{"MAIL FROM:", "MAIL FROM:<a@c.test> SIZE=x", "MAIL FROM:<a@c.test> BODY=9BIT", "MAIL FROM:<a@c.test> SIZE=9999999", "EHLO"}).Draw(s.rt, "syntax")
	case "MAIL":
		s.mail = true
		verb = "MAIL FROM:" + rapid.SampledFrom([]string{"<>", "<a@c.test>", "<\"a b\"@c.test>", "<a@c.test> SIZE=100", "<a@c.test> BODY=8BITMIME SMTPUTF8", "<a@c.test> RET=FULL ENVID=x"}).Draw(s.rt, "sender")
	case "RCPT":
		if s.mail {
			s.rcpts++
		}
		verb = "RCPT TO:" + rapid.SampledFrom([]string{"<a@b.test>", "<a.b@b.test>", "<a@b.test> NOTIFY=NEVER"}).Draw(s.rt, "recipient")
	case "DATA":
		s.data = s.rcpts > 0
		s.refused = !s.data
	case "BDAT":
		chunk := s.message(false)
		last := rapid.Bool().Draw(s.rt, "last")
		s.chunking = !last
		if last {
			s.mail, s.rcpts = false, 0
			return fmt.Sprintf("BDAT %d LAST\r\n%s", len(chunk), chunk)
		}
		return fmt.Sprintf("BDAT %d\r\n%s", len(chunk), chunk)
	}
	return verb + "\r\n"
}

// message draws lines, dot-stuffed if stuff.
func (s *sequence) message(stuff bool) string {
	var b strings.Builder
	for range rapid.IntRange(0, 4).Draw(s.rt, "lines") {
		line := rapid.SampledFrom([]string{"", ".", "..", "QUIT", "hello", ".x", "\xc3\xa4"}).Draw(s.rt, "line")
		if stuff && strings.HasPrefix(line, ".") {
			line = "." + line
		}
		b.WriteString(line + "\r\n")
	}
	return b.String()
}
