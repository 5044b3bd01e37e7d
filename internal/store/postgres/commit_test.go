package postgres

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/queue"
	"countersign/internal/store/postgres/hot"
	"countersign/internal/store/postgres/server"
)

// between stands between a store and its server and cuts connections.
type between struct {
	listener net.Listener
	server   string // the server's socket
	// cut, where set, looks at what passes: true cuts that connection before it
	// has passed, and looks no more.
	cut  atomic.Pointer[func(fromServer bool, data []byte) bool]
	cuts atomic.Int32
}

// standBetween returns the URL by which a database is reached through it.
func standBetween(t *testing.T, database string) (*between, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	name := ".s.PGSQL." + u.Query().Get("port")
	folder := t.TempDir()
	b := &between{server: filepath.Join(u.Query().Get("host"), name)}
	b.listener, err = net.Listen("unix", filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(b.serve)
	t.Cleanup(func() {
		b.listener.Close()
		serving.Wait()
	})
	q := u.Query()
	q.Set("host", folder)
	u.RawQuery = q.Encode()
	return b, u.String()
}

func (b *between) serve() {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer client.Close()
			server, err := net.Dial("unix", b.server)
			if err != nil {
				return
			}
			defer server.Close()
			var both sync.WaitGroup
			both.Go(func() { b.pass(client, server, true) })
			b.pass(server, client, false)
			both.Wait()
		})
	}
}

// pass copies until either end is closed.
func (b *between) pass(to, from net.Conn, fromServer bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 1<<20)
	for {
		n, err := from.Read(buffer)
		if cut := b.cut.Load(); n > 0 && cut != nil && (*cut)(fromServer, buffer[:n]) && b.cut.CompareAndSwap(cut, nil) {
			b.cuts.Add(1)
			return
		}
		if _, failed := to.Write(buffer[:n]); failed != nil || errors.Is(err, io.EOF) || err != nil {
			return
		}
	}
}

// TestBrokenCommits cuts the connection before the server has the last statements
// of a transaction, and before we have its answer to the commit: each message is
// stored once.
func TestBrokenCommits(t *testing.T) {
	marker := []byte("cut before these octets")
	for name, cut := range map[string]func(bool, []byte) bool{
		"before the commit": func(fromServer bool, data []byte) bool { return !fromServer && bytes.Contains(data, marker) },
		"before its answer": func(fromServer bool, data []byte) bool {
			return fromServer && bytes.Contains(data, []byte("COMMIT\x00"))
		},
		"before the first answer": func(fromServer bool, data []byte) bool {
			return fromServer && bytes.Contains(data, []byte("BEGIN\x00"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			direct := shared.Cluster(t).Database(t)
			b, through := standBetween(t, direct)
			s := openAt(t, through, true)
			var ids mail.IDSource
			first := benchMessage(ids.New(), "", []byte("x"), 1)
			if err := s.Accept(t.Context(), first); err != nil { // the statements are known from now on
				t.Fatal(err)
			}
			b.cut.Store(&cut)
			second := benchMessage(ids.New(), "", marker, 2)
			if err := s.Accept(t.Context(), second); err != nil {
				t.Fatal(err)
			}
			b.cut.Store(&cut)
			if err := s.Report(t.Context(), delivered(first.Submission.ID)); err != nil {
				t.Fatal(err)
			}
			if name != "before the commit" && b.cuts.Load() != 2 || b.cuts.Load() == 0 {
				t.Errorf("%d connections were cut", b.cuts.Load())
			}
			b.cut.Store(nil)
			wantQueue(t, s, second.Submission.ID)
			if events := search(t, s, audit.Query{}); len(events) != 3 {
				t.Errorf("there are %d events, want 3", len(events))
			}
		})
	}
}

func search(t *testing.T, s *Store, q audit.Query) []audit.Event {
	t.Helper()
	q.Limit = 1 << 20
	events, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// wantQueue checks what waits, and that the totals agree.
func wantQueue(t *testing.T, s *Store, ids ...mail.ID) {
	t.Helper()
	items, err := s.List(t.Context(), queue.Filter{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	waits := map[mail.ID]bool{}
	for _, item := range items {
		waits[item.Submission.ID] = true
	}
	for _, id := range ids {
		if !waits[id] {
			t.Errorf("%s does not wait", id)
		}
	}
	stats, err := s.Stats(t.Context())
	if err != nil || len(items) != len(ids) || stats.Queued+stats.Deferred+stats.Held != len(ids) {
		t.Errorf("%d deliveries wait, the totals say %+v, want %d (%v)", len(items), stats, len(ids), err)
	}
}

// TestReplacedNodeStoresNothing lets another process take the node over.
func TestReplacedNodeStoresNothing(t *testing.T) {
	s := openNew(t)
	var ids mail.IDSource
	kept := benchMessage(ids.New(), "", []byte("x"), 1)
	if err := s.Accept(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	err := s.db.Exclusive(t.Context(), "test", func(tx *server.Tx) error { return tx.Exec("UPDATE node SET epoch = epoch + 1", nil) })
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"accept": s.Accept(t.Context(), benchMessage(ids.New(), "", []byte("x"), 1)),
		"report": s.Report(t.Context(), delivered(kept.Submission.ID)),
		"append": s.Append(t.Context(), kept.Events),
	} {
		if !errors.Is(err, hot.ErrFenced) || !fault.Is(err, fault.Fenced) {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantQueue(t, s, kept.Submission.ID)
	if events := search(t, s, audit.Query{}); len(events) != 1 {
		t.Errorf("there are %d events", len(events))
	}
}

// TestOneProcessIsTheNode opens a database as the same node twice.
func TestOneProcessIsTheNode(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	first := openAt(t, url, true)
	if _, err := Open(t.Context(), Options{URL: url, Server: true}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second process: %v", err)
	}
	openAt(t, url, false) // a command
	other, err := Open(t.Context(), Options{URL: url, Server: true, Node: "2"})
	if err != nil {
		t.Fatal(err)
	}
	var ids mail.IDSource
	ours, theirs := benchMessage(ids.New(), "", nil, 1), benchMessage(ids.New(), "", nil, 1)
	if err := errors.Join(first.Accept(t.Context(), ours), other.Accept(t.Context(), theirs)); err != nil {
		t.Fatal(err)
	}
	// Each delivers its own, and a report on another's changes nothing.
	due, err := other.Due(t.Context(), time.Now(), queue.Position{}, 10)
	if err != nil || len(due) != 1 || due[0].Submission.ID != theirs.Submission.ID {
		t.Errorf("%d are due, %v", len(due), err)
	}
	if err := other.Report(t.Context(), delivered(ours.Submission.ID)); err != nil {
		t.Fatal(err)
	}
	wantQueue(t, first, ours.Submission.ID, theirs.Submission.ID)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTotalsArePutTogether runs more transactions than totals are kept of.
func TestTotalsArePutTogether(t *testing.T) {
	s := openNew(t)
	var ids mail.IDSource
	var waiting []mail.ID
	for n := range 600 {
		m := benchMessage(ids.New(), "", []byte("x"), n)
		if err := s.Accept(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, m.Submission.ID)
	}
	wantQueue(t, s, waiting...)
	var rows int64
	err := s.db.Read(t.Context(), "test", func(c *server.Conn) (err error) {
		rows, _, err = c.Number(t.Context(), "SELECT count(*) FROM queue_total", nil)
		return err
	})
	if err != nil || rows > 300 {
		t.Errorf("the totals have %d rows, %v", rows, err)
	}
}

// TestFullDisk fills the disk that the database is on: messages are refused as
// fault.Full, and accepted again once there is room.
func TestFullDisk(t *testing.T) {
	url, disk := shared.Cluster(t).DatabaseOnDisk(t, 32<<20)
	s := openAt(t, url, true)
	var ids mail.IDSource
	body := make([]byte, queue.InlineMax)
	disk.Fill(t)
	var accepted []mail.ID
	for n := 0; ; n++ {
		m := benchMessage(ids.New(), "", body, n)
		err := s.Accept(t.Context(), m)
		if fault.Is(err, fault.Full) {
			break
		}
		if err != nil || n == 1000 {
			t.Fatalf("message %d: %v", n, err)
		}
		accepted = append(accepted, m.Submission.ID)
	}
	large, err := s.NewBody(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := large.Write(make([]byte, 1<<20)); !fault.Is(err, fault.Full) {
		t.Errorf("a large body on a full disk: %v", err)
	}
	disk.Free(t)
	again := benchMessage(ids.New(), "", body, 1)
	if err := s.Accept(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	wantQueue(t, s, append(accepted, again.Submission.ID)...)
}

// TestBrokenChangeOfAccounts cuts the connection before the answer to the commit
// of an administrator's change, which says that it is not known what became of it,
// and before the server has it, which is made again.
func TestBrokenChangeOfAccounts(t *testing.T) {
	b, through := standBetween(t, shared.Cluster(t).Database(t))
	s := openAt(t, through, true)
	put := func(name string) error { return s.PutPlan(t.Context(), planOf(name), audit.Event{}) }
	if err := put("first"); err != nil {
		t.Fatal(err)
	}
	answer := func(fromServer bool, data []byte) bool {
		return fromServer && bytes.Contains(data, []byte("COMMIT\x00"))
	}
	b.cut.Store(&answer)
	if err := put("second"); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "look whether it was") {
		t.Errorf("without an answer: %v", err)
	}
	statement := func(fromServer bool, data []byte) bool { return !fromServer && bytes.Contains(data, []byte("third")) }
	b.cut.Store(&statement)
	if err := put("third"); err != nil {
		t.Errorf("cut before the commit: %v", err)
	}
	plans, err := s.Plans(t.Context(), account.Part{})
	if err != nil || len(plans) != 3 || b.cuts.Load() != 2 {
		t.Errorf("there are %d plans after %d cuts, %v", len(plans), b.cuts.Load(), err)
	}
}

func planOf(name string) account.Plan { return account.Plan{Name: name, State: account.Active} }

// TestTextThatTheServerDoesNotTake stores what is not UTF-8 and what has NUL in it.
func TestTextThatTheServerDoesNotTake(t *testing.T) {
	s := openNew(t)
	event := audit.Event{Kind: audit.AuthFailed, Login: "a\xffb", Text: "x\x00y", Data: map[string]string{"from": "a@b.example", "text": "\x00\xff"}}
	if err := s.Append(t.Context(), []audit.Event{event}); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]audit.Query{"all": {}, "from": {From: mail.Address{Local: "A", Domain: "b.example"}}, "login": {Login: "a\xffb"}} {
		found := search(t, s, q)
		if len(found) != 1 || found[0].Login != "a\ufffdb" || found[0].Text != "x\ufffdy" || found[0].Data["text"] != "\ufffd\ufffd" {
			t.Errorf("%s: got %+v", name, found)
		}
	}
	m := benchMessage("M", "", []byte("\x00\xff"), 1)
	m.Submission.Envelope.EnvelopeID = "\x00"
	if err := s.Accept(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if content, err := s.Content(t.Context(), "M"); err != nil || string(content.Body) != "\x00\xff" {
		t.Errorf("the body is %q, %v", content.Body, err)
	}
}

// TestUnknownCommit cuts the connection before the answer to the commit, and lets
// another process take the node over and put totals together before the first can
// ask: nothing tells any more what became of it, so the answer is neither yes nor no.
func TestUnknownCommit(t *testing.T) {
	direct := shared.Cluster(t).Database(t)
	b, through := standBetween(t, direct)
	s := openAt(t, through, true)
	var ids mail.IDSource
	first := benchMessage(ids.New(), "", []byte("x"), 1)
	if err := s.Accept(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	other := openAt(t, direct, false)
	takeOver := func(fromServer bool, data []byte) bool {
		if !fromServer || !bytes.Contains(data, []byte("COMMIT\x00")) {
			return false
		}
		err := other.db.Change(context.Background(), "test", func(tx *server.Tx) error {
			return tx.Exec("UPDATE node SET lease_until = 1", nil)
		})
		if err == nil {
			_, err = other.Join(context.Background(), node.Node{ID: "1"}, time.Hour)
		}
		for n := 0; err == nil && n < 2*256; n++ { // more than totals are kept of
			err = other.Append(context.Background(), []audit.Event{{Kind: audit.ServerStarted}})
		}
		if err != nil {
			t.Error(err)
		}
		return true
	}
	b.cut.Store(&takeOver)
	second := benchMessage(ids.New(), "", []byte("x"), 1)
	err := s.Accept(t.Context(), second)
	if !fault.Is(err, fault.Fenced) || !errors.Is(err, hot.ErrUnknown) || !strings.Contains(err.Error(), "not known") {
		t.Errorf("got %v, want that it is not known", err)
	}
	if b.cuts.Load() != 1 {
		t.Fatalf("%d connections were cut", b.cuts.Load())
	}
	wantQueue(t, other, first.Submission.ID, second.Submission.ID) // it was made
	if err := s.Report(t.Context(), delivered(first.Submission.ID)); !fault.Is(err, fault.Fenced) || errors.Is(err, hot.ErrUnknown) {
		t.Errorf("the next: %v, want what is known not to be stored", err)
	}
}
