package app

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/loadgen"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/sink"
	"countersign/internal/testkit"
)

// jumping is a clock that runs, and is set by hand while it does. The zero
// value is right.
type jumping struct{ off atomic.Int64 }

func (j *jumping) now() time.Time { return time.Now().Add(time.Duration(j.off.Load())) }

// set makes the clock wrong by that much.
func (j *jumping) set(off time.Duration) { j.off.Store(int64(off)) }

// The wrong times that these tests know: a virtual machine that went on from
// an old state, and a date that was mistyped.
const (
	back    = -2 * time.Hour
	forward = 10 * 24 * time.Hour
)

// mailbox is what a next hop has taken, counted by subject, reports by the
// recipient that they are about. It refuses for now what refuse names.
type mailbox struct {
	mu     sync.Mutex // guards what follows
	got    map[string]int
	refuse map[string]bool
}

var (
	subjectOf = regexp.MustCompile(`(?m)^Subject: (.+)\r$`)
)

func newMailbox() *mailbox { return &mailbox{got: map[string]int{}, refuse: map[string]bool{}} }

func (m *mailbox) take(msg sink.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := "none"
	if match := subjectOf.FindSubmatch(msg.Data); match != nil {
		name = string(match[1])
	}
	if m.refuse[name] {
		return errors.New("not now")
	}
	if msg.From == "" {
		name = "report"
	}
	m.got[name]++
	return nil
}

func (m *mailbox) count(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.got[name]
}

func (m *mailbox) refusing(name string, yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse[name] = yes
}

// newTimed starts a gate with that clock, and waits between attempts of an hour.
func newTimed(t *testing.T, clock *jumping, box *mailbox) *world {
	t.Helper()
	return newWorldAt(t, clock.now, "[queue]\nretry = [\"1h\"]\nlifetime = \"5d\"\n[auth]\nremember = \"1h\"\n", box.take)
}

// until waits for a condition that the gate brings about.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	testkit.Until(t, what, done)
}

// talk is one session, step by step.
type talk struct {
	t    *testing.T
	conn *textproto.Conn
}

// talk opens a session as the world's account.
func (w *world) talk(t *testing.T) *talk {
	t.Helper()
	o := w.load(1, 1)
	raw, err := tls.Dial("tcp", o.Address, o.TLS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	if err := raw.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	c := &talk{t: t, conn: textproto.NewConn(raw)}
	c.read(220)
	c.say(250, "EHLO client.example")
	c.say(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+testLogin+"\x00"+testPassword)))
	return c
}

func (c *talk) read(code int) string {
	c.t.Helper()
	_, text, err := c.conn.ReadResponse(code)
	if err != nil {
		c.t.Fatalf("want %d: %v", code, err)
	}
	return text
}

func (c *talk) say(code int, line string) string {
	c.t.Helper()
	if err := c.conn.PrintfLine("%s", line); err != nil {
		c.t.Fatal(err)
	}
	return c.read(code)
}

// submit submits a message; between is called at each point of its way. It
// returns the id in the 250.
func (c *talk) submit(subject string, between func(step int)) mail.ID {
	c.t.Helper()
	between(0)
	c.say(250, "MAIL FROM:<"+testLogin+">")
	between(1)
	c.say(250, "RCPT TO:<b@example.com>")
	between(2)
	c.say(354, "DATA")
	between(3)
	c.write("From: <" + testLogin + ">\r\nSubject: " + subject + "\r\n\r\nfirst half\r\n")
	between(4)
	c.write("second half\r\n")
	words := strings.Fields(c.say(250, "."))
	return mail.ID(words[len(words)-1])
}

func (c *talk) write(text string) {
	c.t.Helper()
	_, err := io.WriteString(c.conn.W, text)
	if err == nil {
		err = c.conn.W.Flush()
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// TestClockIsSetWhileASessionSends sets the clock at every point of a message
// on its way: back, far forward, and right again. The session goes on, each
// message arrives once, and ids are in the order in which they were given.
func TestClockIsSetWhileASessionSends(t *testing.T) {
	clock, box := &jumping{}, newMailbox()
	w := newTimed(t, clock, box)
	c := w.talk(t)
	var ids []mail.ID
	var subjects []string
	for _, wrong := range []time.Duration{back, forward} {
		for at := range 5 {
			subject := fmt.Sprintf("wrong by %v at %d", wrong, at)
			subjects = append(subjects, subject, "after "+subject)
			ids = append(ids, c.submit(subject, func(step int) {
				if step == at {
					clock.set(wrong)
				}
			}))
			ids = append(ids, c.submit("after "+subject, func(step int) {
				if step == at {
					clock.set(0)
				}
			}))
		}
	}
	c.say(250, "NOOP")
	c.say(221, "QUIT")
	// What was accepted while the clock stood in the future is due when it is
	// then; by now that is past.
	clock.set(forward + time.Hour)
	for _, s := range subjects {
		until(t, s, func() bool { return box.count(s) > 0 })
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("the ids do not rise: %q", ids)
	}
	w.nothingWaits(t)
	for _, s := range subjects {
		if n := box.count(s); n != 1 {
			t.Errorf("%s arrived %d times", s, n)
		}
	}
	w.recorded(t, ids)
}

// nothingWaits waits until the queue is empty.
func (w *world) nothingWaits(t *testing.T) {
	t.Helper()
	until(t, "an empty queue", func() bool {
		items, err := w.app.Store().List(t.Context(), queue.Filter{})
		return err == nil && len(items) == 0
	})
}

// recorded wants each submission in the record: accepted once and then
// delivered once.
func (w *world) recorded(t *testing.T, ids []mail.ID) {
	t.Helper()
	if err := w.app.recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		events, err := w.app.Store().Search(t.Context(), audit.Query{Submission: id})
		if err != nil {
			t.Fatal(err)
		}
		var kinds []audit.Kind
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		if !slices.Equal(kinds, []audit.Kind{audit.Accepted, audit.DeliveryDelivered}) {
			t.Errorf("the record of %s is %v", id, kinds)
		}
	}
}

// TestClockIsSetUnderLoad sets the clock to and fro while clients send over
// several connections: no 250 is lost, none is refused, nothing comes twice.
func TestClockIsSetUnderLoad(t *testing.T) {
	clock := &jumping{}
	var mu sync.Mutex // guards got
	got := map[int]int{}
	w := newWorldAt(t, clock.now, "[session]\nmax_messages = 1000\n", func(m sink.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if n, ok := loadgen.Number(m.Data); ok {
			got[n]++
		}
		return nil
	})
	const messages = 120
	o := w.load(messages, 4)
	o.Size, o.PerConnection = 2000, 10 // so that logins happen too
	wrong := []time.Duration{back, forward, 0, back, 2 * forward, forward, 0}
	answered := atomic.Int64{}
	o.Ledger = func(_ int, ok bool, _ string) {
		if ok {
			n := int(answered.Add(1))
			clock.set(wrong[n/8%len(wrong)])
		}
	}
	res, err := loadgen.Run(t.Context(), o)
	if err != nil || res.Accepted != messages || res.Failed != 0 || len(res.Rejections) != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	clock.set(3 * forward)
	w.nothingWaits(t)
	mu.Lock()
	defer mu.Unlock()
	for n := 1; n <= messages; n++ {
		if got[n] != 1 {
			t.Errorf("message %d was acknowledged and arrived %d times", n, got[n])
		}
	}
}

// TestClockIsSetWhileADeliveryWaits: set back, the clock makes a delivery that
// waits for its next attempt neither spin nor be given up; set forward beyond
// the wait there is one attempt, and beyond the lifetime one report.
func TestClockIsSetWhileADeliveryWaits(t *testing.T) {
	clock, box := &jumping{}, newMailbox()
	w := newTimed(t, clock, box)
	box.refusing("late", true)
	box.refusing("never", true)
	attempts := func(id mail.ID) int {
		items, err := w.app.Store().List(t.Context(), queue.Filter{Submission: id})
		if err != nil || len(items) != 1 {
			t.Fatalf("%s waits as %+v, %v", id, items, err)
		}
		return items[0].Delivery.Attempts
	}
	send := func(subject string) mail.ID {
		id, err := w.send("From: <" + testLogin + ">\r\nSubject: " + subject + "\r\n\r\nx\r\n")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	late, never := send("late"), send("never")
	until(t, "both to be deferred", func() bool { return attempts(late) == 1 && attempts(never) == 1 })

	clock.set(back)
	// A message that goes through shows that the queue has been looked at.
	send("meanwhile")
	until(t, "the message behind", func() bool { return box.count("meanwhile") == 1 })
	if attempts(late) != 1 || attempts(never) != 1 {
		t.Error("an attempt was made before its time")
	}

	clock.set(90 * time.Minute) // the wait is over
	until(t, "the second attempts", func() bool { return attempts(late) == 2 && attempts(never) == 2 })

	box.refusing("late", false)
	clock.set(forward) // and so is the lifetime
	until(t, "the late message and a report on the other", func() bool {
		return box.count("late") == 1 && box.count("report") == 1
	})
	w.nothingWaits(t)
	if box.count("late") != 1 || box.count("never") != 0 || box.count("report") != 1 {
		t.Errorf("in the end there arrived %v", box.got)
	}
}

// TestClockIsSetBetweenLogins: what is remembered of passwords and accounts
// under one time is not believed longer under another. A right password gets
// in, a wrong, an old one and a suspended account never do, and an open session
// feels the change.
func TestClockIsSetBetweenLogins(t *testing.T) {
	clock, box := &jumping{}, newMailbox()
	w := newTimed(t, clock, box)
	address, err := mail.ParseAddress(testLogin)
	if err != nil {
		t.Fatal(err)
	}
	// in reports whether a login and a message by that password pass, and wants
	// nothing but the one refusal of logins otherwise.
	in := func(password string) bool {
		o := w.load(1, 1)
		o.Password = password
		_, err := loadgen.SendOne(context.WithoutCancel(t.Context()), o, []byte("From: <"+testLogin+">\r\n\r\nx\r\n"))
		if err != nil && !strings.HasPrefix(err.Error(), "535 5.7.8 ") {
			t.Errorf("the answer is %v", err)
		}
		return err == nil
	}
	old := testPassword
	for round, wrong := range []time.Duration{0, back, forward, 0} {
		clock.set(wrong)
		first, again := in(old), in(old)
		if !first || !again || in("wrong") {
			t.Errorf("with the clock wrong by %v logins are judged wrongly", wrong)
		}
		changed := fmt.Sprintf("a changed test password %d", round)
		if err := w.app.Admin("test").SetPassword(t.Context(), address, changed, false); err != nil {
			t.Fatal(err)
		}
		if in(old) || !in(changed) {
			t.Errorf("with the clock wrong by %v a changed password is not felt", wrong)
		}
		old = changed
	}

	if err := w.app.Admin("test").SetPassword(t.Context(), address, testPassword, false); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []time.Duration{back, forward, 0} {
		c := w.talk(t)
		c.submit("before", func(int) {})
		clock.set(wrong)
		w.suspendAndFeel(t, c, address)
	}
}

// suspendAndFeel suspends the account, wants the open session to be refused
// within a second, give or take what a busy machine adds, and resumes it.
func (w *world) suspendAndFeel(t *testing.T, c *talk, address mail.Address) {
	t.Helper()
	admin := w.app.Admin("test")
	if err := admin.SuspendAccount(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	refused := false
	until(t, "the suspension to be felt", func() bool {
		if err := c.conn.PrintfLine("MAIL FROM:<%s>", testLogin); err != nil {
			t.Fatal(err)
		}
		code, _, err := c.conn.ReadResponse(0)
		refused = err == nil && code == 421
		if !refused {
			c.say(250, "RSET")
		}
		return refused
	})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a suspension was felt after %v", took)
	}
	if err := admin.ResumeAccount(t.Context(), address); err != nil {
		t.Fatal(err)
	}
}
