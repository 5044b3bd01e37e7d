package harness

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// built builds the binary once for a test program.
var built = sync.OnceValues(build)

// Binary returns the program under test: the one that COUNTERSIGN_BIN names,
// or one built for this run with the race detector in it. Run it with the
// environment of WatchRaces, or by Command.
func Binary(t testing.TB) string {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatalf("cannot build the binary: %v", err)
	}
	return program.path
}

// program is a binary.
type program struct {
	path string
	// folder is removed when nothing refers to it any more, nil for one that was there.
	folder io.Closer
}

// Commands returns the program that short commands beside a server run: the one that
// COUNTERSIGN_COMMANDS names, or Binary. It need not have the race detector in it, which lets
// each start take five times as long; that a command has no race is shown by the scripts of
// internal/cli.
func Commands(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("COUNTERSIGN_COMMANDS"); path != "" {
		return path
	}
	return Binary(t)
}

// notWithin leaves the detector out of the database engine, as scripts/test.sh does.
const notWithin = "-gcflags=modernc.org/sqlite/lib=-race=false"

func build() (program, error) {
	if path := os.Getenv("COUNTERSIGN_BIN"); path != "" {
		return program{path: path}, nil
	}
	dir, err := os.MkdirTemp("", "countersign-test-")
	if err != nil {
		return program{}, err
	}
	folder, err := removeAfter(dir)
	if err != nil {
		return program{}, err
	}
	path := filepath.Join(dir, "countersign")
	cmd := exec.Command("go", "build", "-race", notWithin, "-o", path, "countersign/cmd/countersign")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1") // for the race detector alone
	cmd.Stderr = os.Stderr
	return program{path: path, folder: folder}, cmd.Run()
}

// removeAfter has a folder removed when this process has ended, however it ends: by a
// shell that waits until its standard input closes, which no other process holds open.
// To close what it returns does the same at once.
func removeAfter(folder string) (io.Closer, error) {
	shell := exec.Command("/bin/sh", "-c", `while read -r _; do :; done; rm -rf "$1"`, "sh", folder)
	shell.Dir = "/"
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // spared by what ends the test's group
	alive, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	return alive, shell.Start()
}

// Command prepares a run of the binary. The test fails when its race detector
// finds something.
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(Binary(t), args...)
	cmd.Env = WatchRaces(t)
	return cmd
}

// WatchRaces returns the environment for processes that run the binary. At
// the end of the test, behind the cleanups that are registered after this
// call, whatever the race detector has found in any of them fails it. So it
// is called before the cleanup that ends the process.
func WatchRaces(t testing.TB) []string {
	t.Helper()
	// The detector writes to files of its own instead of to the standard
	// error, which not every test keeps. It writes at once, so that a killed
	// process has told as well.
	reports := filepath.Join(t.TempDir(), "race")
	t.Cleanup(func() {
		found, err := races(reports)
		if err != nil {
			t.Error(err)
		}
		for _, text := range found {
			t.Errorf("the race detector of the binary reports:\n%s", text)
		}
	})
	return append(os.Environ(), raceOptions(reports))
}

// raceOptions tells the race detector of a process where its reports go; the
// quotes are for names of tests, which may hold a comma. It would have every
// process wait a second at its end for reports to come, and the tests run
// many.
func raceOptions(reports string) string {
	return "GORACE=log_path='" + reports + "' atexit_sleep_ms=20"
}

// races returns what detectors have written to these files; the detector
// appends the id of its process to the name.
func races(reports string) ([]string, error) {
	files, err := filepath.Glob(reports + ".*")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(string(text)) != "" {
			found = append(found, string(text))
		}
	}
	return found, nil
}
