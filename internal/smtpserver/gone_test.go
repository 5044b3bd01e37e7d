package smtpserver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/smtpserver/bounds"
)

// TestClientGoneAtEveryOctet sends a whole session up to each of its octets
// and goes: the message must be kept if and only if its end was sent.
func TestClientGoneAtEveryOctet(t *testing.T) {
	const before = "EHLO c.test\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\nMAIL FROM:<user@c.test>\r\nRCPT TO:<a@b.test>\r\n"
	stepwise := strings.Replace(before, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "AUTH PLAIN\r\nAHVzZXIAc2VjcmV0\r\n", 1)
	sessions := []struct{ name, head, message, tail string }{
		{"AUTH in steps", stepwise + "DATA\r\n", "Subject: x\r\n\r\n.\r\n", "QUIT\r\n"},
		{"DATA", before + "DATA\r\n", "Subject: x\r\n\r\n..QUIT\r\n.\r\n", "NOOP\r\nQUIT\r\n"},
		{"BDAT", before, "BDAT 6\r\nQUIT\r\nNOOP\r\nBDAT 4 LAST\r\nhi\r\n", "RSET\r\nQUIT\r\n"},
	}
	for _, s := range sessions {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			script := s.head + s.message + s.tail
			complete := len(s.head) + len(s.message)
			d := &double{}
			r := newRig(t, d, Submissions, func(l *bounds.Limits, _ *ListenerConfig) { l.MaxPerPrefix = 0 })
			var wg sync.WaitGroup
			slots := make(chan struct{}, 8)
			for n := range len(script) + 1 {
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					r.leaveAfter(script[:n], n%7 == 0)
				})
			}
			wg.Wait()
			r.srv.Close()
			want, most := 0, len(script)+1-complete
			for n := complete; n <= len(script); n++ {
				if n%7 != 0 { // after a reset even a complete message may be lost
					want++
				}
			}
			kept := d.kept()
			if len(kept) < want || len(kept) > most {
				t.Errorf("%d messages kept, want %d to %d", len(kept), want, most)
			}
			for _, text := range kept {
				if text != kept[0] || !strings.HasSuffix(text, "\r\n") {
					t.Errorf("kept %q", text)
				}
			}
			for _, s := range d.sessions {
				s.observations(t) // each was closed
			}
		})
	}
}

// leaveAfter sends text over TLS and goes: politely, or by a reset.
func (r *rig) leaveAfter(text string, reset bool) {
	raw, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Error(err)
		return
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if _, err := io.WriteString(conn, text); err != nil {
		r.t.Error(err)
		return
	}
	if reset {
		raw.(*net.TCPConn).SetLinger(0)
		return
	}
	conn.CloseWrite()
	if _, err := io.Copy(io.Discard, conn); err != nil {
		r.t.Error(fmt.Errorf("after %d octets: %w", len(text), err))
	}
}

// TestClientGoneInHandshake sends what a client says in a handshake up to each
// of its octets and goes, with implicit TLS and after STARTTLS. No session is
// left, and the server serves the next client.
func TestClientGoneInHandshake(t *testing.T) {
	for _, kind := range []ListenerKind{Submission, Submissions} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("kind %d, reset %v", kind, reset), func(t *testing.T) {
				t.Parallel()
				d := &double{}
				r := newRig(t, d, kind, func(l *bounds.Limits, _ *ListenerConfig) { l.MaxPerPrefix = 0 })
				hello := clientHello(t)
				for n := 0; n <= len(hello); n += 1 + n/40 {
					c := r.dial()
					if kind == Submission {
						c.play("< 220\n> STARTTLS\n< 220")
					}
					c.send(hello[:n])
					if reset {
						c.raw.(*net.TCPConn).SetLinger(0)
					}
					c.raw.Close()
				}
				eventually(t, func() bool { return r.srv.Sessions() == 0 })
				d.mu.Lock()
				all := slices.Clone(d.sessions)
				d.mu.Unlock()
				for _, s := range all {
					for _, o := range s.observations(t) { // each was closed
						if o.Kind == ObservedTLS || o.Kind == ObservedPanic {
							t.Fatalf("observed %+v", o)
						}
					}
				}
				c := r.dial()
				if kind == Submissions {
					c.startTLS()
				}
				c.play("< 220\n> QUIT\n< 221\n< EOF")
			})
		}
	}
}

// clientHello is the first flight of crypto/tls's client.
func clientHello(t *testing.T) string {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		defer near.Close()
		_ = tls.Client(near, &tls.Config{ServerName: "mx.test"}).Handshake() // it cannot succeed
	}()
	buf := make([]byte, 16<<10)
	n, err := far.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}
