package pgcluster

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared is one cluster for all tests of a package, started when a first test
// wants it:
//
//	var shared = pgcluster.Shared{Options: pgcluster.Options{NoSync: true}}
//
//	func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }
//
// Faults belong to clusters of their own, see Start.
type Shared struct {
	Options Options

	once    sync.Once
	cluster *Cluster // set by once, nil when err is not
	err     error
}

// Cluster returns the cluster, and starts it when it is the first to ask. It
// fails the test when that did not work.
func (s *Shared) Cluster(t testing.TB) *Cluster {
	t.Helper()
	s.once.Do(func() { s.cluster, s.err = start(s.Options) })
	must(t, s.err)
	t.Cleanup(func() { s.cluster.logFailure(t) })
	return s.cluster
}

// Main runs the tests and then ends the cluster. It returns the exit code.
func (s *Shared) Main(m interface{ Run() int }) int {
	code := m.Run()
	if s.cluster == nil {
		return code
	}
	if err := s.cluster.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
