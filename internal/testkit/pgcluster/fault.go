package pgcluster

import (
	"fmt"
	"syscall"
	"testing"
)

// Stop stops the server in a mode and waits until it has ended. Start starts it
// again.
func (c *Cluster) Stop(t testing.TB, mode Mode) {
	t.Helper()
	must(t, c.down(func(s *server) error { return s.stop(mode) }))
}

// Start starts a server that was stopped or killed, under the same addresses, and
// waits until it accepts connections.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	must(t, c.up())
}

// Restart stops the server in a mode and starts it again.
func (c *Cluster) Restart(t testing.TB, mode Mode) {
	t.Helper()
	c.Stop(t, mode)
	c.Start(t)
}

// Kill ends every process of the server at once, as when the machine loses power
// but keeps what was written. Start starts it again.
func (c *Cluster) Kill(t testing.TB) {
	t.Helper()
	must(t, c.down(func(s *server) error {
		if err := c.folder.signal(syscall.SIGKILL, isAlive); err != nil {
			return err
		}
		return s.ended()
	}))
}

// Pause stops every process of the server where it is: connections stay open, new
// ones are made, nothing is answered. Continue lets it go on.
func (c *Cluster) Pause(t testing.TB) {
	t.Helper()
	must(t, c.folder.signal(syscall.SIGSTOP, isAwake))
}

// Continue ends a Pause.
func (c *Cluster) Continue(t testing.TB) {
	t.Helper()
	must(t, c.folder.signal(syscall.SIGCONT, isStopped))
}

// SetReadOnly makes the server refuse to write, with SQLSTATE 25006, or ends that.
// A transaction that has begun may still write.
func (c *Cluster) SetReadOnly(t testing.TB, readOnly bool) {
	t.Helper()
	value := "off"
	if readOnly {
		value = "on"
	}
	must(t, c.set("default_transaction_read_only", value))
}

// set changes a setting that needs no restart. When it returns the server has
// read it, and each session reads it before its next command.
func (c *Cluster) set(name, value string) error {
	const loaded = "SELECT pg_conf_load_time()::text" // of a new session: when the server read its files
	var before string
	if err := c.ask(&before, loaded); err != nil {
		return err
	}
	if err := c.admin("ALTER SYSTEM SET "+name+" = "+quote(value), "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	for now := before; now == before; {
		if err := c.ask(&now, loaded); err != nil {
			return fmt.Errorf("cannot see whether %s is set: %w", name, err)
		}
	}
	return nil
}

// isUp reports whether the server runs and answers, and is no standby.
func (c *Cluster) isUp() bool {
	c.mu.Lock()
	run := c.run
	c.mu.Unlock()
	return run != nil && isAwake(run.cmd.Process.Pid)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
