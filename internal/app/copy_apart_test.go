package app

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/app/upkeep"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/store/postgres"
	"countersign/internal/store/sqlite"
	"countersign/internal/store/sqlite/backup"
	"countersign/internal/store/sqlkit/tables"
	"countersign/internal/store/transfer"
)

// filesIn returns what the files in a folder hold, by name, without what only
// connections to the database leave.
func filesIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, "-shm") || strings.HasSuffix(path, "-wal") {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCopyApart: a store is not copied to where its large bodies are, by whatever
// name, and nothing of it is touched.
func TestCopyApart(t *testing.T) {
	source := inFile(t)
	fillPlace(source)
	folder := filepath.Dir(source.at.Path())
	other := t.TempDir()
	link := func(name, to string) string {
		t.Helper()
		path := filepath.Join(other, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.Symlink(to, path)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	before := filesIn(t, folder)
	if len(before) < 3 {
		t.Fatalf("the source has no large bodies: %d files", len(before))
	}
	for name, c := range map[string]struct{ to, why string }{
		"itself":                        {source.at.Path(), "same store"},
		"a link to it":                  {link("link.db", source.at.Path()), "same store"},
		"beside it":                     {filepath.Join(folder, "new.db"), "in one folder"},
		"beside it, by a link":          {filepath.Join(link("folder", folder), "new.db"), "in one folder"},
		"a link to nothing beside it":   {link("new.db", filepath.Join(folder, "new.db")), "in one folder"},
		"with a link to its own bodies": {filepath.Join(filepath.Dir(link("beside/bodies", filepath.Join(folder, "bodies"))), "new.db"), "in one folder"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := upkeep.Copy(t.Context(), upkeep.CopyOptions{From: source.at, To: config.Store{URL: "sqlite:" + c.to}, Actor: "cli:test"})
			if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("got %v", err)
			}
			if !maps.Equal(filesIn(t, folder), before) {
				t.Error("files of the source have changed")
			}
		})
	}
}

// TestCopyByLink: that a server runs is found out by any name of its database.
func TestCopyByLink(t *testing.T) {
	source := inFile(t)
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: source.at.Path(), Server: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(source.at.Path(), link); err != nil {
		t.Fatal(err)
	}
	_, err = upkeep.Copy(t.Context(), upkeep.CopyOptions{From: config.Store{URL: "sqlite:" + link}, To: inFile(t).at, Actor: "cli:test"})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "already used by process") {
		t.Errorf("got %v", err)
	}
}

// late is a source that changes as soon as all of it has been compared.
type late struct {
	transfer.Target
	ends   int
	change func()
}

// Page implements transfer.Side. The record is read to its end once to be copied, and
// then to be compared.
func (l *late) Page(ctx context.Context, t *tables.Table, behind tables.Row, limit tables.Limit) ([]tables.Row, error) {
	rows, err := l.Target.Page(ctx, t, behind, limit)
	if t.Name == "event" && len(rows) == 0 {
		l.ends++
		if l.ends == 2 {
			l.change()
		}
	}
	return rows, err
}

// TestCopyChangedAtTheEnd changes the source when the comparison has read it.
func TestCopyChangedAtTheEnd(t *testing.T) {
	cluster := shared.Cluster(t)
	for name, text := range map[string]string{
		"an account": "UPDATE meta SET value = value + 1 WHERE name = 'generation'",
		"the record": "INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data) VALUES (1, 'queue.held', '', '', 0, '', '', '', '', 0, '', '', '', '')",
		"nothing":    "",
	} {
		for engine, source := range map[string]place{"SQLite": inFile(t), "PostgreSQL": inDatabase(t, cluster)} {
			t.Run(name+" in "+engine, func(t *testing.T) {
				source.t = t
				fillPlace(source)
				to := inFile(t)
				from, err := upkeep.OpenSide(t.Context(), source.at, nil, false)
				if err != nil {
					t.Fatal(err)
				}
				defer from.Close()
				target, err := upkeep.OpenSide(t.Context(), to.at, nil, true)
				if err != nil {
					t.Fatal(err)
				}
				l := &late{Target: from, change: func() {
					if text != "" {
						source.exec(text)
					}
				}}
				result, err := transfer.Run(t.Context(), transfer.Options{Source: l, Target: target, Actor: "cli:test"})
				if err := target.Close(); err != nil {
					t.Error(err)
				}
				if l.ends < 2 {
					t.Errorf("the record was read %d times", l.ends)
				}
				s, opened := to.open(nil)
				if opened == nil {
					opened = s.Close()
				}
				if text == "" {
					if err != nil || opened != nil || result.Differs {
						t.Errorf("got %v, %v, differs %v", err, opened, result.Differs)
					}
					return
				}
				if !fault.Is(err, fault.Conflict) || !result.Differs || !strings.Contains(err.Error(), "changed the source") {
					t.Errorf("got %v, differs %v", err, result.Differs)
				}
				if !fault.Is(opened, fault.Conflict) {
					t.Errorf("the copy was opened: %v", opened)
				}
			})
		}
	}
}

// TestUnfinishedIsNotSound: the target of a copy that was cut off is no store yet,
// for a check or a backup either.
func TestUnfinishedIsNotSound(t *testing.T) {
	cluster := shared.Cluster(t)
	source := inFile(t)
	fillPlace(source)
	check := func(p place) error {
		if p.at.InPostgres() {
			_, err := postgres.Check(t.Context(), postgres.Options{URL: p.at.URL})
			return err
		}
		_, err := sqlite.Check(t.Context(), p.at.Path(), time.Now)
		return err
	}
	for engine, to := range map[string]place{"SQLite": inFile(t), "PostgreSQL": inDatabase(t, cluster)} {
		from, err := upkeep.OpenSide(t.Context(), source.at, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		target, err := upkeep.OpenSide(t.Context(), to.at, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		_, err = target.Begin(t.Context(), from.Origin(), false)
		if err := errors.Join(err, from.Close(), target.Close()); err != nil {
			t.Fatal(err)
		}
		if err := check(to); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "is not finished") {
			t.Errorf("%s: the check says %v", engine, err)
		}
		if to.at.InPostgres() {
			continue
		}
		folder := filepath.Join(t.TempDir(), "backup")
		_, err = backup.Make(t.Context(), backup.Options{Path: to.at.Path(), To: folder, Now: time.Now})
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "is not finished") {
			t.Errorf("the backup says %v", err)
		}
		if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a backup was left: %v", err)
		}
	}
	if err := check(source); err != nil {
		t.Errorf("the check of the source: %v", err)
	}
}
