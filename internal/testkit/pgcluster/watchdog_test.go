package pgcluster

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"countersign/internal/testkit"
)

// waitToBeKilled starts two servers, stops the second in its tracks, prints their
// folders and that of the template, and waits without end.
func waitToBeKilled() error {
	origin, err := template()
	if err != nil {
		return err
	}
	fmt.Println(origin.folder.path)
	for n := range 2 {
		c, err := start(Options{NoSync: true})
		if err != nil {
			return err
		}
		if n == 1 {
			err = c.folder.signal(syscall.SIGSTOP, isAwake)
		}
		if err != nil {
			return err
		}
		fmt.Println(c.folder.path)
	}
	_, err = io.Copy(io.Discard, os.Stdin) // which the test holds open
	return err
}

func TestAKilledTestLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), asChild+"=1")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	_, err = child.StdinPipe()
	must(t, err)
	must(t, child.Start())
	var folders []string
	lines := bufio.NewScanner(out)
	for len(folders) < 3 && lines.Scan() {
		folders = append(folders, lines.Text())
	}
	for _, path := range folders[1:] {
		if ids, err := (&folder{path: path}).processes(); err != nil || len(ids) < 5 {
			t.Errorf("a server has the processes %v, want five or more; error %v", ids, err)
		}
	}
	must(t, child.Process.Kill())
	if err := child.Wait(); err == nil {
		t.Error("the child was not killed")
	}
	for _, path := range folders {
		testkit.Until(t, "the folder is removed", func() bool {
			_, err := os.Stat(path)
			return os.IsNotExist(err)
		})
		wantNothingLeft(t, &folder{path: path})
	}
}

func TestTheEndOfATestRemovesEverything(t *testing.T) {
	t.Parallel()
	var f *folder
	t.Run("server and disk", func(t *testing.T) {
		c := Start(t, Options{NoSync: true})
		c.DatabaseOnDisk(t, 16<<20)
		f = c.folder
	})
	wantNothingLeft(t, f)
}

// wantNothingLeft wants that a folder, what was mounted in it and its
// processes are gone.
func wantNothingLeft(t *testing.T, f *folder) {
	t.Helper()
	if _, err := os.Stat(f.path); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", f.path, err)
	}
	mounts, err := os.ReadFile("/proc/mounts")
	must(t, err)
	if strings.Contains(string(mounts), f.path) {
		t.Errorf("a disk is still mounted in %s", f.path)
	}
	if ids, err := f.processes(); err != nil || len(ids) > 0 {
		t.Errorf("the processes %v were left behind; error %v", ids, err)
	}
}
