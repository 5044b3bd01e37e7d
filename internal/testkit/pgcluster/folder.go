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

// folder is a place for temporary files with a watchdog. Every program that works there
// has it, or a folder in it, as its working directory.
type folder struct {
	path     string
	watchdog *exec.Cmd
	// alive is the watchdog's standard input. No child inherits it, so the
	// kernel closes it when the test process ends.
	alive io.Closer
}

// longestPlace is how long the path of a folder's place may be: that of a Unix
// socket in the folder has at most 107 bytes.
const longestPlace = 64

// place returns where folders are made: where the test has its temporary files,
// which may be in memory, or else /tmp, where owner would not get there or the
// path of a socket would be too long.
func place(owner *syscall.Credential) string {
	temporary := os.TempDir()
	if len(temporary) > longestPlace || owner != nil && !isOpen(temporary) {
		return "/tmp"
	}
	return temporary
}

// isOpen reports whether everybody may pass through a folder and all above it.
func isOpen(path string) bool {
	for {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		above := filepath.Dir(path)
		if above == path {
			return true
		}
		path = above
	}
}

// newFolder makes a folder that belongs to owner, nil for the user of the test.
func newFolder(owner *syscall.Credential) (*folder, error) {
	path, err := os.MkdirTemp(place(owner), prefix)
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
