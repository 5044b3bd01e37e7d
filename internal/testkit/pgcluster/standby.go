package pgcluster

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Standby makes a standby of c from a copy of its data. From then until the test
// ends each commit on c waits until every standby has applied it: while one is
// down or paused, commits wait.
func (c *Cluster) Standby(t testing.TB) *Cluster {
	t.Helper()
	s, err := newCluster(c.options, c.programs)
	must(t, err)
	s.endWith(t)
	must(t, s.copyOf(c))
	must(t, c.await(func(names []string) []string { return append(names, s.name()) }))
	t.Cleanup(func() {
		if !c.isUp() {
			return
		}
		err := c.await(func(names []string) []string {
			return slices.DeleteFunc(names, func(name string) bool { return name == s.name() })
		})
		if err != nil {
			t.Error(err)
		}
	})
	must(t, s.up())
	// This commit comes back when the standby has it.
	must(t, c.admin("SELECT pg_current_xact_id()"))
	return s
}

// copyOf copies the data of a primary and makes s its standby.
func (s *Cluster) copyOf(primary *Cluster) error {
	err := finish(s.programs.command(s.folder, "pg_basebackup", "-D", s.data(), "-X", "stream", "-c", "fast", "--no-sync",
		"-h", primary.folder.path, "-p", strconv.Itoa(primary.port), "-U", systemUser))
	if err != nil {
		return err
	}
	conninfo := fmt.Sprintf("host=%s port=%d user=%s application_name=%s",
		primary.folder.path, primary.port, systemUser, s.name())
	// The file that ALTER SYSTEM writes has the last word.
	settings := conf(map[string]string{"primary_conninfo": conninfo, "synchronous_standby_names": ""})
	if err := s.write("postgresql.auto.conf", settings, os.O_APPEND); err != nil {
		return err
	}
	return s.write("standby.signal", "", os.O_TRUNC)
}

// await changes the names of the standbys that commits wait for, all of them.
func (c *Cluster) await(change func(names []string) []string) error {
	c.mu.Lock()
	c.standbys = change(c.standbys)
	names := slices.Clone(c.standbys)
	c.mu.Unlock()
	if len(names) == 0 {
		return c.set("synchronous_standby_names", "")
	}
	for i, name := range names {
		names[i] = strconv.Quote(name)
	}
	if err := c.set("synchronous_commit", "remote_apply"); err != nil {
		return err
	}
	return c.set("synchronous_standby_names", fmt.Sprintf("FIRST %d (%s)", len(names), strings.Join(names, ", ")))
}

// Promote makes a standby the primary: it writes from now on. The former primary is
// not told; a test that wants it gone kills it before.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	var promoted bool
	must(t, c.ask(&promoted, "SELECT pg_promote()"))
	if !promoted {
		t.Fatalf("%s is not promoted within 60 s", c.name())
	}
}
