package postgres

import (
	"context"
	"fmt"
	"os"
	"testing"

	"countersign/internal/login/shape"
	"countersign/internal/node"
	"countersign/internal/store/postgres/server"
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
	"countersign/internal/testkit/pgcluster"
)

// shared is the server of all tests that only ask what is answered. Its databases
// have the schema already.
var shared = pgcluster.Shared{Options: pgcluster.Options{NoSync: true, Prepare: prepare}}

// prepare makes the schema.
func prepare(ctx context.Context, url string) error {
	s, err := Open(ctx, Options{URL: url})
	if err != nil {
		return err
	}
	return s.Close()
}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// openAt opens a database for a test.
func openAt(t testing.TB, url string, server bool) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{URL: url, Server: server})
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

func openNew(t testing.TB) *Store {
	t.Helper()
	return openAt(t, shared.Cluster(t).Database(t), true)
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
	url := shared.Cluster(t).Database(t)
	first := openAt(t, url, true)
	counting.Outlived(t, first, func() counting.Store {
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		return openAt(t, url, true)
	})
	lost := openNew(t)
	counting.Away(t, lost, func() { lost.Close() })
	url = shared.Cluster(t).Database(t)
	serving := openAt(t, url, true)
	counting.Beside(t, serving, openAt(t, url, false), func() {
		lease := node.Lease{Node: "1"}
		name, _ := serving.Holder()
		if _, err := fmt.Sscanf(name, "1#%d", &lease.Epoch); err != nil {
			t.Fatal(err)
		}
		if err := serving.Leave(t.Context(), lease, false); err != nil {
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

// number reads one number.
func number(t testing.TB, s *Store, text string) (n int64) {
	t.Helper()
	err := s.db.Read(context.Background(), "test", func(c *server.Conn) (err error) {
		n, _, err = c.Number(context.Background(), text, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
