package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

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

// TestBodiesAreWholeOrFail takes pieces of a stored body away, shortens one, and adds
// one: whoever reads gets an error before the end.
func TestBodiesAreWholeOrFail(t *testing.T) {
	s := openNew(t)
	var ids mail.IDSource
	change := func(text string) {
		t.Helper()
		err := s.db.Change(t.Context(), "test", func(tx *server.Tx) error { return tx.Exec(text, nil) })
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		damage string
		short  bool
	}{
		"the last is missing":       {"DELETE FROM body_chunk WHERE n = 2", true},
		"one is missing":            {"DELETE FROM body_chunk WHERE n = 1", true},
		"all are missing":           {"DELETE FROM body_chunk", true},
		"one is too short":          {"UPDATE body_chunk SET data = substr(data, 2) WHERE n = 0", true},
		"one is too many":           {"INSERT INTO body_chunk VALUES ((SELECT max(id) FROM body), 3, 'x')", false},
		"one is in another's place": {"UPDATE body_chunk SET n = 7 WHERE n = 1", true},
	} {
		body, err := s.NewBody(t.Context())
		if err == nil {
			_, err = body.Write(make([]byte, 600<<10))
		}
		if err == nil {
			err = body.Seal()
		}
		m := benchMessage(ids.New(), "", nil, 1)
		m.Content.Body, m.Content.Large = nil, body
		if err == nil {
			err = s.Accept(t.Context(), m)
		}
		content, failed := s.Content(t.Context(), m.Submission.ID)
		if err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		early, err := content.Large.Open() // before the damage, which is then seen on the way
		if err != nil {
			t.Fatal(err)
		}
		change(c.damage)
		n, underway := io.Copy(io.Discard, early)
		late, err := content.Large.Open()
		if err == nil { // the pieces are as long as they should be together
			_, err = io.Copy(io.Discard, late)
		}
		for _, err := range []error{underway, err} {
			if !fault.Is(err, fault.Corrupt) || errors.Is(err, io.ErrUnexpectedEOF) != c.short {
				t.Errorf("%s: %v after %d octets", name, err, n)
			}
		}
		change("DELETE FROM body_chunk")
		change("DELETE FROM body")
	}
}

// TestOldBodiesAreSwept lets time pass over bodies in each state, by the server's
// clock; that of the node is two days ahead.
func TestOldBodiesAreSwept(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	s, err := Open(t.Context(), Options{URL: url, Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
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
		err := s.db.Change(t.Context(), "test", func(tx *server.Tx) error {
			return tx.Exec("UPDATE body SET changed = changed - ?", sqlkit.Bind(c.after.Microseconds()))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.bodies.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got [2]int64
		err = s.db.Read(t.Context(), "test", func(c *server.Conn) (err error) {
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
