package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"countersign/internal/login/shape"
	"countersign/internal/store/storetest"
	"countersign/internal/store/storetest/bans"
	"countersign/internal/store/storetest/counting"
	"countersign/internal/store/storetest/credentials"
	"countersign/internal/store/storetest/granted"
	"countersign/internal/store/storetest/guarded"
	"countersign/internal/store/storetest/limits"
	"countersign/internal/store/storetest/lists"
	"countersign/internal/store/storetest/onenode"
	"countersign/internal/store/storetest/plans"
	"countersign/internal/store/storetest/record"
	"countersign/internal/store/storetest/rounds"
	"countersign/internal/store/storetest/secrets"
	"countersign/internal/store/storetest/shapes"
)

// openAt opens the database at path for a test.
func openAt(t testing.TB, path string, server bool) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Path: path, Server: server})
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

func openNew(t *testing.T) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "data", "test.db"), true)
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return openNew(t) })
}

func TestSecrets(t *testing.T) {
	secrets.Run(t, func(t *testing.T) secrets.Store { return openNew(t) })
}

func TestGuarded(t *testing.T) {
	guarded.Run(t, func(t *testing.T) guarded.Store { return openNew(t) })
}

func TestRounds(t *testing.T) {
	rounds.Run(t, func(t *testing.T) rounds.Store { return openNew(t) })
}

func TestShapes(t *testing.T) {
	shapes.Run(t, func(t *testing.T) shape.Store { return openNew(t) })
}

func TestBans(t *testing.T) {
	bans.Run(t, func(t *testing.T) bans.Store { return openNew(t) })
}

func TestCounting(t *testing.T) {
	counting.Run(t, func(t *testing.T) counting.Store { return openNew(t) })
	path := filepath.Join(t.TempDir(), "data", "test.db")
	first := openAt(t, path, true)
	counting.Outlived(t, first, func() counting.Store {
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		return openAt(t, path, true)
	})
	lost := openNew(t)
	counting.Away(t, lost, func() { lost.Close() })
	path = filepath.Join(t.TempDir(), "data", "test.db")
	serving := openAt(t, path, true)
	counting.Beside(t, serving, openAt(t, path, false), func() {
		if err := serving.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLimits(t *testing.T) {
	limits.Run(t, func(t *testing.T) limits.Store { return openNew(t) })
}

func TestLists(t *testing.T) {
	lists.Run(t, func(t *testing.T) lists.Store { return openNew(t) })
}

func TestCredentials(t *testing.T) {
	credentials.Run(t, func(t *testing.T) storetest.Store { return openNew(t) })
}

func TestRecord(t *testing.T) {
	record.Run(t, func(t *testing.T) storetest.Store { return openNew(t) })
}

func TestNode(t *testing.T) {
	onenode.Run(t, func(t *testing.T) storetest.Store { return openNew(t) })
}

func TestPlans(t *testing.T) {
	plans.Run(t, func(t *testing.T) storetest.Store { return openNew(t) })
}

func TestGranted(t *testing.T) {
	granted.Run(t, func(t *testing.T) storetest.Store { return openNew(t) })
}
