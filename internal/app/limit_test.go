package app

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/sink"
	"countersign/internal/testkit"
)

// crowd is how many sessions send at once.
const crowd = 500

// TestLimitOverFiveHundredSessions: 500 sessions of one account, all logged in before any of them
// sends, want three times as many recipients as a limit has room for. Exactly N are accepted, which
// three recipients at a time do not make: who is told that the message is too much sends it to those
// for whom there is room, as clients do.
func TestLimitOverFiveHundredSessions(t *testing.T) {
	const room = crowd + 2 // 167 times 3, and one more
	w := newWorld(t, fmt.Sprintf(
		"[dkim]\nsign = false\n[delivery]\nenabled = false\n[session]\nmax_connections = %d\nmax_connections_per_prefix = %d\nmax_connections_per_wide_network = %d\n",
		2*crowd, 2*crowd, 2*crowd), func(sink.Message) error { return nil })
	account := limit.Subject{Kind: limit.Account, Name: testLogin}
	setLimits(t, w, account, limit.AwayOpen, fmt.Sprintf("recipients/day=%d", room))

	sessions := crowdOf(t, w)
	var accepted atomic.Int64
	together(t, func(i int) error {
		n, err := sendWhatFits(sessions[i], i)
		accepted.Add(int64(n))
		return err
	})
	if n := accepted.Load(); n != room {
		t.Errorf("the gate has accepted %d recipients, %d are allowed", n, room)
	}
	counters, at, err := w.app.store.Counted(t.Context(), []limit.Subject{account})
	if err != nil {
		t.Fatal(err)
	}
	if n := counters[0].Used(limit.Day, limit.Recipients, at); n != room {
		t.Errorf("%d recipients are counted, %d are allowed", n, room)
	}
	if n := w.recipients(); n != room {
		t.Errorf("%d recipients are stored, %d are allowed", n, room)
	}
}

// recipients counts those of all messages that the record has as accepted: that event is stored with
// the message.
func (w *world) recipients() (n int) {
	w.t.Helper()
	page, err := w.app.store.Search(context.Background(), audit.Query{Kind: audit.Accepted, Limit: 2 * crowd})
	for i := range page {
		of, wrong := strconv.Atoi(page[i].Data["recipients"])
		n, err = n+of, errors.Join(err, wrong)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// together has each session of the crowd do something, all at once from a common start on.
func together(t *testing.T, do func(i int) error) {
	t.Helper()
	var all sync.WaitGroup
	failed, start := make([]error, crowd), make(chan struct{})
	for i := range crowd {
		all.Go(func() {
			<-start
			failed[i] = do(i)
		})
	}
	close(start)
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatalf("%.2000s", err.Error())
	}
}

// crowdOf opens the sessions. The first logs in alone: then the password is known, and the others
// wait for no hash.
func crowdOf(t *testing.T, w *world) []*textproto.Conn {
	t.Helper()
	config := &tls.Config{
		RootCAs: testkit.Roots(t, filepath.Join(w.dir, "data", testkit.CAFile)), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	logIn := func() (*textproto.Conn, error) {
		raw, err := tls.Dial("tcp", w.app.Addresses()["submissions"], config)
		if err != nil {
			return nil, err
		}
		raw.SetDeadline(time.Now().Add(time.Minute))
		c := textproto.NewConn(raw)
		if _, _, err = c.ReadResponse(220); err == nil {
			err = wants(c, "EHLO client.example", 250)
		}
		if err == nil {
			err = wants(c, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+testLogin+"\x00"+testPassword)), 235)
		}
		return c, err
	}
	sessions := make([]*textproto.Conn, crowd)
	t.Cleanup(func() {
		for _, c := range sessions {
			if c != nil {
				c.Close()
			}
		}
	})
	var err error
	if sessions[0], err = logIn(); err != nil {
		t.Fatal(err)
	}
	together(t, func(i int) (err error) {
		if i > 0 {
			sessions[i], err = logIn()
		}
		return err
	})
	return sessions
}

// ask says a line, and returns the reply.
func ask(c *textproto.Conn, line string) (code int, text string, err error) {
	if err := c.PrintfLine("%s", line); err != nil {
		return 0, "", err
	}
	return c.ReadResponse(0)
}

// wants says a line, which must be answered with a code.
func wants(c *textproto.Conn, line string, want int) error {
	code, text, err := ask(c, line)
	if err == nil && code != want {
		err = fmt.Errorf("%.40q was answered with %d %s", line, code, text)
	}
	return err
}

// sendWhatFits sends a message to three recipients, or to as many of them as the gate takes, again
// until it is accepted or no recipient is; it returns how many were.
func sendWhatFits(c *textproto.Conn, i int) (int, error) {
	for {
		n, err := envelopeThatFits(c, i)
		if err != nil || n == 0 {
			return 0, err
		}
		if err := wants(c, "DATA", 354); err != nil {
			return 0, err
		}
		code, text, err := ask(c, "From: <"+testLogin+">\r\nTo: <b@example.com>\r\nSubject: One of many\r\n\r\ntext\r\n.")
		switch {
		case err != nil:
			return 0, err
		case code == 250:
			return n, nil
		case !isOver(code, text):
			return 0, fmt.Errorf("the message was answered with %d %s", code, text)
		}
	}
}

// isOver reports whether a reply says that a limit has no room.
func isOver(code int, text string) bool { return code == 452 && strings.HasPrefix(text, "4.7.1 ") }

// envelopeThatFits says MAIL, and RCPT three times; it returns how many recipients the gate takes.
func envelopeThatFits(c *textproto.Conn, i int) (taken int, err error) {
	if err := wants(c, "MAIL FROM:<"+testLogin+">", 250); err != nil {
		return 0, err
	}
	for k := range 3 {
		code, text, err := ask(c, fmt.Sprintf("RCPT TO:<r%d.%d@example.com>", i, k))
		switch {
		case err != nil:
			return 0, err
		case code == 250:
			taken++
		case !isOver(code, text):
			return 0, fmt.Errorf("the recipient was answered with %d %s", code, text)
		}
	}
	if taken == 0 {
		err = wants(c, "RSET", 250)
	}
	return taken, err
}
