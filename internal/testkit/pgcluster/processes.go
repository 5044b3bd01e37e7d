package pgcluster

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// prefix begins the name of every folder, and so guards all other processes.
const prefix = "cs-pg"

// processes returns the ids of the processes that work in the folder or below.
func (f *folder) processes() ([]int, error) {
	if !strings.HasPrefix(filepath.Base(f.path), prefix) {
		return nil, fmt.Errorf("%q is not the folder of a cluster", f.path)
	}
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		return nil, err
	}
	if len(links) == 0 {
		return nil, fmt.Errorf("/proc tells of no process: package pgcluster needs Linux")
	}
	var ids []int
	for _, link := range links {
		at, err := os.Readlink(link)
		if err != nil || at != f.path && !strings.HasPrefix(at, f.path+"/") {
			continue // has ended, or is not ours
		}
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// signal sends a signal to the processes of the folder until pending finds none
// among them that it has not reached. What a server forks meanwhile is seen in
// the next round.
func (f *folder) signal(signal syscall.Signal, pending func(id int) bool) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		ids, err := f.processes()
		if err != nil {
			return err
		}
		left := 0
		for _, id := range ids {
			if !pending(id) {
				continue
			}
			left++
			if err := syscall.Kill(id, signal); err != nil && err != syscall.ESRCH {
				return fmt.Errorf("%s to process %d: %w", signal, id, err)
			}
		}
		if left == 0 {
			return nil
		}
	}
	return fmt.Errorf("%s: the processes in %s did not obey within %s", signal, f.path, patience)
}

// isAlive is for a signal that ends processes.
func isAlive(int) bool { return true }

// isAwake reports whether a process is not stopped.
func isAwake(id int) bool { return state(id) != 'T' }

// isStopped reports whether a process is stopped.
func isStopped(id int) bool { return state(id) == 'T' }

// state returns the letter of a process's state, 0 when it has ended.
func state(id int) byte {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	if err != nil {
		return 0
	}
	// The letter follows the name, which is in brackets and may hold any character.
	_, rest, found := bytes.Cut(text, []byte(") "))
	if !found || len(rest) == 0 {
		return 0
	}
	return rest[0]
}
