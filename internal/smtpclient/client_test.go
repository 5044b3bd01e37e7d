package smtpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/mail"
	"countersign/internal/testkit"
)

// connect opens a client on a pipe to a server double.
func connect(t *testing.T, m *testkit.MX, o Options) (*Client, error) {
	t.Helper()
	near, far := testkit.Pipe()
	m.Serve(far)
	t.Cleanup(m.Close)
	if o.Hello == "" {
		o.Hello = "gate.example"
	}
	c, err := Open(t.Context(), near, o)
	if err == nil {
		t.Cleanup(c.Abort)
	}
	return c, err
}

func mustConnect(t *testing.T, m *testkit.MX, o Options) *Client {
	t.Helper()
	c, err := connect(t, m, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func address(t *testing.T, s string) mail.Address {
	t.Helper()
	if s == "" {
		return mail.Address{}
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// letter makes a message from a@example.net to the given recipients.
func letter(t *testing.T, body string, to ...string) *Message {
	t.Helper()
	m := &Message{
		Envelope: mail.Envelope{From: address(t, "a@example.net"), Body: mail.Body7Bit},
		Head:     []byte("Subject: x\r\n\r\n"), Body: []byte(body),
	}
	for _, s := range to {
		m.Recipients = append(m.Recipients, mail.Recipient{To: address(t, s)})
	}
	m.Size = int64(len(m.Head) + len(m.Body))
	return m
}

// asError takes the Error out of what Open returned.
func asError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want an *Error", err)
	}
	return e
}

// summary writes results in short: a code, or stage and problem with a code.
func summary(results []Result) string {
	var words []string
	for _, r := range results {
		word := fmt.Sprint(r.Reply.Code)
		if r.Err != nil {
			word = string(r.Err.Stage) + "/" + string(r.Err.Problem)
			if r.Err.Problem == Refused {
				word = fmt.Sprintf("%s/%d", r.Err.Stage, r.Err.Reply.Code)
			}
			if r.Err.MaybeDelivered() {
				word += "?"
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestSendAndReuse(t *testing.T) {
	for _, extensions := range [][]string{nil, testkit.AllExtensions()} {
		m := &testkit.MX{Extensions: extensions}
		c := mustConnect(t, m, Options{})
		for i := range 3 {
			body := fmt.Sprintf("%d\r\n.\r\n..two\r\n.end\r\n", i)
			results := c.Send(t.Context(), letter(t, body, "b@example.org", "c@example.org"))
			if got := summary(results); got != "250 250" {
				t.Fatalf("results = %s", got)
			}
			if r := results[0].Reply; r.Enhanced != "2.0.0" || r.Text != "taken" {
				t.Errorf("reply = %+v", r)
			}
		}
		c.Close()
		got := m.Received()
		if all, _ := m.Connections(); len(got) != 3 || all != 1 {
			t.Fatalf("%d messages over %d connections, want 3 over 1", len(got), all)
		}
		if want := "Subject: x\r\n\r\n2\r\n.\r\n..two\r\n.end\r\n"; got[2].Data != want {
			t.Errorf("content = %q, want %q", got[2].Data, want)
		}
		commands := m.Commands()
		if commands[len(commands)-1] != "QUIT" {
			t.Errorf("last command = %q, want QUIT", commands[len(commands)-1])
		}
	}
}

// TestAnswers runs one transaction to two recipients against servers that answer
// each step in every way, with and without pipelining.
func TestAnswers(t *testing.T) {
	say := func(at, text string) func(testkit.Step) testkit.Action {
		return func(s testkit.Step) testkit.Action {
			if s.At == at && !(at == "RCPT" && strings.Contains(s.Line, "c@")) {
				return testkit.Action{Say: text}
			}
			return testkit.Action{}
		}
	}
	drop := func(at string) func(testkit.Step) testkit.Action {
		return func(s testkit.Step) testkit.Action { return testkit.Action{Drop: s.At == at} }
	}
	raw := func(at, text string) func(testkit.Step) testkit.Action {
		return func(s testkit.Step) testkit.Action {
			if s.At == at {
				return testkit.Action{Say: text, Raw: true, Drop: true}
			}
			return testkit.Action{}
		}
	}
	tests := []struct {
		name   string
		script func(testkit.Step) testkit.Action
		want   string
		usable bool
	}{
		{"mail 4xx", say("MAIL", "450 4.7.1 later"), "mail/450 mail/450", true},
		{"mail 5xx", say("MAIL", "550 5.7.1 never"), "mail/550 mail/550", true},
		{"mail 421", say("MAIL", "421 4.3.2 closing"), "mail/421 mail/421", false},
		{"mail 3xx", say("MAIL", "354 what"), "mail/garbage mail/garbage", false},
		{"one rcpt 4xx", say("RCPT", "451 4.2.0 later"), "rcpt/451 250", true},
		{"one rcpt 5xx", say("RCPT", "550 5.1.1 who"), "rcpt/550 250", true},
		{"rcpt 421", say("RCPT", "421 4.3.2 closing"), "rcpt/421 rcpt/421", false},
		{"all rcpt 5xx", func(s testkit.Step) testkit.Action {
			if s.At == "RCPT" {
				return testkit.Action{Say: "550 5.1.1 who"}
			}
			return testkit.Action{}
		}, "rcpt/550 rcpt/550", true},
		{"all rcpt 5xx, DATA taken all the same", func(s testkit.Step) testkit.Action {
			switch s.At {
			case "RCPT":
				return testkit.Action{Say: "550 5.1.1 who"}
			case "DATA":
				return testkit.Action{Say: "354 whatever"}
			}
			return testkit.Action{}
		}, "rcpt/550 rcpt/550", true},
		{"data 4xx", say("DATA", "451 4.3.0 later"), "data/451 data/451", true},
		{"data 5xx", say("DATA", "554 5.5.0 never"), "data/554 data/554", true},
		{"data 2xx", say("DATA", "250 ok"), "data/garbage data/garbage", false},
		{"end 4xx", say("END", "452 4.3.1 full"), "end/452 end/452", true},
		{"end 5xx", say("END", "554 5.7.1 spam"), "end/554 end/554", true},
		{"end 421", say("END", "421 4.3.2 closing"), "end/421 end/421", false},
		{"drop at mail", drop("MAIL"), "mail/broken mail/broken", false},
		{"drop at rcpt", drop("RCPT"), "rcpt/broken rcpt/broken", false},
		{"drop at data", drop("DATA"), "data/broken data/broken", false},
		{"drop in the content", drop("BODY"), "body/broken body/broken", false},
		{"drop after the dot", drop("END"), "end/broken? end/broken?", false},
		{"garbage at mail", raw("MAIL", "HTTP/1.1 400 Bad Request\r\n"), "mail/garbage mail/garbage", false},
		{"garbage after the dot", raw("END", "25\r\n"), "end/garbage? end/garbage?", false},
		{"half a reply", raw("MAIL", "250 half"), "mail/broken mail/broken", false},
		{"codes differ", raw("MAIL", "250-a\r\n251 b\r\n"), "mail/garbage mail/garbage", false},
		{"code 199", raw("MAIL", "199 a\r\n"), "mail/garbage mail/garbage", false},
		{"no separator", raw("MAIL", "250x\r\n"), "mail/garbage mail/garbage", false},
		{"endless line", raw("MAIL", "250 "+strings.Repeat("x", 10_000)), "mail/garbage mail/garbage", false},
		{"endless lines", raw("MAIL", strings.Repeat("250-x\r\n", 1000)), "mail/garbage mail/garbage", false},
		{"line feeds alone", raw("END", "250-2.0.0 a\n250 2.0.0 b\n"), "250 250", false},
	}
	big := strings.Repeat("0123456789012345678901234567890123456789\r\n", 20_000)
	for _, extensions := range [][]string{nil, {"PIPELINING"}} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, %v", tt.name, extensions), func(t *testing.T) {
				m := &testkit.MX{Extensions: extensions, Script: tt.script}
				c := mustConnect(t, m, Options{})
				results := c.Send(t.Context(), letter(t, big, "b@example.org", "c@example.org"))
				if got := summary(results); got != tt.want {
					t.Errorf("results = %s, want %s (%v)", got, tt.want, results[0].Err)
				}
				if tt.name == "line feeds alone" {
					return
				}
				if c.Usable() != tt.usable {
					t.Errorf("usable = %v, want %v", c.Usable(), tt.usable)
				}
				if !tt.usable {
					return
				}
				// Whatever it was, the next message has a clean start.
				m.Script = nil
				if got := summary(c.Send(t.Context(), letter(t, "x\r\n", "d@example.org"))); got != "250" {
					t.Errorf("next message: %s", got)
				}
				received := m.Received()
				for _, r := range received {
					if len(r.Rcpt) == 0 && r.Data != "" {
						t.Errorf("%d octets were sent for nobody", len(r.Data))
					}
				}
				if last := received[len(received)-1]; len(last.Rcpt) != 1 || !strings.HasPrefix(last.Rcpt[0], "TO:<d@") {
					t.Errorf("next message went to %v", last.Rcpt)
				}
			})
		}
	}
}

func TestOpenAnswers(t *testing.T) {
	at := func(step string, a testkit.Action) *testkit.MX {
		return &testkit.MX{Script: func(s testkit.Step) testkit.Action {
			if s.At == step {
				return a
			}
			return testkit.Action{}
		}}
	}
	tests := []struct {
		name  string
		mx    *testkit.MX
		stage Stage
		want  Problem
		code  int
	}{
		{"greeting 5xx", at("CONNECT", testkit.Action{Say: "554 5.7.1 not you"}), StageGreeting, Refused, 554},
		{"greeting 4xx", at("CONNECT", testkit.Action{Say: "421 4.3.2 busy"}), StageGreeting, Refused, 421},
		{"drop at once", at("CONNECT", testkit.Action{Drop: true}), StageGreeting, Broken, 0},
		{"garbage", at("CONNECT", testkit.Action{Say: "SSH-2.0-x"}), StageGreeting, Garbage, 0},
		{"greeting 354", at("CONNECT", testkit.Action{Say: "354 x"}), StageGreeting, Garbage, 0},
		{"endless banner", at("CONNECT", testkit.Action{Say: strings.Repeat("220-x\r\n", 5000), Raw: true}), StageGreeting, Garbage, 0},
		{"EHLO 4xx", at("EHLO", testkit.Action{Say: "450 4.7.1 later"}), StageHello, Refused, 450},
		{"EHLO drop", at("EHLO", testkit.Action{Drop: true}), StageHello, Broken, 0},
		{"EHLO and HELO 5xx", &testkit.MX{Script: func(s testkit.Step) testkit.Action {
			if s.At == "EHLO" || s.At == "HELO" {
				return testkit.Action{Say: "550 5.7.1 not you"}
			}
			return testkit.Action{}
		}}, StageHello, Refused, 550},
	}
	for _, tt := range tests {
		_, err := connect(t, tt.mx, Options{})
		if e := asError(t, err); e.Stage != tt.stage || e.Problem != tt.want || e.Reply.Code != tt.code {
			t.Errorf("%s: %v, want %s at %s, code %d", tt.name, err, tt.want, tt.stage, tt.code)
		}
	}
	// An old server.
	m := at("EHLO", testkit.Action{Say: "502 5.5.1 what"})
	c := mustConnect(t, m, Options{})
	if got := summary(c.Send(t.Context(), letter(t, "x\r\n", "b@example.org"))); got != "250" {
		t.Errorf("with HELO: %s", got)
	}
}

// TestTimeouts hangs at each step, and drips, in the time of a bubble.
func TestTimeouts(t *testing.T) {
	hang := func(at string) func(testkit.Step) testkit.Action {
		return func(s testkit.Step) testkit.Action { return testkit.Action{Hang: s.At == at} }
	}
	drip := func(at, text string) func(testkit.Step) testkit.Action {
		return func(s testkit.Step) testkit.Action {
			if s.At == at {
				return testkit.Action{Say: text, Drip: 50 * time.Second}
			}
			return testkit.Action{}
		}
	}
	tests := []struct {
		name   string
		script func(testkit.Step) testkit.Action
		want   string
		after  time.Duration
	}{
		{"greeting", hang("CONNECT"), "greeting/timed-out", 5 * time.Minute},
		{"hello", hang("EHLO"), "hello/timed-out", 5 * time.Minute},
		{"mail", hang("MAIL"), "mail/timed-out", 5 * time.Minute},
		{"rcpt", hang("RCPT"), "rcpt/timed-out", 5 * time.Minute},
		{"data", hang("DATA"), "data/timed-out", 2 * time.Minute},
		{"end", hang("END"), "end/timed-out?", 10 * time.Minute},
		{"dripping greeting", drip("CONNECT", "220 "+strings.Repeat("x", 100)), "greeting/timed-out", 5 * time.Minute},
		{"dripping end", drip("END", "250 "+strings.Repeat("x", 1000)), "end/timed-out?", 10 * time.Minute},
		// Each reply is in time, all together are not.
		{"dripping recipients", drip("RCPT", "250"), "rcpt/timed-out", time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &testkit.MX{Script: tt.script}
				defer m.Close()
				began := time.Now()
				c, err := connect(t, m, Options{})
				var results []Result
				if err != nil {
					results = []Result{{Err: asError(t, err)}}
				} else {
					var to []string
					for i := range 20 {
						to = append(to, fmt.Sprintf("b%d@example.org", i))
					}
					results = c.Send(t.Context(), letter(t, "x\r\n", to...))
				}
				if got := summary(results[len(results)-1:]); got != tt.want {
					t.Errorf("result = %s, want %s", got, tt.want)
				}
				if took := time.Since(began); took != tt.after {
					t.Errorf("it took %v, want %v", took, tt.after)
				}
			})
		})
	}
}

// TestPeerThatDoesNotRead takes a part of the content and no more.
func TestPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		m := &testkit.MX{Script: func(s testkit.Step) testkit.Action {
			if s.At == "BODY" {
				<-release
				return testkit.Action{Drop: true}
			}
			return testkit.Action{}
		}}
		c := mustConnect(t, m, Options{})
		began := time.Now()
		results := c.Send(t.Context(), letter(t, strings.Repeat("a line of a long message\r\n", 10_000), "b@example.org"))
		if got := summary(results); got != "body/timed-out" || time.Since(began) != 3*time.Minute {
			t.Errorf("%s after %v, want body/timed-out after 3m", got, time.Since(began))
		}
		close(release)
		m.Close()
	})
}

func TestCancel(t *testing.T) {
	for _, tt := range []struct{ at, want string }{
		{"MAIL", "mail/canceled"}, {"END", "end/canceled?"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		m := &testkit.MX{Script: func(s testkit.Step) testkit.Action {
			if s.At == tt.at {
				cancel()
				return testkit.Action{Hang: true}
			}
			return testkit.Action{}
		}}
		c := mustConnect(t, m, Options{})
		if got := summary(c.Send(ctx, letter(t, "x\r\n", "b@example.org"))); got != tt.want {
			t.Errorf("canceled at %s: %s, want %s", tt.at, got, tt.want)
		}
		if c.Usable() {
			t.Errorf("canceled at %s: still usable", tt.at)
		}
	}
}

func TestCanceledBefore(t *testing.T) {
	m := &testkit.MX{}
	c := mustConnect(t, m, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := summary(c.Send(ctx, letter(t, "x\r\n", "b@example.org"))); got != "mail/canceled" || len(m.Received()) != 0 {
		t.Errorf("results = %s, want mail/canceled", got)
	}
}

// failing is a body that cannot be read to its end.
type failing struct{ io.Reader }

func (failing) Close() error { return nil }

func TestLargeBody(t *testing.T) {
	m := &testkit.MX{Extensions: testkit.AllExtensions()}
	c := mustConnect(t, m, Options{})
	text := strings.Repeat(".line\r\n", 50_000)
	letter := letter(t, "", "b@example.org")
	letter.Large = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	if got := summary(c.Send(t.Context(), letter)); got != "250" {
		t.Fatalf("results = %s", got)
	}
	if got := m.Received()[0].Data; got != "Subject: x\r\n\r\n"+text {
		t.Errorf("content of %d octets differs, want %d", len(got), len(text)+14)
	}
	// A body that breaks off must not be taken for complete.
	letter.Large = func() (io.ReadCloser, error) {
		return failing{io.MultiReader(strings.NewReader(text), iotestErr{})}, nil
	}
	if got := summary(c.Send(t.Context(), letter)); got != "body/local" {
		t.Errorf("results = %s, want body/local", got)
	}
	c.Close()
	m.Close()
	if n := len(m.Received()); n != 1 || c.Usable() {
		t.Errorf("%d messages taken, usable %v; want 1 and false", n, c.Usable())
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, errors.New("disk") }

// TestProceed: a message that is not to be sent any more is not taken by the
// peer, wherever that turns out.
func TestProceed(t *testing.T) {
	for asked := 1; asked <= 3; asked++ {
		m := &testkit.MX{Extensions: testkit.AllExtensions()}
		c := mustConnect(t, m, Options{})
		l := letter(t, strings.Repeat("a line of many\r\n", 50_000), "b@example.org")
		n := 0
		l.Proceed = func() bool { n++; return n < asked }
		r := c.Send(t.Context(), l)[0]
		c.Close()
		m.Close()
		taken := len(m.Received())
		switch {
		case asked < 3 && (taken != 0 || r.Err == nil || r.Err.Problem != Canceled || r.Err.MaybeDelivered() || c.Usable()):
			t.Errorf("no at question %d: taken %d times, %v", asked, taken, r.Err)
		case asked == 3 && (taken != 1 || r.Err != nil || n != 2):
			t.Errorf("always yes: taken %d times, %v, asked %d times", taken, r.Err, n)
		}
	}
}
