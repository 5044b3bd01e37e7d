package smtpserver

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// TestShutdownTellsIdleClients stops while clients are at every point outside
// a transaction.
func TestShutdownTellsIdleClients(t *testing.T) {
	const told = "< 421 4.3.2\n< EOF"
	auth := strings.Replace(toReady, " AHVzZXIAc2VjcmV0\n< 235 2.7.0", "\n< 334", 1)
	tests := []struct {
		name   string
		kind   ListenerKind
		script string
		end    string
		closed string
	}{
		{"after the greeting", Submission, "< 220", told, "shutdown"},
		{"after EHLO", Submission, "< 220\n> EHLO c.test\n< 250", told, "shutdown"},
		{"in AUTH", Submission, auth, told, "shutdown"},
		{"after AUTH", Submission, toReady, told, "shutdown"},
		{"after a message", Submission, toReady + toData + "> .\n< 250", told, "shutdown"},
		{"after RSET", Submission, toReady + toChunks + "> RSET\n< 250", told, "shutdown"},
		{"before a handshake", Submissions, "", "< EOF", "shutdown"},
		{"in STARTTLS", Submission, "< 220\n> STARTTLS\n< 220", "< EOF", "shutdown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &double{}
			inFakeTime(t, tt.kind, d, clockedLimits(), func(t *testing.T, srv *Server, p *pipes) {
				c := p.dial(t)
				c.play(tt.script)
				synctest.Wait()
				start := time.Now()
				stopped := make(chan error, 1)
				go func() { stopped <- srv.Shutdown(context.Background()) }()
				c.play(tt.end)
				c.raw.Close()
				if err := <-stopped; err != nil || time.Since(start) != 0 {
					t.Errorf("stopped with %v after %v", err, time.Since(start))
				}
				d.session(t, 1).closedBecause(t, tt.closed)
			})
		})
	}
}

// TestShutdownLetsTransactionsFinish stops within one, and wants it accepted,
// and no command more.
func TestShutdownLetsTransactionsFinish(t *testing.T) {
	tests := []struct{ name, before, after string }{
		{"after MAIL", "> MAIL FROM:<user@c.test>\n< 250", "> RCPT TO:<a@b.test>\n< 250\n> DATA\n< 354\n> hi\n> .\n< 250"},
		{"in DATA", toData, "> hi\n> .\n< 250"},
		{"between chunks", toChunks + "> BDAT 0\n< 250", ">> \"BDAT 4 LAST\\r\\nhi\\r\\n\"\n< 250"},
		{"with commands behind it", toData, ">> \"hi\\r\\n.\\r\\nMAIL FROM:<user@c.test>\\r\\n\"\n< 250"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &double{}
			inFakeTime(t, Submission, d, clockedLimits(), func(t *testing.T, srv *Server, p *pipes) {
				c := p.dial(t)
				c.play(toReady + tt.before)
				stopped := make(chan error, 1)
				go func() { stopped <- srv.Shutdown(context.Background()) }()
				pass(time.Second)
				c.play(tt.after + "\n< 421 4.3.2\n< EOF")
				c.raw.Close()
				if err := <-stopped; err != nil {
					t.Error(err)
				}
				if got := d.kept(); len(got) != 1 || got[0] != "hi\r\n" {
					t.Errorf("kept %q", got)
				}
			})
		})
	}
}

// TestShutdownEndsWithItsContext keeps a transaction open for longer than that.
func TestShutdownEndsWithItsContext(t *testing.T) {
	for name, before := range map[string]string{
		"after MAIL": "> MAIL FROM:<user@c.test>\n< 250", "in DATA": toData, "between chunks": toChunks + "> BDAT 0\n< 250",
	} {
		t.Run(name, func(t *testing.T) {
			d := &double{}
			inFakeTime(t, Submission, d, clockedLimits(), func(t *testing.T, srv *Server, p *pipes) {
				c := p.dial(t)
				c.play(toReady + before)
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				start := time.Now()
				stopped := make(chan error, 1)
				go func() { stopped <- srv.Shutdown(ctx) }()
				c.play("< 421 4.3.2\n< EOF")
				if got := time.Since(start); got != 3*time.Second {
					t.Errorf("ended after %v", got)
				}
				if err := <-stopped; !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Shutdown: %v", err)
				}
				d.session(t, 1).closedBecause(t, "shutdown")
			})
		})
	}
}

// TestCloseEndsTheBackendsWork stops at once while the backend works, and
// while a client does not read.
func TestCloseEndsTheBackendsWork(t *testing.T) {
	working := make(chan struct{})
	d := &double{data: func(ctx context.Context, body io.Reader) (mail.ID, error) {
		io.Copy(io.Discard, body)
		close(working)
		<-ctx.Done()
		return "", fault.Wrap("double", fault.Canceled, ctx.Err())
	}}
	r := newRig(t, d, Submission, nil)
	c := r.ready()
	c.play(toData + "> .")
	<-working
	r.srv.Close()
	text, _ := io.ReadAll(c.in)
	if !strings.HasPrefix(string(text), "451 4.3.2") {
		t.Errorf("the client got %q", text)
	}
	d.session(t, 1).closedBecause(t, "shutdown")
}

// TestShutdownOverRealSockets stops many clients at once.
func TestShutdownOverRealSockets(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submissions, nil)
	busy := r.ready()
	busy.play(toData)
	var idle []*client
	for range 10 {
		idle = append(idle, r.ready())
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.srv.Shutdown(context.Background()) }()
	for _, c := range idle {
		c.play("< 421 4.3.2\n< EOF")
	}
	if conn, err := net.Dial("tcp", r.addr); err == nil {
		if text, _ := io.ReadAll(conn); len(text) > 0 {
			t.Errorf("a new client got %q", text)
		}
		conn.Close()
	}
	busy.play("> .\n< 250\n< 421\n< EOF")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestServeErrors(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	srv := newServer(t, &double{}, testLimits())
	if err := srv.Serve(listen(), ListenerConfig{Name: "bare"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("without TLS: %v", err)
	}
	srv.Close()
	l := listen()
	if err := srv.Serve(l, ListenerConfig{Name: "late", TLS: testTLS}); !fault.Is(err, fault.Canceled) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is still open: %v", err)
	}
	if err := srv.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown after Close: %v", err)
	}
}
