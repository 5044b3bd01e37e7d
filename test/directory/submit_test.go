package directory

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"countersign/internal/sink"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// box is a recipient's server: it keeps what comes.
type box struct {
	mu   sync.Mutex        // guards came
	came map[string]string // by subject
}

// newBox starts one, and returns where it listens.
func newBox(t testing.TB) (b *box, address string) {
	t.Helper()
	b = &box{came: map[string]string{}}
	hop, err := sink.Listen("127.0.0.1:0", b.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	return b, hop.Addr()
}

func (b *box) take(m sink.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, rest, _ := strings.Cut(string(m.Data), "\r\nSubject: ")
	subject, _, _ := strings.Cut(rest, "\r\n")
	if strings.HasPrefix(subject, "not yet") {
		return errors.New("come again")
	}
	b.came[subject] = string(m.Data)
	return nil
}

// all returns what has come, by subject.
func (b *box) all() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.came)
}

// login logs in on a new connection and returns it with the last reply.
func (g *gate) login(t testing.TB, mechanism, login, password string) (c *talk.Client, reply string) {
	t.Helper()
	c = talk.Open(t, g.Gate)
	return c, c.Auth(c.By(mechanism, talk.Key{Login: login, Password: password}))
}

// tries logs in as login does and leaves.
func (g *gate) tries(t testing.TB, mechanism, login, password string) (reply string) {
	t.Helper()
	c, reply := g.login(t, mechanism, login, password)
	c.Raw.Close()
	return reply
}

// refuses wants a login to be refused for good.
func (g *gate) refuses(t testing.TB, mechanism, login, password string) {
	t.Helper()
	c, reply := g.login(t, mechanism, login, password)
	c.IsRefused(mechanism+" of "+login, reply)
	c.Raw.Close()
}

// sends logs in by a mechanism and sends a message, which has to arrive.
func (g *gate) sends(t testing.TB, mechanism string) {
	t.Helper()
	c, reply := g.login(t, mechanism, live, livePassword)
	if !strings.HasPrefix(reply, "235 ") {
		t.Fatalf("%s: %s", mechanism, reply)
	}
	g.mails++
	subject := fmt.Sprintf("%s, the message %d", mechanism, g.mails)
	talk.Accepted(t, c.SubmitAs(live, "b@example.com", talk.MessageOf(live, subject, "text")))
	c.Say("QUIT", "221 ")
	harness.WaitFor(t, "the message by "+mechanism, func() bool { return g.box.all()[subject] != "" })
}
