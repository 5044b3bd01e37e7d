package app

import (
	"context"
	"os"
	"testing"

	"countersign/internal/store/postgres"
	"countersign/internal/testkit/pgcluster"
)

// shared is the server of all tests that do nothing to it. Its databases have the
// schema already: one that has to begin without is on a server of its own.
var shared = pgcluster.Shared{Options: pgcluster.Options{NoSync: true, Prepare: prepare}}

// prepare makes the schema.
func prepare(ctx context.Context, url string) error {
	s, err := postgres.Open(ctx, postgres.Options{URL: url})
	if err != nil {
		return err
	}
	return s.Close()
}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }
