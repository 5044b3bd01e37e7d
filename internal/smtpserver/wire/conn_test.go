package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"countersign/internal/smtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns a Conn and its client's end.
func pair(t *testing.T) (*Conn, net.Conn) {
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close(); there.Close() })
	c := New(there, NewBuffers())
	c.SetReplyTime(time.Minute)
	c.Ready()
	return c, here
}

// readAll reads the client's end until it is closed, in a goroutine.
func readAll(client net.Conn) <-chan string {
	got := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(client)
		got <- string(text)
	}()
	return got
}

func TestRepliesAreGatheredUntilTheServerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		c.Write(smtp.OK())
		c.Write(smtp.Bye())
		done := make(chan error, 1)
		go func() {
			c.Expect(time.Second, time.Time{})
			_, err := c.Reader().ReadLine(512)
			done <- err
		}()
		buf := make([]byte, 1000)
		n, err := client.Read(buf)
		if err != nil || strings.Count(string(buf[:n]), "\r\n") != 2 {
			t.Errorf("one write brought %q, %v", buf[:n], err)
		}
		if err := <-done; !IsTimeout(err) {
			t.Errorf("read %v", err)
		}
	})
}

func TestManyRepliesAreWrittenBeforeTheServerWaits(t *testing.T) {
	c, client := pair(t)
	got := readAll(client)
	for range 1000 {
		c.Write(smtp.OK())
	}
	c.Close(false)
	if text := <-got; strings.Count(text, "\r\n") != 1000 {
		t.Errorf("%d octets arrived", len(text))
	}
}

func TestNothingIsWrittenAfterAnError(t *testing.T) {
	c, client := pair(t)
	client.Close()
	c.Write(smtp.OK())
	first := c.Flush()
	c.Write(smtp.OK())
	if second := c.Flush(); first == nil || second != first {
		t.Errorf("flush said %v, then %v", first, second)
	}
	if _, err := c.Read(make([]byte, 1)); err != first {
		t.Errorf("reading says %v", err)
	}
}

func TestDeadlines(t *testing.T) {
	tests := []struct {
		name   string
		expect func(c *Conn, now time.Time)
		after  time.Duration
	}{
		{"a whole", func(c *Conn, _ time.Time) { c.Expect(5*time.Second, time.Time{}) }, 5 * time.Second},
		{"a whole with an end", func(c *Conn, now time.Time) { c.Expect(5*time.Second, now.Add(3*time.Second)) }, 3 * time.Second},
		{"each", func(c *Conn, now time.Time) { c.ExpectBody(5*time.Second, now.Add(time.Minute)) }, 13 * time.Second},
		{"each with an end", func(c *Conn, now time.Time) { c.ExpectBody(5*time.Second, now.Add(9*time.Second)) }, 9 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t)
				start := time.Now()
				tt.expect(c, start)
				sent := make(chan struct{})
				go func() { // an octet after 4 and 8 seconds
					defer close(sent)
					for range 2 {
						<-time.After(4 * time.Second)
						if _, err := client.Write([]byte("x")); err != nil {
							return
						}
					}
				}()
				var err error
				for err == nil {
					_, err = c.Read(make([]byte, 1))
				}
				if got := time.Since(start); !IsTimeout(err) || got != tt.after {
					t.Errorf("%v after %v, want %v", err, got, tt.after)
				}
				c.Close(false)
				<-sent
			})
		})
	}
}

func TestInterrupt(t *testing.T) {
	tests := []struct {
		name  string
		busy  bool
		level Stop
		stops bool
	}{
		{"idle", false, StopIdle, true},
		{"busy", true, StopIdle, false},
		{"idle at once", false, StopAtOnce, true},
		{"busy at once", true, StopAtOnce, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t)
				c.SetBusy(tt.busy)
				c.Expect(time.Hour, time.Time{})
				read := make(chan error, 1)
				go func() {
					_, err := c.Read(make([]byte, 1))
					read <- err
				}()
				synctest.Wait()
				c.Interrupt(tt.level)
				synctest.Wait()
				if c.Stopped() != tt.stops || c.Forced() != (tt.level == StopAtOnce) {
					t.Errorf("stopped %v, forced %v", c.Stopped(), c.Forced())
				}
				if !tt.stops {
					client.Write([]byte("x"))
				}
				if err := <-read; tt.stops != errors.Is(err, ErrStopped) {
					t.Errorf("reading ended with %v", err)
				}
				c.SetBusy(false)
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrStopped) {
					t.Errorf("the next read says %v", err)
				}
			})
		})
	}
}

func TestInterruptWhileOpening(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	c := New(there, NewBuffers())
	c.Interrupt(StopIdle)
	if _, err := here.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client sees %v", err)
	}
}

func TestAwaitTLSAndSpeak(t *testing.T) {
	c, client := pair(t)
	got := readAll(client)
	c.AwaitTLS()
	c.Write(smtp.OK())
	if err := c.Flush(); err == nil {
		t.Error("plain text was written")
	}
	c.Speak()
	c.Write(smtp.Bye())
	c.Close(true)
	if text := <-got; !strings.HasPrefix(text, "221") {
		t.Errorf("the client got %q", text)
	}
}

func TestAddrPort(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:25": "192.0.2.1:25", "[::ffff:192.0.2.1]:25": "192.0.2.1:25",
		"[fe80::1%eth0]:25": "[fe80::1]:25", "[2001:db8::1]:25": "[2001:db8::1]:25",
	} {
		addr := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(in))
		if got := addrPort(addr); got.String() != want {
			t.Errorf("%s became %s", in, got)
		}
	}
	if addrPort(nil).IsValid() || addrPort(&net.UnixAddr{Name: "x"}).IsValid() {
		t.Error("an address from nowhere")
	}
}

func TestDiagnose(t *testing.T) {
	other := errors.New("bad certificate")
	if err := diagnose(other, true); err != other {
		t.Errorf("another error became %v", err)
	}
	if err := diagnose(io.EOF, false); err != ErrGone {
		t.Errorf("a client that left became %v", err)
	}
	if err := diagnose(io.EOF, true); err != io.EOF {
		t.Errorf("a client that left within became %v", err)
	}
	var plain *NoTLSError
	if err := diagnose(context.DeadlineExceeded, false); errors.As(err, &plain) {
		t.Errorf("an error that is no deadline of the connection became %v", err)
	}
}
