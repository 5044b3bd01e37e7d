package sqlite

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// clock counts how often it is asked, and calls at then the given time.
type clock struct {
	ahead time.Duration
	asked int
	at    int
	call  func()
}

func (c *clock) now() time.Time {
	c.asked++
	if c.asked == c.at {
		c.call()
	}
	return time.Now().Add(c.ahead)
}

// openClocked opens the database at path with a clock.
func openClocked(t *testing.T, path string, server bool, c *clock) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: path, Server: server, Now: c.now})
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

// TestUnfinishedFollowing cuts off a command that suspends an account with 1000
// waiting deliveries, then one that resumes it: what the command has not held
// must not leave, and what it has not released must not stay.
func TestUnfinishedFollowing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path, false)
	a := addAccount(t, s)
	fillWaiting(t, s, a, 1000, 150)
	var ids mail.IDSource
	other := benchMessage(ids.New(), "", []byte("x"), 1) // of nobody
	if err := s.Accept(t.Context(), other); err != nil {
		t.Fatal(err)
	}

	a.State = account.Suspended
	cutOff(t, path, a)
	if held := heldOf(t, s); held == 0 || held == 1000 {
		t.Fatalf("%d deliveries were held before the command was cut off", held)
	}
	wantDue(t, s, other.Submission.ID)
	touchAll(t, s)
	before := heldOf(t, s)
	if err := s.holder.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := heldOf(t, s); now != before {
		t.Errorf("what is being worked on was taken over: %d are held, %d before", now, before)
	}
	wantFollowed(t, s, path, 1000, &clock{ahead: time.Minute})
	wantDue(t, s, other.Submission.ID)

	a.State, a.Revision = account.Active, a.Revision+1
	cutOff(t, path, a)
	if held := heldOf(t, s); held == 0 || held == 1000 {
		t.Fatalf("%d deliveries were left held when the command was cut off", held)
	}
	wantFollowed(t, s, path, 0, &clock{ahead: -time.Hour}) // a clock that went back
	events, err := s.Search(t.Context(), audit.Query{Login: a.Login(), Limit: 1 << 20})
	if err != nil || len(events) != 2000 {
		t.Errorf("there are %d events, want one for each hold and release: %v", len(events), err)
	}
}

// TestUnfinishedRevocation cuts off a command that revokes the password that 1000
// waiting deliveries came under: what it has not held must not leave.
func TestUnfinishedRevocation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path, false)
	a := addAccount(t, s)
	fillWaiting(t, s, a, 1000, 150)
	var ids mail.IDSource
	other := benchMessage(ids.New(), "", []byte("x"), 1) // of nobody
	if err := s.Accept(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	a.Credentials[0].ID = "KEY2"
	cutOff(t, path, a)
	if held := heldOf(t, s); held == 0 || held == 1000 {
		t.Fatalf("%d deliveries were held before the command was cut off", held)
	}
	wantDue(t, s, other.Submission.ID)
	wantFollowed(t, s, path, 1000, &clock{ahead: time.Minute})
	wantDue(t, s, other.Submission.ID)
}

// cutOff stores a as a command does that is interrupted in the middle of what
// follows.
func cutOff(t *testing.T, path string, a account.Account) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	command := openClocked(t, path, false, &clock{at: 4, call: cancel})
	if err := command.PutAccount(ctx, a, audit.Event{Kind: audit.AdminChanged, Actor: "cli:root"}); err != nil {
		t.Fatal(err)
	}
	if err := command.Close(); err != nil {
		t.Fatal(err)
	}
}

func heldOf(t *testing.T, s *Store) int {
	t.Helper()
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Held
}

// wantDue checks that Due and Waiting show only the given message.
func wantDue(t *testing.T, s *Store, id mail.ID) {
	t.Helper()
	due, err := s.Due(t.Context(), time.Now(), queue.Position{}, 10)
	if err != nil || len(due) != 1 || due[0].Submission.ID != id {
		t.Errorf("%d deliveries are due, want one of another: %v", len(due), err)
	}
	items, err := s.List(t.Context(), queue.Filter{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var keys []queue.Key
	for _, item := range items {
		keys = append(keys, queue.Key{Submission: item.Delivery.Submission, N: item.Delivery.N})
	}
	waiting, err := s.Waiting(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, yes := range waiting {
		if yes != (keys[i].Submission == id) {
			t.Fatalf("%v is to be attempted: %v", keys[i], yes)
		}
	}
}

// wantFollowed starts a server that finds what was left: at once, as the command
// left it to a server, or once nobody has worked on it for a while.
func wantFollowed(t *testing.T, s *Store, path string, held int, c *clock) {
	t.Helper()
	server := openClocked(t, path, true, c)
	deadline := time.Now().Add(time.Minute)
	for heldOf(t, s) != held || countRows(t, s, "following") > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d deliveries are held, want %d", heldOf(t, s), held)
		}
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
}

// touchAll makes all that is left look as if somebody worked on it now.
func touchAll(t *testing.T, s *Store) {
	t.Helper()
	err := s.change(t.Context(), "test", func(t *tx) error {
		return t.Exec("UPDATE following SET touched = ?", bind(time.Now()))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// countRows counts the rows of a table.
func countRows(t *testing.T, s *Store, table string) (n int64) {
	t.Helper()
	err := s.db.Read(t.Context(), "test", func(c *conn) (err error) {
		n, _, err = c.Number(t.Context(), "SELECT count(*) FROM "+table, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCommandLeavesToServer suspends beside a running server, then without one.
func TestCommandLeavesToServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	var log strings.Builder
	server, err := Open(t.Context(), Options{Path: path, Server: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	command := openAt(t, path, false)
	a := addAccount(t, server)
	fillWaiting(t, server, a, 1000, 150)
	want := func(held int) {
		t.Helper()
		if now := heldOf(t, command); now != held {
			t.Errorf("%d deliveries are held, want %d", now, held)
		}
		if n := countRows(t, command, "following"); n != 0 {
			t.Errorf("%d changes are not followed", n)
		}
	}
	a.State = account.Suspended
	if err := command.PutAccount(t.Context(), a, audit.Event{Kind: audit.AdminSuspended}); err != nil {
		t.Fatal(err)
	}
	want(1000)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), "goes on to follow") != 1 {
		t.Errorf("the server did not do it: %s", log.String())
	}
	a.State, a.Revision = account.Active, a.Revision+1
	if err := command.PutAccount(t.Context(), a, audit.Event{Kind: audit.AdminResumed}); err != nil {
		t.Fatal(err)
	}
	want(0)
}

// TestDueSkipsWhatIsToBeHeld pages through a queue whose first half is about to be
// held.
func TestDueSkipsWhatIsToBeHeld(t *testing.T) {
	s := openNew(t)
	a := addAccount(t, s)
	fillWaiting(t, s, a, 600, 1)
	err := s.change(t.Context(), "test", func(t *tx) error {
		if err := t.Exec("UPDATE submission SET account = '' WHERE content > 300", nil); err != nil {
			return err
		}
		if err := t.Exec("UPDATE account SET state = 'suspended'", nil); err != nil {
			return err
		}
		return t.Exec("INSERT INTO following (id, kind, name, touched, actor, object, text) VALUES ('t', 'account', 'x', ?, '', '', '')", bind(time.Now()))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 7, 100, 255, 300, 1000} {
		var all []mail.ID
		for from := (queue.Position{}); ; {
			page, err := s.Due(t.Context(), time.Now(), from, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page {
				all = append(all, item.Submission.ID)
				from = queue.Position{Next: item.Delivery.Next, Submission: item.Delivery.Submission, N: item.Delivery.N}
			}
			if len(page) > limit {
				t.Fatalf("a page of %d has %d", limit, len(page))
			}
			if len(page) < limit {
				break
			}
		}
		if len(all) != 300 || !slices.IsSorted(all) {
			t.Errorf("in pages of %d, %d of 300 are due", limit, len(all))
		}
	}
}
