package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
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
	"countersign/internal/limit/usage"
	"countersign/internal/node"
	"countersign/internal/sink"
	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
)

// crowd is how many sessions send at once.
const crowd = 500

// onEitherStore are the gates of a test: one with SQLite, and two that have one PostgreSQL.
var onEitherStore = map[string]func(t *testing.T, dkim, rest string) []*world{
	"SQLite": func(t *testing.T, dkim, rest string) []*world {
		return []*world{newWorld(t, "[dkim]\n"+dkim+rest, func(sink.Message) error { return nil })}
	},
	"PostgreSQL": func(t *testing.T, dkim, rest string) []*world {
		url, accept := pgcluster.Start(t, pgcluster.Options{NoSync: true}).Database(t), func(sink.Message) error { return nil }
		store := func(gate string) string {
			return strings.Replace(onPostgres(url, gate), "[store]\n", "[store]\npatience = \"1m\"\n", 1) // all want the same counter at once
		}
		one := newWorld(t, "[dkim]\n"+dkim+rest+store("gate-1"), accept)
		key := fmt.Sprintf("key_file = %q\n", filepath.Join(one.dir, "data", "seal.key"))
		return []*world{one, startWorld(t, time.Now, "[dkim]\n"+key+dkim+rest+store("gate-2"), accept)}
	},
}

// TestLimitOverFiveHundredSessions: 500 sessions of one account, all logged in before any of them
// sends, want three times as many recipients as a limit has room for. Exactly N are accepted, which
// three recipients at a time do not make: who is told that the message is too much sends it to those
// for whom there is room, as clients do.
func TestLimitOverFiveHundredSessions(t *testing.T) {
	for name, gates := range onEitherStore {
		t.Run(name, func(t *testing.T) {
			limitOverCrowd(t, gates(t, "sign = false\n", fmt.Sprintf(
				"[delivery]\nenabled = false\n[session]\nmax_connections = %d\nmax_connections_per_prefix = %d\nmax_connections_per_wide_network = %d\n", 2*crowd, 2*crowd, 2*crowd)))
		})
	}
}

func limitOverCrowd(t *testing.T, gates []*world) {
	const room = crowd + 2 // 167 times 3, and one more
	w := gates[0]
	account := limit.Subject{Kind: limit.Account, Name: testLogin}
	for _, each := range gates {
		setLimits(t, each, account, limit.AwayOpen, fmt.Sprintf("recipients/day=%d", room))
	}
	sessions := crowdOf(t, gates)
	var accepted atomic.Int64
	together(t, func(i int) error {
		n, err := sendWhatFits(sessions[i], i)
		accepted.Add(int64(n))
		return err
	})
	if n := accepted.Load(); n != room {
		t.Errorf("%d recipients were accepted, %d are allowed", n, room)
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

// TestRefusedCountsNowhere: a message to 200 recipients that one limit refuses at the end of its content
// leaves every counter of every level where it was, and the next one, at another gate, finds nothing used.
func TestRefusedCountsNowhere(t *testing.T) {
	for name, gates := range onEitherStore {
		t.Run(name, func(t *testing.T) {
			refusedNowhere(t, gates(t, "", "[delivery]\nenabled = false\n[session]\nmax_recipients = 200\n"))
		})
	}
}

func refusedNowhere(t *testing.T, gates []*world) {
	const limits = "messages/hour=900 messages/day=900 recipients/hour=900 recipients/day=900 bytes/hour=9MiB bytes/day=9MiB"
	w, last := gates[0], gates[len(gates)-1]
	all := 0
	know := func(of limit.Subject, texts ...string) {
		t.Helper()
		setLimits(t, w, of, limit.AwayOpen, texts...)
		all += len(texts)
		for _, each := range gates {
			each.until("the limits", func() bool { return each.app.limited.Len() == all })
		}
	}
	know(limit.Subject{Kind: limit.Account, Name: testLogin}, append(strings.Fields(limits), "new-recipients/hour=900", "new-recipients/day=900")...)
	for _, of := range []limit.Subject{
		{Kind: limit.Domain, Name: string(testkit.Domain)}, {Kind: limit.Customer, Name: limit.Each}, {Kind: limit.Network, Name: limit.Each}, {Kind: limit.Node, Name: limit.Each}, {Kind: limit.Everything},
	} {
		know(of, strings.Fields(limits)...)
	}
	used := func(messages, recipients int64) {
		t.Helper()
		rows, err := usage.Of(t.Context(), last.app.store, testLogin, netip.MustParseAddr("127.0.0.1"), time.Now())
		if err != nil || len(rows) < all {
			t.Fatalf("%d limits are shown, %d are set: %v", len(rows), all, err)
		}
		for _, r := range rows {
			want := map[string]int64{"messages": messages, "recipients": recipients, "new-recipients": recipients, "bytes": r.Used}[r.Limit[:strings.IndexByte(r.Limit, '/')]]
			if r.Kind == limit.Node.String() && r.Name != cmp.Or(last.app.nodeID(), node.Only) {
				want = 0
			}
			if r.Used != want || (r.Used > 0) != (want > 0 && recipients > 0) {
				t.Errorf("%s %s: %d used, want %d", r.Label, r.Limit, r.Used, want)
			}
		}
	}
	refuses := limit.Subject{Kind: limit.Domain, Name: string(testkit.Domain)}
	know(refuses, "recipients/month=150", "messages/minute=5")
	first := openDialogue(t, w)
	first.want(first.login(), "235")
	first.want(first.sends(200), "550 5.7.1 The message is over a sending limit: 150 recipients in a month for domain "+string(testkit.Domain)+", 0 used, 200 more wanted")
	used(0, 0)
	other := openDialogue(t, last)
	other.want(other.login(), "235")
	other.want(other.sends(3), "250")
	used(1, 3)
}

// sends sends a message to so many recipients, and returns the answer.
func (d *dialogue) sends(recipients int) string {
	d.t.Helper()
	d.want(d.say("MAIL FROM:<"+testLogin+">"), "250")
	for i := range recipients {
		d.want(d.say(fmt.Sprintf("RCPT TO:<r%d@example.com>", i)), "250")
	}
	d.want(d.say("DATA"), "354")
	return d.say("From: <" + testLogin + ">\r\nTo: <b@example.com>\r\nSubject: To many\r\n\r\ntext\r\n.")
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

// crowdOf opens the sessions, as many at each gate. The first of each logs in alone: then the password
// is known, and the others wait for no hash.
func crowdOf(t *testing.T, gates []*world) []*textproto.Conn {
	t.Helper()
	configs := make([]*tls.Config, len(gates))
	for g, w := range gates {
		configs[g] = &tls.Config{
			RootCAs: testkit.Roots(t, filepath.Join(w.dir, "data", testkit.CAFile)), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}
	}
	logIn := func(g int) (*textproto.Conn, error) {
		raw, err := tls.Dial("tcp", gates[g].app.Addresses()["submissions"], configs[g])
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
	for g := range gates {
		var err error
		if sessions[g], err = logIn(g); err != nil {
			t.Fatal(err)
		}
	}
	together(t, func(i int) (err error) {
		if i >= len(gates) {
			sessions[i], err = logIn(i % len(gates))
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
		case code != 451 && !isOver(code, text): // 451 is of a store that has not come to it in time
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

// TestOverIsAskedAnew: what the gate knows of a limit that is used up is out of date once the rules have changed,
// also where nobody has sent in between and the number is the same again.
func TestOverIsAskedAnew(t *testing.T) {
	w := newWorld(t, "[dkim]\nsign = false\n[delivery]\nenabled = false\n", func(sink.Message) error { return nil })
	set := func(n int64) {
		t.Helper()
		setLimits(t, w, limit.Subject{Kind: limit.Account, Name: testLogin}, limit.AwayOpen, fmt.Sprintf("messages/day=%d", n))
		w.until("the gate to know the limit", func() bool {
			levels := w.app.limited.Levels(limit.Who{Account: testLogin})
			return len(levels) == 1 && levels[0].Limits[0].Max == n
		})
	}
	set(1)
	d := openDialogue(t, w)
	d.want(d.login(), "235")
	d.want(d.sends(1), "250")
	d.want(d.say("MAIL FROM:<"+testLogin+">"), "250")
	d.want(d.say("RCPT TO:<r0@example.com>"), "452")
	d.want(d.say("RSET"), "250")
	set(5)
	set(1)
	d.want(d.sends(1), "452")
	d.want(d.say("MAIL FROM:<"+testLogin+">"), "250")
	d.want(d.say("RCPT TO:<r0@example.com>"), "452")
}
