package pgcluster

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// patience bounds every wait for a server, generously: the machine may be busy.
const patience = time.Minute

// Mode says how a server is told to stop.
type Mode syscall.Signal

const (
	// Fast ends sessions, writes a checkpoint and stops.
	Fast = Mode(syscall.SIGINT)
	// Immediate stops at once; the next start recovers from the log, as after
	// a crash.
	Immediate = Mode(syscall.SIGQUIT)
)

// server is one run of PostgreSQL.
type server struct {
	cmd *exec.Cmd
	// ready is closed when it accepts connections.
	ready <-chan struct{}
	// gone is closed when its last process has ended; err is how the first did.
	gone chan struct{}
	err  error
}

// launch starts PostgreSQL and waits until it accepts connections.
func launch(cmd *exec.Cmd, log *journal) (*server, error) {
	s := &server{
		cmd:   cmd,
		ready: log.expect("database system is ready to accept"), // also a standby's "read-only connections"
		gone:  make(chan struct{}),
	}
	// Each process of a server holds the log open, so Wait waits for them all.
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.err = cmd.Wait()
		close(s.gone)
	}()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-s.ready:
		return s, nil
	case <-s.gone:
		return nil, fmt.Errorf("the server ended while it started: %w\n%s", errors.Join(s.err), log)
	case <-limit.C:
		return nil, fmt.Errorf("the server did not start within %s\n%s", patience, log)
	}
}

// stop tells the server to stop and waits until all of it has ended.
func (s *server) stop(mode Mode) error {
	if err := s.cmd.Process.Signal(syscall.Signal(mode)); err != nil {
		return err
	}
	return s.ended()
}

// ended waits until the last process has ended.
func (s *server) ended() error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-s.gone:
		return nil
	case <-limit.C:
		return fmt.Errorf("the server did not end within %s", patience)
	}
}
