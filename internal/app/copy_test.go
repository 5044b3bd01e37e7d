package app

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/app/upkeep"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/loadgen"
	"countersign/internal/queue"
	"countersign/internal/sink"
	"countersign/internal/store/transfer"
	"countersign/internal/testkit/pgcluster"
)

// copyTo copies a store, which must work.
func copyTo(from, to place) *transfer.Result {
	from.t.Helper()
	result, err := upkeep.Copy(from.t.Context(), upkeep.CopyOptions{From: from.at, To: to.at, Actor: "cli:test"})
	if err != nil {
		from.t.Fatal(err)
	}
	return result
}

// wantSame compares what two dumps have.
func wantSame(t *testing.T, what string, got, want map[string][]string) {
	t.Helper()
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if slices.Equal(got[table], want[table]) {
			continue
		}
		t.Errorf("%s: table %s has %d rows, %d are wanted, or others", what, table, len(got[table]), len(want[table]))
		for i := range min(len(got[table]), len(want[table])) {
			if a, b := got[table][i], want[table][i]; a != b {
				t.Errorf("got %.300s\nwant %.300s", a, b)
				break
			}
		}
	}
}

// TestCopyThereAndBack lets a gate accept mail, fills its store with what else
// there can be, and copies it to PostgreSQL, back to SQLite and to PostgreSQL once
// more. All have the same, and gates go on with the last two.
func TestCopyThereAndBack(t *testing.T) {
	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
	w := newWorld(t, "[delivery]\nenabled = false\n", func(sink.Message) error { return nil })
	for _, size := range []int{4096, 300 << 10} {
		load := w.load(3, 1)
		load.Size = size
		if res, err := loadgen.Run(t.Context(), load); err != nil || res.Accepted != 3 {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	first := place{t, w.app.cfg.Store}
	if err := w.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	fillPlace(first)
	halfFollowed(first)
	first.exec("UPDATE following SET touched = 0") // left to the server, at once
	// As if more messages had come before: PostgreSQL would give 512 next.
	for _, text := range []string{ // by way of other numbers, as each is a key
		"UPDATE content SET id = -id", "UPDATE content SET id = 450 - id",
		"UPDATE submission SET content = 450 + content", "UPDATE relied SET content = 450 + content", "UPDATE delivery SET content = 450 + content",
	} {
		first.exec(text)
	}
	want := first.dump()
	var before queue.Stats
	first.with(func(s Store) { before, _ = s.Stats(t.Context()) })
	if len(want["following"]) != 1 || before.Held <= 8 || before.Held >= 8+252 {
		t.Fatalf("the suspension is not half followed: %+v, %q", before, want["following"])
	}
	for table, rows := range want {
		if len(rows) == 0 {
			t.Errorf("the store has nothing in %s: it proves nothing", table)
		}
	}

	stores := []place{first, inDatabase(t, cluster), inFile(t), inDatabase(t, cluster)}
	for i, to := range stores[1:] {
		result := copyTo(stores[i], to)
		if (result.Changed > 0) != (i == 0) {
			t.Errorf("copy %d changes %d texts", i, result.Changed)
		}
		wantSame(t, fmt.Sprint("copy ", i), to.dump(), want)
		to.with(func(s Store) {
			stats, err := s.Stats(t.Context())
			if err != nil || stats != before {
				t.Errorf("copy %d: the totals are %+v, want %+v (%v)", i, stats, before, err)
			}
			events, err := s.Search(t.Context(), audit.Query{Kind: audit.StoreCopied, Limit: 10})
			if err != nil || len(events) != i+1 {
				t.Fatalf("copy %d: %d events say that the store was copied (%v)", i, len(events), err)
			}
			e := events[i]
			if e.Actor != "cli:test" || e.Data["from"] != result.From || e.Data["deliveries"] != fmt.Sprint(len(want["delivery"])) || int(e.Seq) != len(want["event"])+i+1 {
				t.Errorf("copy %d: the event is %+v", i, e)
			}
		})
	}
	if _, _, err := upkeep.Reopen(t.Context(), stores[2].at, "cli:test", time.Now); err != nil { // gates shall go on with both
		t.Fatal(err)
	}
	key := fmt.Sprintf("[dkim]\nkey_file = %q\n", w.app.cfg.DKIM.KeyFile)
	goesOn(t, key+fmt.Sprintf("[store]\nurl = %q\n", stores[2].at.URL), before)
	goesOn(t, key+onPostgres(stores[3].at.URL, "gate-1"), before)
}

// goesOn starts a gate on a store that was copied: what waits is delivered, the
// suspension is followed to its end, and new mail is accepted beside it.
func goesOn(t *testing.T, extra string, before queue.Stats) {
	t.Helper()
	arrived := make(chan int, 1000)
	w := startWorld(t, time.Now, extra, func(m sink.Message) error { arrived <- len(m.Data); return nil })
	load := w.load(3, 1)
	if res, err := loadgen.Run(t.Context(), load); err != nil || res.Accepted != 3 {
		t.Fatalf("%+v, %v", res, err)
	}
	s := w.app.Store()
	// The deferred ones were due some hours ago.
	until(t, "all that may go to be delivered", func() bool {
		stats, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return stats.Queued == 0 && stats.Deferred == 0 && stats.Held == 8+252
	})
	if w.app.keeper != nil {
		wantAdopted(t, s)
	}
	// Of the 252 that are held at the end some were when the store was copied.
	sent := before.Queued + before.Deferred + before.Held - (8 + 252) + 3
	delivered, err := s.Search(t.Context(), audit.Query{Kind: audit.DeliveryDelivered, Limit: 1000})
	if err != nil || len(delivered) != sent {
		t.Errorf("%d deliveries are recorded, want %d (%v)", len(delivered), sent, err)
	}
	large := 0
	for range len(arrived) {
		if size := <-arrived; size > 3<<20 {
			large++
		}
	}
	if large != 2 {
		t.Errorf("the largest message arrived whole %d times, want 2", large)
	}
	if err := w.app.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// wantAdopted checks that the gate has what belonged to nobody, held deliveries too.
func wantAdopted(t *testing.T, s Store) {
	t.Helper()
	until(t, "the gate to own everything", func() bool {
		list, err := s.Nodes(t.Context())
		if err != nil || len(list) != 2 || list[1].ID != "store-copy" || list[1].Standing() != "stopped" {
			t.Fatalf("%+v, %v", list, err)
		}
		return list[0].Held == 8+252 && list[1].Held == 0
	})
	if err := s.Remove(t.Context(), "store-copy", audit.Event{At: time.Now(), Kind: audit.AdminRemoved}); err != nil {
		t.Error(err)
	}
}

// TestUnfinishedCopyIsRefused changes a row behind the back of a copy, on either
// side, in the database and in a large body: the copy finds it, the target is
// opened by nobody, and --restart begins anew.
func TestUnfinishedCopyIsRefused(t *testing.T) {
	cluster := shared.Cluster(t)
	source := inFile(t)
	fillPlace(source)
	want := source.dump()
	for name, c := range map[string]struct {
		to     place
		change func(to place)
		table  string
	}{
		"a row in SQLite":        {inFile(t), func(to place) { to.exec("UPDATE delivery SET next = next + 1 WHERE n = 3") }, "delivery (other contents)"},
		"a row in PostgreSQL":    {inDatabase(t, cluster), func(to place) { to.exec("UPDATE account SET legacy = 0 WHERE null_sender = 1") }, "account (other contents)"},
		"one row less":           {inDatabase(t, cluster), func(to place) { to.exec("DELETE FROM relied") }, "relied (1 rows in the source, 0 in the copy)"},
		"a large body in a file": {inFile(t), func(to place) { flip(t, filepath.Join(filepath.Dir(to.at.Path()), "bodies")) }, "content (other contents)"},
		"a large body in PostgreSQL": {inDatabase(t, cluster), func(to place) {
			to.exec("UPDATE body_chunk SET data = overlay(data placing 'x' from 1000) WHERE n = 0")
		}, "content (other contents)"},
		"an act of an administrator":   {inDatabase(t, cluster), func(place) { source.with(func(s Store) { addEvent(t, s) }) }, "event ("},
		"a row that was copied before": {inFile(t), func(to place) { to.exec("UPDATE plan SET max_messages = 6") }, "plan (other contents)"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := false
			o := upkeep.CopyOptions{From: source.at, To: c.to.at, Progress: func(p transfer.Progress) {
				if p.Table == "event" && !changed { // the last one: all is copied
					changed = true
					c.change(c.to)
				}
			}}
			result, err := upkeep.Copy(t.Context(), o)
			if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), c.table) || strings.Count(err.Error(), "(other contents)")+strings.Count(err.Error(), " rows in the source") != 1 || !result.Begun {
				t.Fatalf("the copy ends with %v", err)
			}
			for range 2 { // it stays so
				if s, err := c.to.open(nil); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "is not finished") {
					t.Fatalf("the target can be opened: %v, %v", s, err)
				}
				if _, err := upkeep.Copy(t.Context(), upkeep.CopyOptions{From: c.to.at, To: inFile(t).at}); !fault.Is(err, fault.Conflict) {
					t.Fatalf("the target can be copied: %v", err)
				}
			}
			o.Restart, o.Progress = true, nil
			if result, err := upkeep.Copy(t.Context(), o); err != nil || result.Resumed {
				t.Fatalf("%+v, %v", result, err)
			}
			if name != "an act of an administrator" {
				wantSame(t, "after the restart", c.to.dump(), want)
			}
		})
		if name == "an act of an administrator" {
			want = source.dump()
		}
	}
}

func addEvent(t *testing.T, s Store) {
	t.Helper()
	if err := s.Append(t.Context(), []audit.Event{{At: time.Now(), Kind: audit.AdminChanged, Object: "plan x"}}); err != nil {
		t.Fatal(err)
	}
}

// flip changes an octet of the first file below a folder.
func flip(t *testing.T, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no large bodies in %s: %v", folder, err)
	}
	text, err := os.ReadFile(files[0])
	if err == nil {
		text[len(text)/2] ^= 1
		err = os.WriteFile(files[0], text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestNobodyElseIsThere copies from and to stores that gates use, and lets gates
// come while stores are copied.
func TestNobodyElseIsThere(t *testing.T) {
	cluster := shared.Cluster(t)
	for name, used := range map[string]place{"SQLite": inFile(t), "PostgreSQL": inDatabase(t, cluster)} {
		t.Run(name, func(t *testing.T) {
			s, err := OpenStore(t.Context(), used.config(), true)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"SQLite": fmt.Sprintf("already used by process %d", os.Getpid()), "PostgreSQL": `node "gate-1" (at gate.example.org) uses this store, and holds its lease until`}[name]
			empty := inFile(t)
			for side, o := range map[string]upkeep.CopyOptions{"the source: ": {From: used.at, To: empty.at}, "the target: ": {From: used.at, To: used.at}} {
				if side == "the target: " {
					other := inFile(t)
					other.with(func(Store) {})
					o.From = other.at
				}
				result, err := upkeep.Copy(t.Context(), o)
				if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), side) || strings.Contains(err.Error(), "data directory") || result.Begun {
					t.Errorf("%sa gate is alive, and the copy says %v", side, err)
				}
			}
			if _, err := os.Stat(empty.at.Path()); err == nil {
				t.Error("a refused copy has made its target")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			used.endLeases()
			tried := 0
			_, err = upkeep.Copy(t.Context(), upkeep.CopyOptions{From: used.at, To: empty.at, KeepSource: true, Progress: func(transfer.Progress) {
				if err := used.gate(); !fault.Is(err, fault.Conflict) {
					t.Errorf("a gate comes while its store is copied: %v", err)
				}
				tried++
			}})
			if err != nil || tried == 0 {
				t.Fatalf("%d tries, %v", tried, err)
			}
			if err := used.gate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWrongPlacesAreRefused: each is refused in words, and nothing is changed.
func TestWrongPlacesAreRefused(t *testing.T) {
	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
	source, filled, missing, database, foreign := inFile(t), inFile(t), inFile(t), inDatabase(t, cluster), inDatabase(t, cluster)
	fillPlace(source)
	filled.with(func(s Store) { addEvent(t, s) })
	foreign.exec("CREATE TABLE theirs (a integer)")
	theirs := inFile(t)
	if err := os.MkdirAll(filepath.Dir(theirs.at.Path()), 0o700); err != nil {
		t.Fatal(err)
	}
	theirs.exec("CREATE TABLE theirs (a INTEGER)")
	link, text := inFile(t), inFile(t)
	for _, p := range []place{link, text} {
		if err := os.MkdirAll(filepath.Dir(p.at.Path()), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(source.at.Path(), link.at.Path()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(text.at.Path(), []byte(strings.Repeat("this is not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	older, unfinished := inFile(t), inDatabase(t, cluster)
	older.with(func(Store) {})
	older.exec("DROP TABLE unfinished_copy")
	older.exec("DROP TABLE moved_to")
	older.exec("DROP TABLE ban")
	older.exec("DROP TABLE limit_rule")
	older.exec("DELETE FROM schema_migration WHERE version > 1")
	unfinished.with(func(Store) {})
	unfinished.exec("INSERT INTO unfinished_copy VALUES ('sqlite:/other.db', 1, 2)")
	sameDatabase := database
	sameDatabase.at.URL += "&application_name=x"
	database.with(func(Store) {})

	all := []place{source, filled, theirs, older, text}
	before := make([][]byte, len(all))
	for i, p := range all {
		before[i] = contents(t, p)
	}
	for name, c := range map[string]struct {
		from, to place
		kind     fault.Kind
		want     string
	}{
		"the same file":                {source, source, fault.Conflict, "the same store"},
		"the same file by a link":      {source, link, fault.Conflict, "the same store"},
		"the same database":            {database, sameDatabase, fault.Conflict, "the target: this store is being copied already"},
		"no source":                    {missing, inFile(t), fault.NotFound, "the source: there is no database at " + missing.at.Path()},
		"a source without a store":     {inDatabase(t, cluster), inFile(t), fault.NotFound, "the source: there is no store in this database"},
		"a source of somebody else":    {foreign, inFile(t), fault.Conflict, "the source: this database holds the tables of another program"},
		"a file of somebody else":      {theirs, inFile(t), fault.Conflict, "the source: this database belongs to another program"},
		"a target with something":      {source, filled, fault.Conflict, "the target is not empty: it has rows in event"},
		"a target of somebody else":    {source, foreign, fault.Conflict, "the target: this database holds the tables of another program"},
		"a target file of another":     {source, theirs, fault.Conflict, "the target: this database belongs to another program"},
		"a target that is no database": {source, text, fault.Corrupt, "the target: the database " + text.at.Path() + " is damaged or not a database"},
		"a target of an older release": {source, older, fault.Conflict, "the target: this database holds the store of an earlier release"},
		"the copy of another store":    {source, unfinished, fault.Conflict, "an unfinished copy of another store, sqlite:/other.db"},
		"a folder that is none":        {source, place{t, source.at}.named("sqlite:/proc/nothing/x.db"), fault.Unavailable, "the target: the database /proc/nothing/x.db"},
		"no server":                    {source, place{t, source.at}.named("postgres://a@127.0.0.1:1/b"), fault.Unavailable, "the target: the database cannot be used: no server of 127.0.0.1:1"},
		"not a URL":                    {source, place{t, source.at}.named("postgres://a@127.0.0.1:port/b"), fault.Invalid, "the target: store.url cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := upkeep.Copy(t.Context(), upkeep.CopyOptions{From: c.from.at, To: c.to.at})
			if err == nil {
				t.Fatal("it is copied")
			}
			text := strings.NewReplacer("postgres.open: ", "", "sqlite.open: ", "", "store.copy: ", "").Replace(err.Error())
			if !fault.Is(err, c.kind) || !strings.Contains(text, c.want) || result.Begun {
				t.Errorf("got %s (%v), want %v: %s", text, fault.KindOf(err), c.kind, c.want)
			}
		})
	}
	for i, p := range all {
		if after := contents(t, p); string(after) != string(before[i]) {
			t.Errorf("%s has changed", p.at.Path())
		}
	}
	if _, err := os.Stat(theirs.at.Path() + ".lock"); err == nil {
		t.Error("a lock lies beside the database of another program")
	}
	if _, err := os.Stat(missing.at.Path()); err == nil {
		t.Error("the source that was missing is there")
	}
	database.with(func(Store) {}) // is not marked
}

// named is the place at another URL.
func (p place) named(url string) place {
	p.at.URL = url
	return p
}

// contents returns the octets of a database file.
func contents(t *testing.T, p place) []byte {
	t.Helper()
	text, err := os.ReadFile(p.at.Path())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestInterruptedByTheContext ends a copy by its context and goes on with it.
func TestInterruptedByTheContext(t *testing.T) {
	source, target := inFile(t), inFile(t)
	fillPlace(source)
	ctx, cancel := context.WithCancel(t.Context())
	result, err := upkeep.Copy(ctx, upkeep.CopyOptions{From: source.at, To: target.at, Progress: func(p transfer.Progress) {
		if p.Table == "submission" {
			cancel()
		}
	}})
	if !fault.Is(err, fault.Canceled) || !result.Begun {
		t.Fatalf("%+v, %v", result, err)
	}
	result = copyTo(source, target)
	if !result.Resumed {
		t.Error("the copy began anew")
	}
	wantSame(t, "the copy", target.dump(), source.dump())
}
