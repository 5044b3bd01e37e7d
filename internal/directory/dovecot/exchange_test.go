package dovecot

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

// begins begins an exchange.
func begins(t *testing.T, d *Dovecot, mechanism string) *Exchange {
	t.Helper()
	x, err := d.Begin(t.Context(), mechanism, Info{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Cancel)
	return x
}

// steps answers AUTH with a first line, and each CONT with the next one; %s is the
// id.
func steps(formats ...string) func(string) string {
	next := 0
	return func(line string) string {
		if strings.HasPrefix(line, "CANCEL") || next == len(formats) {
			return ""
		}
		next++
		return strings.ReplaceAll(formats[next-1], "%s", idOf(line))
	}
}

func next(t *testing.T, x *Exchange, response []byte, want string, wantDone bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	challenge, done, err := x.Next(ctx, response)
	if err != nil || done != wantDone || string(challenge) != want {
		t.Errorf("%q, %v, %v; want %q, %v", challenge, done, err, want, wantDone)
	}
	if (x.Account() != nil) != wantDone {
		t.Errorf("the account is %+v", x.Account())
	}
}

// TestExchange passes what both sides say.
func TestExchange(t *testing.T) {
	s := start(t, hello, steps("CONT\t%s\tb25l\n", "CONT\t%s\t\n", "OK\t%s\tuser=a@example.org\n"))
	x := begins(t, s.asking(nil), "X-STEPS")
	next(t, x, []byte{}, "one", false)
	next(t, x, []byte("two"), "", false)
	next(t, x, nil, "", true)
	if a := x.Account(); a.Login != "a@example.org" || !a.Verified {
		t.Errorf("%+v", a)
	}
	if line := s.seen("AUTH"); !strings.HasSuffix(line, "\tresp==") {
		t.Errorf("an empty initial response is %q", line)
	}
	s.seen("CONT\t1\tdHdv")
	_, _, err := x.Next(t.Context(), nil)
	wants(t, err, fault.Invalid, "over")
	if x.Account() == nil {
		t.Error("the account is gone")
	}
}

// TestLastData: what OK has for the client goes to it before the success, and it
// takes note.
func TestLastData(t *testing.T) {
	s := start(t, hello, steps("OK\t%s\tuser=a@example.org\tresp=dj14\n", "OK\t%s\tuser=a@example.org\tresp=dj14\n", "OK\t%s\tuser=a@example.org\tresp=\n"))
	d := s.asking(nil)
	x := begins(t, d, "X-STEPS")
	next(t, x, nil, "v=x", false)
	next(t, x, nil, "", true)
	x = begins(t, d, "X-STEPS")
	next(t, x, nil, "v=x", false)
	_, _, err := x.Next(t.Context(), []byte("more"))
	wants(t, err, fault.Invalid, "")
	if x.Account() != nil {
		t.Error("it counts")
	}
	next(t, begins(t, d, "X-STEPS"), nil, "", true)
}

// TestServerFirst: RFC 4954 section 4 has no initial response there.
func TestServerFirst(t *testing.T) {
	s := start(t, hello, says("CONT\t%s\tPDE+\n"))
	d := s.asking(nil)
	next(t, begins(t, d, "CRAM-MD5"), nil, "<1>", false)
	_, _, err := begins(t, d, "CRAM-MD5").Next(t.Context(), []byte{})
	if fault.ReasonOf(err) != "auth-initial-response" {
		t.Errorf("%v", err)
	}
}

// TestCancel tells Dovecot, once, and makes room for others.
func TestCancel(t *testing.T) {
	s := start(t, hello, says("CONT\t%s\t\n"))
	d := s.asking(func(o *Options) { o.Exchanges = 1 })
	x := begins(t, d, "X-STEPS")
	next(t, x, nil, "", false)
	_, _, err := begins(t, d, "X-STEPS").Next(t.Context(), nil)
	wants(t, err, fault.Busy, "")
	x.Cancel()
	x.Cancel()
	s.seen("CANCEL\t1")
	next(t, begins(t, d, "X-STEPS"), nil, "", false)
	_, _, err = x.Next(t.Context(), nil)
	wants(t, err, fault.Invalid, "over")
}

// TestAbandoned: an exchange that nobody goes on with ends by itself, and is no
// failure of Dovecot's.
func TestAbandoned(t *testing.T) {
	s := start(t, hello, says("CONT\t%s\t\n"))
	d := s.asking(func(o *Options) { o.Exchanges = 1 })
	d.lifetime = time.Millisecond
	x := begins(t, d, "X-STEPS")
	if _, _, err := x.Next(t.Context(), nil); err != nil { // the end may come before the reply
		wants(t, err, fault.Canceled, "given up")
		return
	}
	s.seen("CANCEL\t1")
	_, _, err := x.Next(t.Context(), nil)
	wants(t, err, fault.Canceled, "given up")
}

// TestRestart in mid-exchange: it cannot be gone on with, and others begin anew.
func TestRestart(t *testing.T) {
	s := start(t, hello, says("CONT\t%s\t\n"))
	d := s.asking(nil)
	x, other := begins(t, d, "X-STEPS"), begins(t, d, "X-STEPS")
	next(t, x, nil, "", false)
	next(t, other, nil, "", false)
	s.hangUp()
	for _, lost := range []*Exchange{x, other} {
		_, _, err := lost.Next(t.Context(), []byte("s3cret"))
		wants(t, err, fault.Unavailable, "has broken")
	}
	next(t, begins(t, d, "X-STEPS"), nil, "", false)
}

// TestCloseEndsExchanges, on connections that are not used for new ones any more too.
func TestCloseEndsExchanges(t *testing.T) {
	s := start(t, hello, says("CONT\t%s\t\n"))
	d := s.asking(nil)
	old := begins(t, d, "X-STEPS")
	next(t, old, nil, "", false)
	old.link.retire()
	x := begins(t, d, "X-STEPS")
	next(t, x, nil, "", false)
	if s.connections() != 2 {
		t.Errorf("%d connections", s.connections())
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	for _, lost := range []*Exchange{old, x} {
		<-lost.link.done
		_, _, err := lost.Next(t.Context(), nil)
		wants(t, err, fault.Unavailable, "closed")
	}
}

// TestUnasked: Dovecot may give an exchange up between two steps, but a success that
// nobody has asked for lets nobody in.
func TestUnasked(t *testing.T) {
	for text, kind := range map[string]fault.Kind{
		"FAIL\t1\treason=Timeout\n":                        fault.Unauthenticated,
		"OK\t1\tuser=a@example.org\n":                      fault.Unavailable,
		"CONT\t1\tAAAA\n":                                  fault.Unavailable,
		"FAIL\t1\nOK\t1\tuser=a@example.org\nFAIL\t1\n":    fault.Unauthenticated,
		"OK\t1\tuser=a@example.org\nOK\t1\tuser=a@e.org\n": fault.Unavailable,
	} {
		s := start(t, hello, func(line string) string {
			if line == "CANCEL\t2" {
				return text
			}
			return says("CONT\t%s\t\n")(line)
		})
		d := s.asking(nil)
		x, other := begins(t, d, "X-STEPS"), begins(t, d, "X-STEPS")
		next(t, x, nil, "", false)
		next(t, other, nil, "", false)
		link := x.link
		before := link.count()
		other.Cancel()
		for link.count() == before && link.reason() == nil {
			select {
			case <-link.done:
			case <-time.After(time.Millisecond):
			}
		}
		_, _, err := x.Next(t.Context(), []byte("s3cret"))
		wants(t, err, kind, "")
	}
}

// TestLongResponse is not sent: Dovecot would end the connection, and what everybody
// else has under way on it. The longest that fits is sent.
func TestLongResponse(t *testing.T) {
	s := start(t, hello, says("CONT\t%s\t\n"))
	d := s.asking(nil)
	next(t, begins(t, d, "X-STEPS"), make([]byte, 9216), "", false) // RFC 4954 section 4: 12288 in base64
	if n := len(s.seen("AUTH")); n > MaxLine-1 {
		t.Errorf("a line has %d octets", n)
	}
	x := begins(t, d, "X-STEPS")
	_, _, err := x.Next(t.Context(), make([]byte, 12288))
	wants(t, err, fault.Invalid, "")
	x = begins(t, d, "X-STEPS")
	next(t, x, nil, "", false)
	_, _, err = x.Next(t.Context(), make([]byte, 12288))
	wants(t, err, fault.Invalid, "")
	if s.connections() != 1 {
		t.Errorf("%d connections", s.connections())
	}
}

// TestIdsAreUsedOnce, and a connection that has none left is not used any more.
func TestIdsAreUsedOnce(t *testing.T) {
	s := start(t, hello, says("OK\t%s\tuser=a@example.org\n"))
	d := s.asking(nil)
	for n := range 3 {
		if _, err := asks(t, d); err != nil {
			t.Fatal(err)
		}
		s.seen(fmt.Sprintf("AUTH\t%d\t", n+1))
	}
	d.current.mu.Lock()
	d.current.last = 1<<32 - 2
	d.current.mu.Unlock()
	for range 2 {
		if _, err := asks(t, d); err != nil {
			t.Fatal(err)
		}
	}
	s.seen("AUTH\t4294967295\t")
	if s.connections() != 2 {
		t.Errorf("%d connections", s.connections())
	}
}
