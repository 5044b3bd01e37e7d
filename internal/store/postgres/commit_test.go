package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/postgres/hot"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/testkit/pgcluster"
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

// load is workers that accept messages, and deliver every second one, until they
// are told to stop. Nothing may fail.
type load struct {
	t       *testing.T
	s       *Store
	stop    chan struct{}
	working sync.WaitGroup

	mu      sync.Mutex // guards what follows
	waiting []mail.ID
	done    int
}

func startLoad(t *testing.T, s *Store) *load {
	l := &load{t: t, s: s, stop: make(chan struct{})}
	var ids mail.IDSource
	for range 8 {
		l.working.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop:
					return
				default:
				}
				if err := l.one(ids.New(), n%2 == 0); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return l
}

// one accepts a message and may deliver it.
func (l *load) one(id mail.ID, final bool) error {
	err := l.s.Accept(context.Background(), benchMessage(id, "", []byte("x"), 1))
	if err == nil && final {
		err = l.s.Report(context.Background(), delivered(id))
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done++
	if !final {
		l.waiting = append(l.waiting, id)
	}
	return nil
}

// progress waits until that many more messages are done.
func (l *load) progress(more int) {
	l.t.Helper()
	l.mu.Lock()
	least := l.done + more
	l.mu.Unlock()
	for deadline := time.Now().Add(time.Minute); ; {
		l.mu.Lock()
		now := l.done
		l.mu.Unlock()
		if now >= least || l.t.Failed() {
			return
		}
		if time.Now().After(deadline) {
			l.t.Errorf("%d of %d messages are done", now, least)
			return
		}
		if _, err := l.s.Generation(context.Background()); err != nil {
			l.t.Error(err)
		}
	}
}

// finish stops the workers and checks that all that was done is there, once.
func (l *load) finish() {
	l.t.Helper()
	close(l.stop)
	l.working.Wait()
	wantQueue(l.t, l.s, l.waiting...)
	if events, want := len(search(l.t, l.s, audit.Query{})), 2*l.done-len(l.waiting); events != want {
		l.t.Errorf("there are %d events, want %d", events, want)
	}
}

// openPatient opens a database for a test that makes its server go away.
func openPatient(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: url, Server: true, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestRestartsLoseAndDoubleNothing lets the server crash again and again under
// load.
func TestRestartsLoseAndDoubleNothing(t *testing.T) {
	c := pgcluster.Start(t, pgcluster.Options{NoSync: true, Prepare: prepare})
	l := startLoad(t, openPatient(t, c.Database(t)))
	for range 4 {
		l.progress(50)
		c.Restart(t, pgcluster.Immediate)
	}
	l.progress(50)
	l.finish()
}

// TestFailover kills the primary under load and makes its synchronous standby the
// new one.
func TestFailover(t *testing.T) {
	primary := pgcluster.Start(t, pgcluster.Options{NoSync: true, Prepare: prepare})
	first := primary.Database(t)
	standby := primary.Standby(t)
	one, err := url.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	other, err := url.Parse(standby.On(first))
	if err != nil {
		t.Fatal(err)
	}
	both := one.Query()
	both.Set("host", one.Query().Get("host")+","+other.Query().Get("host"))
	both.Set("port", one.Query().Get("port")+","+other.Query().Get("port"))
	both.Set("target_session_attrs", "read-write")
	one.RawQuery = both.Encode()
	l := startLoad(t, openPatient(t, one.String()))
	l.progress(50)
	primary.Kill(t)
	standby.Promote(t)
	l.progress(50)
	l.finish()
}

// TestReadOnlyForAWhile makes the server refuse to write under load, as a primary
// does that became a standby.
func TestReadOnlyForAWhile(t *testing.T) {
	c := pgcluster.Start(t, pgcluster.Options{NoSync: true, Prepare: prepare})
	l := startLoad(t, openPatient(t, c.Database(t)))
	l.progress(50)
	c.SetReadOnly(t, true)
	c.SetReadOnly(t, false)
	l.progress(50)
	l.finish()
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
		if !errors.Is(err, hot.ErrFenced) || !fault.Is(err, fault.Unavailable) {
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

// TestLostBodyIsNotAccepted takes the mark of a sealed body away, as a crash of
// the server between Seal and Accept can.
func TestLostBodyIsNotAccepted(t *testing.T) {
	s := openNew(t)
	var ids mail.IDSource
	write := func() queue.BodyFile {
		body, err := s.NewBody(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := body.Write(make([]byte, 600<<10)); err != nil {
			t.Fatal(err)
		}
		return body
	}
	exec := func(text string, args ...any) {
		err := s.db.Exclusive(t.Context(), "test", func(tx *server.Tx) error { return tx.Exec(text, sqlkit.Bind(args...)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	body := write()
	if err := body.Seal(); err != nil {
		t.Fatal(err)
	}
	exec("UPDATE body SET state = 1")
	m := benchMessage(ids.New(), "", nil, 1)
	m.Content.Body, m.Content.Large = nil, body
	good := benchMessage(ids.New(), "", nil, 1)
	results := make(chan error)
	go func() { results <- s.Accept(context.Background(), good) }()
	if err := s.Accept(t.Context(), m); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a lost body: %v", err)
	}
	if err := <-results; err != nil {
		t.Error(err)
	}
	wantQueue(t, s, good.Submission.ID)
	body = write()
	exec("DELETE FROM body_chunk WHERE n = 1")
	if err := body.Seal(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a lost piece: %v", err)
	}
}

// TestOldBodiesAreSwept lets time pass over bodies in each state.
func TestOldBodiesAreSwept(t *testing.T) {
	now := time.Now()
	var ahead atomic.Int64
	url := shared.Cluster(t).Database(t)
	s, err := Open(t.Context(), Options{URL: url, Now: func() time.Time { return now.Add(time.Duration(ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var ids mail.IDSource
	large := func(seal bool) queue.BodyFile {
		body, err := s.NewBody(t.Context())
		if err == nil {
			_, err = body.Write(make([]byte, 300<<10))
		}
		if err == nil && seal {
			err = body.Seal()
		}
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	large(false)
	large(true)
	var messages []mail.ID
	for range 2 {
		m := benchMessage(ids.New(), "", nil, 1)
		m.Content.Body, m.Content.Large = nil, large(true)
		if err := s.Accept(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m.Submission.ID)
	}
	if err := s.Report(t.Context(), delivered(messages[0])); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{time.Minute, "4 bodies, 7 pieces"}, {2 * time.Hour, "3 bodies, 5 pieces"}, {25 * time.Hour, "1 bodies, 2 pieces"}} {
		ahead.Store(int64(c.after))
		if err := s.bodies.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got [2]int64
		err := s.db.Read(t.Context(), "test", func(c *server.Conn) (err error) {
			for i, table := range []string{"body", "body_chunk"} {
				if got[i], _, err = c.Number(t.Context(), "SELECT count(*) FROM "+table, nil); err != nil {
					return err
				}
			}
			return nil
		})
		// Of the body that is being written one piece is stored.
		if text := fmt.Sprintf("%d bodies, %d pieces", got[0], got[1]); err != nil || text != c.want {
			t.Errorf("after %v there are %s, want %s (%v)", c.after, text, c.want, err)
		}
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
