package hot

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/store/postgres/server"
)

// TestUntried: an operation behind two that have waited for a lock in vain fails without a try of its own, as
// one that may be asked again: nothing of it is stored, and when the lock is free it passes.
func TestUntried(t *testing.T) {
	db, run := failing(t)
	stored := func(text string) (n int64) {
		t.Helper()
		err := db.Read(t.Context(), "test", func(r *server.Conn) (err error) {
			n, _, err = r.Number(t.Context(), "SELECT count(*) FROM event WHERE text = '"+text+"'", nil)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	run(`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        RAISE SQLSTATE '55P03' USING MESSAGE = 'canceling statement due to lock timeout'; END$$`)
	run("CREATE TRIGGER wait BEFORE INSERT ON event FOR EACH ROW WHEN (new.text = 'waits') EXECUTE FUNCTION wait()")
	w := Start(Options{DB: db, Node: "1", Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(w.Close)
	last := telling("behind")
	last.name = "audit.append"
	batch := []*operation{telling("waits"), telling("waits"), last}
	w.commit(batch)
	for i, o := range batch {
		var told *fault.Error
		if err := o.failure(); !errors.As(err, &told) || told.Op != o.name || told.Kind != fault.Busy || !told.Kind.Temporary() {
			t.Errorf("operation %d, %s, is told %v", i, o.name, err)
		}
	}
	if n := stored("behind"); n != 0 {
		t.Errorf("what failed is stored %d times", n)
	}
	run("DROP TRIGGER wait ON event")
	w.commit(batch[2:])
	if n := stored("behind"); last.failure() != nil || n != 1 {
		t.Errorf("asked again it is stored %d times: %v", n, last.failure())
	}
}
