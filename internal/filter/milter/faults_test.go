package milter

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"countersign/internal/filter"
)

// packet is one of the protocol.
func packet(code byte, data string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))) + string(code) + data
}

// optNeg is an answer to the negotiation that wants every answer waited for.
func optNeg() string {
	return packet('O', "\x00\x00\x00\x06\x00\x00\x00\xff\x00\x00\x00\x00")
}

// answers is how many answers message and head need before the end: connect, HELO, MAIL, two
// RCPT, DATA, four fields, end of header, one piece of body.
const answers = 12

// going answers n commands.
func going(n int) string { return strings.Repeat(packet('c', ""), n) }

// raw runs a peer that does what a test says, once for each connection, until the test ends.
func raw(t *testing.T, peer func(ctx context.Context, conn net.Conn)) net.Addr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			peer(ctx, conn)
			stop()
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		cancel()
		listener.Close()
		<-done
	})
	return listener.Addr()
}

// says is a peer that says something at once and then listens to the end.
func says(text string) func(context.Context, net.Conn) {
	return func(_ context.Context, conn net.Conn) {
		if _, err := io.WriteString(conn, text); err == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
	}
}

// TestCannedAnswers: the packets of this file make a whole conversation.
func TestCannedAnswers(t *testing.T) {
	a, err := at(t, raw(t, says(optNeg()+going(answers)+packet('h', "X-A\x00b\x00")+packet('a', "")))).Ask(t.Context(), message(t, "Hello\r\n"))
	if err != nil || len(a.Changes.Header) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestNonsense: whatever else than the protocol comes, at the beginning, in the middle and at
// the end, is an error at once.
func TestNonsense(t *testing.T) {
	for name, text := range map[string]string{
		"http":             "HTTP/1.1 400 Bad Request\r\n\r\n",
		"smtp":             "220 mx.example.com ESMTP\r\n",
		"a packet of 0":    "\x00\x00\x00\x00",
		"a huge packet":    "\x1f\xff\xff\xff" + "c",
		"the largest":      "\xff\xff\xff\xff",
		"an unknown code":  packet('Z', ""),
		"skip":             packet('s', ""),
		"a long answer":    packet('c', strings.Repeat("x", maxPacket)),
		"a reply cut off":  packet('y', "550 5.7.1 no"),
		"no reply":         packet('y', "\x00"),
		"a reply of 250":   packet('y', "250 fine\x00"),
		"a reply of words": packet('y', "no way\x00"),
	} {
		for where, before := range map[string]string{"at once": "", "in the middle": optNeg() + going(5), "at the end": optNeg() + going(answers)} {
			t.Run(name+" "+where, func(t *testing.T) {
				a, err := at(t, raw(t, says(before+text))).Ask(t.Context(), message(t, "Hello\r\n"))
				if err == nil {
					t.Fatalf("%+v", a)
				}
				if errors.Is(err, filter.ErrNotReached) != (before == "") {
					t.Errorf("%v: whether it was reached is wrong", err)
				}
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%v, want it at once", err)
				}
			})
		}
	}
}

// TestBadNegotiations are errors before anything is shown.
func TestBadNegotiations(t *testing.T) {
	for name, data := range map[string]string{
		"short": "\x00\x00\x00\x06", "version 1": "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		"version 9":        "\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00",
		"unknown actions":  "\x00\x00\x00\x06\xff\x00\x00\x00\x00\x00\x00\x00",
		"unknown protocol": "\x00\x00\x00\x06\x00\x00\x00\x00\x0f\xff\xff\xff",
	} {
		if _, err := at(t, raw(t, says(packet('O', data)))).Ask(t.Context(), message(t, "")); !errors.Is(err, filter.ErrNotReached) {
			t.Errorf("%s: %v, want not reached", name, err)
		}
	}
}

// TestMacrosAskedFor: a filter that asks for macros, rightly or wrongly, gets what there is.
func TestMacrosAskedFor(t *testing.T) {
	for _, list := range []string{"\x00\x00\x00\x02{mail_addr}\x00", "\x00\x00\x00\xffx\x00", "\x00\x00\x00\x00never ends", "\x00"} {
		neg := packet('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x00\x00\x00"+list)
		got := make(chan string, 1)
		addr := raw(t, func(_ context.Context, conn net.Conn) {
			_, _ = io.WriteString(conn, neg+going(answers)+packet('a', ""))
			all, _ := io.ReadAll(conn)
			got <- string(all)
		})
		if _, err := at(t, addr).Ask(t.Context(), message(t, "Hello\r\n")); err != nil {
			t.Errorf("%q: %v", list, err)
		}
		if all := <-got; !strings.Contains(all, "{auth_authen}\x00ann@example.org\x00") || !strings.Contains(all, "{tls_version}\x00TLSv1.3\x00") {
			t.Errorf("%q: sent %q", list, all)
		}
	}
}

// TestGoneInTheMiddle breaks the connection off after each answer.
func TestGoneInTheMiddle(t *testing.T) {
	all := optNeg() + going(answers) + packet('h', "X-A\x00b\x00") + packet('b', "new body\r\n")
	for n := range len(all) {
		addr := raw(t, func(_ context.Context, conn net.Conn) {
			_, _ = io.WriteString(conn, all[:n])
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		})
		if a, err := at(t, addr).Ask(t.Context(), message(t, "Hello\r\n")); err == nil {
			t.Fatalf("after %d octets: %+v", n, a)
		}
	}
}

// TestTooMuch: more than anybody needs.
func TestTooMuch(t *testing.T) {
	for name, text := range map[string]string{
		"changes":  strings.Repeat(packet('h', "X-A\x00b\x00"), maxChanges+1) + packet('a', ""),
		"progress": strings.Repeat(packet('p', ""), maxAnswers/5+1) + packet('a', ""),
		"octets":   strings.Repeat(packet('m', "\x00\x00\x00\x01X-A\x00"+strings.Repeat("x", 60<<10)+"\x00"), 40) + packet('a', ""),
		"body":     strings.Repeat(packet('b', strings.Repeat("x", 60<<10)), 20) + packet('a', ""),
	} {
		if a, err := at(t, raw(t, says(optNeg()+going(answers)+text))).Ask(t.Context(), message(t, "Hello\r\n")); !errors.Is(err, errTooMuch) {
			t.Errorf("%s: %+v, %v, want too much", name, a, err)
		}
	}
}

// hurried is a program whose steps may take a quarter of a second.
func hurried(t *testing.T, addr net.Addr) *Program {
	p := at(t, addr)
	p.opt.Step = 250 * time.Millisecond
	return p
}

// TestNeverAnswers: a step ends when its time is over, wherever the filter falls silent.
func TestNeverAnswers(t *testing.T) {
	for _, text := range []string{"", optNeg(), optNeg() + going(4), optNeg() + going(answers), optNeg() + going(answers) + packet('b', "half")} {
		if _, err := hurried(t, raw(t, says(text))).Ask(t.Context(), message(t, "Hello\r\n")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %d octets: %v, want the time over", len(text), err)
		}
	}
}

// drip is a peer that says its text octet by octet.
func drip(text string, every time.Duration) func(context.Context, net.Conn) {
	return func(ctx context.Context, conn net.Conn) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if _, err := conn.Write([]byte{text[i%len(text)]}); err != nil {
				return
			}
		}
	}
}

// TestDrips: a packet that comes octet by octet must be there in the time of its step.
func TestDrips(t *testing.T) {
	addr := raw(t, drip(optNeg(), 50*time.Millisecond)) // 850 ms for the first packet
	if _, err := hurried(t, addr).Ask(t.Context(), message(t, "Hello\r\n")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want the time over", err)
	}
}

// TestProgressForEver: word that the filter goes on gives it time for the step, not for ever.
func TestProgressForEver(t *testing.T) {
	addr := raw(t, func(ctx context.Context, conn net.Conn) {
		if _, err := io.WriteString(conn, optNeg()); err == nil {
			drip(packet('p', ""), time.Millisecond)(ctx, conn)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := at(t, addr).Ask(ctx, message(t, "Hello\r\n")); !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() == nil {
		t.Errorf("%v, %v: want the whole time over", err, ctx.Err())
	}
}

// TestProgressGivesTime: with it a command may take longer than a step.
func TestProgressGivesTime(t *testing.T) {
	addr := raw(t, func(ctx context.Context, conn net.Conn) {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		text := optNeg()
		for range 10 { // twice a step
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
			text = packet('p', "")
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		says(going(answers)+packet('a', ""))(ctx, conn)
	})
	if _, err := hurried(t, addr).Ask(t.Context(), message(t, "Hello\r\n")); err != nil {
		t.Error(err)
	}
}

// TestNeverReads: what nobody takes is given up when the step is over.
func TestNeverReads(t *testing.T) {
	addr := raw(t, func(ctx context.Context, conn net.Conn) {
		_, _ = io.WriteString(conn, packet('O', "\x00\x00\x00\x06\x00\x00\x00\x00\x00\x08\xf8\x80")+strings.Repeat(going(1), 3)) // no answer to a piece of body
		<-ctx.Done()
	})
	if _, err := hurried(t, addr).Ask(t.Context(), message(t, strings.Repeat("0123456789abcd\r\n", 4<<20))); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want the time over", err)
	}
}

// TestCallerGivesUp: the end of the context ends a conversation that hangs.
func TestCallerGivesUp(t *testing.T) {
	reached := make(chan struct{})
	addr := raw(t, func(ctx context.Context, conn net.Conn) {
		_, _ = io.ReadFull(conn, make([]byte, 17)) // the negotiation; then the client waits for its answer
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		<-tick.C
		close(reached)
		<-ctx.Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	began := time.Now()
	if _, err := at(t, addr).Ask(ctx, message(t, "Hello\r\n")); err == nil || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v, want an error before the step is over", err, time.Since(began))
	}
}

// TestBodyThatCannotBeRead is an error, and the filter is not told that the message has ended.
func TestBodyThatCannotBeRead(t *testing.T) {
	got := make(chan []byte, 1)
	addr := raw(t, func(_ context.Context, conn net.Conn) {
		_, _ = io.WriteString(conn, optNeg()+going(answers)+packet('a', ""))
		all, _ := io.ReadAll(conn)
		got <- all
	})
	broken := errors.New("broken")
	m := message(t, "")
	m.Body = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("Hello\r\n"), &failing{broken})), nil
	}
	if _, err := at(t, addr).Ask(t.Context(), m); !errors.Is(err, broken) || !errors.Is(err, filter.ErrUnread) {
		t.Errorf("%v, want %v", err, broken)
	}
	m.Body = func() (io.ReadCloser, error) { return nil, broken }
	if _, err := at(t, raw(t, says(optNeg()+going(answers)))).Ask(t.Context(), m); !errors.Is(err, broken) || !errors.Is(err, filter.ErrUnread) {
		t.Errorf("%v, want %v", err, broken)
	}
	if all := <-got; bytes.Contains(all, []byte(packet('E', ""))) {
		t.Error("the filter was told that this was all")
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// FuzzAnswers: whatever a filter says, there is an answer or an error, within the bounds.
func FuzzAnswers(f *testing.F) {
	end := optNeg() + going(answers)
	for _, s := range []string{
		"", optNeg(), end + packet('a', ""), end + packet('h', "X-A\x00b\x00") + packet('c', ""), end + packet('y', "550 5.7.1 no\x00"),
		end + packet('b', "x") + packet('d', ""), end + packet('+', "<a@b>\x00") + packet('-', "<a@b>\x00") + packet('2', "<a@b>\x00NOTIFY=NEVER\x00") + packet('a', ""),
		end + packet('e', "<a@b>\x00") + packet('i', "\x00\x00\x00\x01X\x00y\x00") + packet('m', "\x00\x00\x00\x01X\x00\x00") + packet('q', "why\x00") + packet('t', ""),
		end + "\x00\x00\x00\x01", "\x00\x00\x00\x00", packet('O', "\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00") + going(9) + packet('r', ""),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		p, err := New(Options{Network: "tcp", Address: "none", Connect: time.Second, Step: 5 * time.Second, MaxBody: 1000})
		if err != nil {
			t.Fatal(err)
		}
		p.dial = func(context.Context, string, string) (net.Conn, error) {
			return &canned{in: bytes.NewReader(answer)}, nil
		}
		m := message(t, "Hello\r\n")
		a, err := p.Ask(t.Context(), m)
		switch {
		case err != nil:
		case a.Verdict == "":
			t.Errorf("%+v says nothing", a)
		case len(a.Changes.Body) > 1000 || len(a.Changes.Header) > maxChanges:
			t.Errorf("%d octets and %d fields", len(a.Changes.Body), len(a.Changes.Header))
		case a.Verdict != filter.Pass && (!a.Changes.Empty() || a.Quarantined):
			t.Errorf("%+v has changes", a)
		}
	})
}

// canned is a connection that says something and takes everything.
type canned struct {
	net.Conn
	in io.Reader
}

func (c *canned) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *canned) Write(p []byte) (int, error) { return len(p), nil }
func (c *canned) SetDeadline(time.Time) error { return nil }
func (c *canned) Close() error                { return nil }
