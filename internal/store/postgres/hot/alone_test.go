package hot

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/incoming"
)

// telling is an operation that stores an event with a text.
func telling(text string) *operation {
	return &operation{name: "test", events: []sqlkit.Values{
		sqlkit.Bind(1, "test", "", "", 0, "", "", "", "", 0, "", "", text, ""),
	}}
}

// failing opens a database, and returns what runs a statement in it: the tests here make operations fail by
// triggers.
func failing(t *testing.T) (db *server.DB, run func(text string)) {
	t.Helper()
	db, err := openDB(t.Context(), shared.Cluster(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db, func(text string) {
		t.Helper()
		err := db.Change(context.Background(), "test", func(x *server.Tx) error {
			_, err := x.Raw(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestWaitsForOneLockOnce: where what is stored together waits for a lock in vain, each is tried
// alone, but not one after the other where all wait.
func TestWaitsForOneLockOnce(t *testing.T) {
	db, run := failing(t)
	run("CREATE SEQUENCE tries")
	run(`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        PERFORM nextval('tries'); RAISE SQLSTATE '55P03' USING MESSAGE = 'canceling statement due to lock timeout'; END$$`)
	run("CREATE TRIGGER wait BEFORE INSERT ON event FOR EACH ROW WHEN (new.text = 'waits') EXECUTE FUNCTION wait()")
	w := Start(Options{DB: db, Node: "1", Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(w.Close)
	for _, c := range []struct {
		texts []string
		tries int64
		fail  int
	}{
		{[]string{"a", "waits", "b", "c"}, 2, 1},
		{[]string{"waits", "waits", "waits", "waits", "waits"}, 3, 5},
		{[]string{"a", "b", "waits", "c", "waits", "d"}, 3, 3}, // who comes behind two is not tried
	} {
		var batch []*operation
		for _, text := range c.texts {
			batch = append(batch, telling(text))
		}
		run("ALTER SEQUENCE tries RESTART")
		w.commit(batch)
		failed := 0
		for _, o := range batch {
			if o.err != nil {
				failed++
			}
			if o.err != nil && !server.Waited(o.err) {
				t.Errorf("%v: %v", c.texts, o.err)
			}
		}
		var tries int64
		err := db.Read(t.Context(), "test", func(r *server.Conn) (err error) {
			tries, _, err = r.Number(t.Context(), "SELECT last_value FROM tries", nil)
			return err
		})
		if err != nil || tries != c.tries || failed != c.fail {
			t.Errorf("%v: %d tries, %d failed, want %d and %d: %v", c.texts, tries, failed, c.tries, c.fail, err)
		}
	}
}

// TestMiscountedAlone: where what one operation counts in is made by others each time, it fails alone, as
// one that may be asked again.
func TestMiscountedAlone(t *testing.T) {
	db, run := failing(t)
	run(`CREATE FUNCTION made() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            RAISE SQLSTATE '23505' USING MESSAGE = 'duplicate key', CONSTRAINT = 'counter_pkey'; END$$`)
	run("CREATE TRIGGER made BEFORE INSERT ON counter FOR EACH ROW WHEN (new.subject LIKE '%bad.example%') EXECUTE FUNCTION made()")
	w := Start(Options{DB: db, Node: "1", Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(w.Close)
	coming := func(domain string) *operation {
		return &operation{name: "limit.connect", door: incoming.Connecting(limit.Connects([]limit.Level{{
			Subject: limit.Subject{Kind: limit.Domain, Name: domain},
			Limits:  []limit.Limit{{Measure: limit.Connections, Window: limit.Hour, Max: 10, Action: limit.Defer}},
		}}))}
	}
	batch := []*operation{coming("a.example"), coming("bad.example"), coming("b.example"), telling("c")}
	w.commit(batch)
	for i, o := range batch {
		if err := o.failure(); (err != nil) != (i == 1) || err != nil && !fault.Is(err, fault.Busy) {
			t.Errorf("operation %d: %v", i, err)
		}
	}
}
