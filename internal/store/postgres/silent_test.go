package postgres

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/store/postgres/server"
	"countersign/internal/testkit/pgcluster"
)

// silence is a way to the server on which connections can fall silent: both ends stay
// open, and nothing passes any more, as where a machine lost its power.
type silence struct {
	listener net.Listener
	server   string
	// keep is how many octets of what has the marker do not pass.
	keep int
	// ended is closed by end.
	ended chan struct{}

	mu     sync.Mutex // guards what follows
	marker []byte     // what makes all connections silent when it passes to the server
	fallen chan struct{}
	gone   bool // and nobody comes back
	over   bool
	all    []net.Conn
}

// fallSilent returns the URL by which a database is reached through a silence.
func fallSilent(t *testing.T, database string) (*silence, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	name, folder := ".s.PGSQL."+u.Query().Get("port"), t.TempDir()
	s := &silence{server: filepath.Join(u.Query().Get("host"), name), keep: 30, ended: make(chan struct{}), fallen: make(chan struct{})}
	if s.listener, err = net.Listen("unix", filepath.Join(folder, name)); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := s.listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", s.server)
			s.mu.Lock()
			fallen, gone := s.fallen, s.gone
			if err != nil || gone {
				s.mu.Unlock()
				client.Close()
				continue
			}
			s.all = append(s.all, client, server)
			s.mu.Unlock()
			serving.Go(func() { s.pass(server, client, fallen, true) })
			serving.Go(func() { s.pass(client, server, fallen, false) })
		}
	})
	t.Cleanup(func() {
		s.listener.Close()
		s.end()
		serving.Wait()
	})
	q := u.Query()
	q.Set("host", folder)
	u.RawQuery = q.Encode()
	return s, u.String()
}

// fall makes the connections that exist silent. Later ones are not.
func (s *silence) fall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.fallen)
	s.fallen = make(chan struct{})
}

// end closes all connections.
func (s *silence) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		close(s.ended)
	}
	s.over = true
	for _, c := range s.all {
		c.Close()
	}
}

// fallAt makes them so when the marker passes, and no others are made.
func (s *silence) fallAt(marker []byte) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marker = marker
	return s.fallen
}

// isMarked reports whether data has the marker.
func (s *silence) isMarked(data []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marker == nil || !bytes.Contains(data, s.marker) {
		return false
	}
	s.marker, s.gone = nil, true
	return true
}

func (s *silence) pass(to, from net.Conn, fallen <-chan struct{}, toServer bool) {
	buffer := make([]byte, 1<<20)
	for {
		n, err := from.Read(buffer)
		select {
		case <-fallen:
			<-s.ended
			return
		default:
		}
		if toServer && s.isMarked(buffer[:n]) {
			_, _ = to.Write(buffer[:n-s.keep])
			s.fall()
			<-s.ended
			return
		}
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			to.Close()
			from.Close()
			return
		}
	}
}

// TestGateThatFallsSilent lets the machine of a gate lose its power in the middle of a
// transaction, whose locks all others need: they go on within the time of a lease,
// nobody's message is refused, and what the gate had waits with them.
func TestGateThatFallsSilent(t *testing.T) {
	direct := shared.Cluster(t).Database(t)
	way, through := fallSilent(t, direct)
	lost, err := Open(t.Context(), Options{URL: through, Server: true, Node: "lost", Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	living := joinAs(t, direct, "living")
	var ids mail.IDSource
	if err := lost.Accept(t.Context(), benchMessage(ids.New(), "", []byte("x"), 1)); err != nil {
		t.Fatal(err)
	}
	marker := []byte("fall here")
	fallen := way.fallAt(marker)
	var last sync.WaitGroup
	last.Go(func() { _ = lost.Accept(context.Background(), benchMessage(ids.New(), "", marker, 1)) })
	<-fallen

	began := time.Now()
	ctx, stop := context.WithCancel(t.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() { // as its keeper does
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			_, _ = living.Adopt(ctx, living.lease, 100, true)
		}
	})
	if err := living.Accept(t.Context(), letterTo(1, 1)); err != nil {
		t.Errorf("a message to the gate that lives: %v", err)
	}
	err = living.db.Exclusive(t.Context(), "test", func(*server.Tx) error { return nil })
	if took := time.Since(began); err != nil || took > 15*time.Second {
		t.Errorf("a suspension came through after %v: %v", took, err)
	}
	stop()
	keeping.Wait()
	living.change("UPDATE node SET lease_until = 1 WHERE id = $1", "lost")
	if shares, err := living.Adopt(t.Context(), living.lease, 100, true); err != nil || len(shares) != 1 || shares[0].Node != "lost" || shares[0].Deliveries != 1 {
		t.Errorf("of the gate that is gone were adopted %+v, want one delivery (%v)", shares, err)
	}
	way.end()
	last.Wait()
	if err := lost.Close(); err != nil {
		t.Error(err)
	}
}

// renewals tells of each renewal that came through.
type renewals struct {
	node.Store
	renewed chan struct{}
}

func (r *renewals) Renew(ctx context.Context, l node.Lease, length time.Duration, c node.Condition) (node.Renewal, error) {
	renewal, err := r.Store.Renew(ctx, l, length, c)
	if err == nil {
		r.renewed <- struct{}{}
	}
	return renewal, err
}

// TestConnectionsThatFallSilent lets all connections fall silent while new ones
// work: the lease is kept, and messages are taken again before it would be over.
func TestConnectionsThatFallSilent(t *testing.T) {
	way, through := fallSilent(t, shared.Cluster(t).Database(t))
	const lease = 5 * time.Second
	s, err := Open(t.Context(), Options{URL: through, Server: true, Node: "a", Lease: lease, Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	lost := make(chan struct{}, 1)
	store := &renewals{s, make(chan struct{})}
	k := node.NewKeeper(node.KeeperOptions{Store: store, Node: node.Node{ID: "a"}, Length: lease, OnLost: func(string) { lost <- struct{}{} }})
	if err := k.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 { // as many connections as there may be
		all.Go(func() {
			err := s.db.Read(t.Context(), "test", func(c *server.Conn) error {
				_, _, err := c.Number(t.Context(), "SELECT 1 FROM pg_sleep(0.5)", nil)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { k.Run(ctx) })
	await := func() {
		t.Helper()
		select {
		case <-store.renewed:
		case <-lost:
			t.Error("the lease was lost")
		}
	}
	await()
	way.fall()
	for range 3 {
		await()
	}
	var ids mail.IDSource
	if err := s.Accept(t.Context(), benchMessage(ids.New(), "", []byte("x"), 1)); err != nil {
		t.Errorf("a message after that: %v", err)
	}
	select {
	case <-lost:
		t.Error("the lease was lost")
	default:
	}
	stop()
	select { // a renewal may be on its way
	case <-store.renewed:
	default:
	}
	running.Wait()
	way.end()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestUnconfirmedByStandby ends the wait of a commit for the synchronous standby, as
// an administrator may: the server confirms it, the gate does not before the standby
// has it.
func TestUnconfirmedByStandby(t *testing.T) {
	c := pgcluster.Start(t, pgcluster.Options{NoSync: true, Prepare: prepare})
	s, err := Open(t.Context(), Options{URL: c.Database(t), Server: true, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var ids mail.IDSource
	if err := s.Accept(t.Context(), benchMessage(ids.New(), "", []byte("x"), 1)); err != nil {
		t.Fatal(err)
	}
	admin, err := pgx.Connect(t.Context(), c.Admin())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	run := func(text string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { // else nothing can be cleaned up
		for _, text := range []string{"ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"} {
			if _, err := admin.Exec(context.Background(), text); err != nil {
				t.Error(err)
			}
		}
	}()
	run("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
	run("SELECT pg_reload_conf()")
	for text := ""; text != "gone"; {
		if err := admin.QueryRow(t.Context(), "SHOW synchronous_standby_names").Scan(&text); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	second := benchMessage(ids.New(), "", []byte("y"), 1)
	go func() { done <- s.Accept(context.Background(), second) }()
	// waiting returns when the transaction began that waits for the standby, behind
	// the one that began then.
	waiting := func(behind time.Time) (began time.Time) {
		t.Helper()
		const text = "SELECT xact_start FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND xact_start > $1"
		for {
			err := admin.QueryRow(t.Context(), text, behind).Scan(&began)
			if err == nil {
				return began
			}
			if !errors.Is(err, pgx.ErrNoRows) {
				t.Fatal(err)
			}
			select {
			case err := <-done:
				t.Fatalf("it was answered although no standby has it: %v", err)
			default:
			}
		}
	}
	began := waiting(time.Time{})
	for range 3 { // the commit itself, and those that look whether it was made
		const text = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND xact_start = $1"
		if _, err := admin.Exec(t.Context(), text, began); err != nil {
			t.Fatal(err)
		}
		began = waiting(began)
	}
	run("ALTER SYSTEM RESET synchronous_standby_names")
	run("SELECT pg_reload_conf()")
	if err := <-done; err != nil {
		t.Errorf("after the standby is not needed any more: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
