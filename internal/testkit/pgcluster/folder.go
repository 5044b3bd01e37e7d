package pgcluster

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// watchdogScript ends and removes what is left when the test process has ended.
//
//go:embed watchdog.sh
var watchdogScript string

// folder is a place under /tmp with a watchdog. Every program that works there
// has it, or a folder in it, as its working directory.
type folder struct {
	path     string
	watchdog *exec.Cmd
	// alive is the watchdog's standard input. No child inherits it, so the
	// kernel closes it when the test process ends.
	alive io.Closer
}

// newFolder makes a folder that belongs to owner, nil for the user of the test.
// It is directly under /tmp because the path of a Unix socket has at most 107
// bytes.
func newFolder(owner *syscall.Credential) (*folder, error) {
	path, err := os.MkdirTemp("/tmp", prefix)
	if err != nil {
		return nil, err
	}
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path}
	// The watchdog comes first: from here on nothing is left behind.
	if err := f.watch(); err != nil {
		return nil, err
	}
	if owner == nil {
		return f, nil
	}
	if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		_ = f.remove()
		return nil, err
	}
	return f, nil
}

// watch starts the watchdog, in a session of its own so that what ends the
// test by way of its terminal or process group spares it.
func (f *folder) watch() error {
	f.watchdog = exec.Command("/bin/sh", "-c", watchdogScript, "watchdog", f.path)
	f.watchdog.Dir = "/"
	f.watchdog.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	alive, err := f.watchdog.StdinPipe()
	if err != nil {
		return err
	}
	f.alive = alive
	return f.watchdog.Start()
}

// remove lets the watchdog do its work now, and waits for it.
func (f *folder) remove() error {
	if err := f.alive.Close(); err != nil {
		return err
	}
	if err := f.watchdog.Wait(); err != nil {
		return fmt.Errorf("%s may be left behind: %w", f.path, err)
	}
	return nil
}
