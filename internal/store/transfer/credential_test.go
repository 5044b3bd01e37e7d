package transfer_test

import (
	"os"
	"path/filepath"
	"testing"

	"countersign/internal/store/postgres"
	"countersign/internal/store/sqlite"
	"countersign/internal/store/storetest"
	"countersign/internal/store/storetest/credentials"
	"countersign/internal/store/transfer"
	"countersign/internal/testkit/pgcluster"
)

var shared = pgcluster.Shared{Options: pgcluster.Options{NoSync: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// place is where a store is: a database file, or the URL of a database.
type place struct{ path, url string }

// open opens the store as a command does, and closes it when the test ends.
func (p place) open(t *testing.T) storetest.Store {
	t.Helper()
	var s storetest.Store
	var err error
	if p.url != "" {
		s, err = postgres.Open(t.Context(), postgres.Options{URL: p.url})
	} else {
		s, err = sqlite.Open(t.Context(), sqlite.Options{Path: p.path})
	}
	return closed(t, s, err)
}

// closed closes what was opened when the test ends.
func closed[C interface{ Close() error }](t *testing.T, c C, err error) C {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// side opens the store to be copied from or to.
func (p place) side(t *testing.T, target bool) transfer.Target {
	t.Helper()
	if p.url != "" {
		s, err := postgres.OpenSide(t.Context(), postgres.Options{URL: p.url}, target)
		return closed[transfer.Target](t, s, err)
	}
	s, err := sqlite.OpenSide(t.Context(), sqlite.Options{Path: p.path}, target)
	return closed[transfer.Target](t, s, err)
}

// TestCredentialsAreCarried copies accounts with their credentials and uses, and the
// mail that came under them, into PostgreSQL and back: there it follows them too.
func TestCredentialsAreCarried(t *testing.T) {
	file := place{path: filepath.Join(t.TempDir(), "one", "countersign.db")}
	database := place{url: shared.Cluster(t).Database(t)}
	back := place{path: filepath.Join(t.TempDir(), "two", "countersign.db")}
	t.Run("fill", func(t *testing.T) { credentials.Fill(t, file.open(t)) })
	for _, step := range []struct{ from, to place }{{file, database}, {database, back}} {
		t.Run("copy", func(t *testing.T) {
			_, err := transfer.Run(t.Context(), transfer.Options{Source: step.from.side(t, false), Target: step.to.side(t, true), KeepSource: true})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	credentials.Same(t, file.open(t), back.open(t))
	t.Run("held in the database too", func(t *testing.T) { credentials.Held(t, database.open(t)) })
}
