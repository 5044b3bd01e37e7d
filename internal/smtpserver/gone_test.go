package smtpserver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestClientGoneAtEveryOctet sends a whole session up to each of its octets
// and goes: the message must be kept if and only if its end was sent.
func TestClientGoneAtEveryOctet(t *testing.T) {
	const before = "EHLO c.test\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\nMAIL FROM:<user@c.test>\r\nRCPT TO:<a@b.test>\r\n"
	sessions := []struct{ name, head, message, tail string }{
		{"DATA", before + "DATA\r\n", "Subject: x\r\n\r\n..QUIT\r\n.\r\n", "NOOP\r\nQUIT\r\n"},
		{"BDAT", before, "BDAT 6\r\nQUIT\r\nNOOP\r\nBDAT 4 LAST\r\nhi\r\n", "RSET\r\nQUIT\r\n"},
	}
	for _, s := range sessions {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			script := s.head + s.message + s.tail
			complete := len(s.head) + len(s.message)
			d := &double{}
			r := newRig(t, d, Submissions, func(l *Limits, _ *ListenerConfig) { l.MaxPerPrefix = 0 })
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
