package badinput

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/test/harness"
)

// run runs the binary to its end and returns its exit status, -1 where it had
// to be killed, and what it wrote.
func run(t *testing.T, args ...string) (status int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Binary(t), args...)
	cmd.Env = append(harness.WatchRaces(t), "COUNTERSIGN_CONFIG=")
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("countersign %s: %v", strings.Join(args, " "), err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// refused runs the binary, which must end with status 1 and say all of this.
func refused(t *testing.T, want []string, args ...string) string {
	t.Helper()
	status, out := run(t, args...)
	if status != 1 {
		t.Errorf("countersign %s ended with status %d, want 1", strings.Join(args, " "), status)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("countersign %s does not say %q:\n%s", strings.Join(args, " "), w, out)
		}
	}
	for _, never := range []string{"panic:", "goroutine "} {
		if strings.Contains(out, never) {
			t.Errorf("countersign %s fell over:\n%s", strings.Join(args, " "), out)
		}
	}
	return out
}

// dataDir is the gate's data directory.
func dataDir(g *harness.Gate) string { return filepath.Join(g.Dir, "data") }

// pid returns the process id of a running gate, which its lock names.
func pid(t *testing.T, g *harness.Gate) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dataDir(g), "countersign.db.lock"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	n, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || n <= 1 {
		t.Fatalf("the lock holds %q", text)
	}
	return n
}

// signal sends a signal to a running gate.
func signal(t *testing.T, process int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(process, s); err != nil {
		t.Fatalf("signal %v: %v", s, err)
	}
}

// waitGone waits for the end of a process that the harness started.
func waitGone(t *testing.T, process int) {
	t.Helper()
	harness.WaitFor(t, "the end of the process", func() bool {
		return errors.Is(syscall.Kill(process, 0), syscall.ESRCH)
	})
}

// logText returns what the gate has logged behind an offset.
func logText(t *testing.T, g *harness.Gate, offset int) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.Dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text[offset:])
}

// edit changes the gate's configuration file: each old text, which must stand
// in it, becomes the new one behind it.
func edit(t *testing.T, g *harness.Gate, oldNew ...string) {
	t.Helper()
	text, err := os.ReadFile(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(string(text), oldNew[i]) {
			t.Fatalf("the configuration has no %q:\n%s", oldNew[i], text)
		}
	}
	changed := strings.NewReplacer(oldNew...).Replace(string(text))
	if err := os.WriteFile(g.Config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload sends SIGHUP and waits until the log says what became of it.
func reload(t *testing.T, g *harness.Gate, says *regexp.Regexp) {
	t.Helper()
	before := len(logText(t, g, 0))
	signal(t, pid(t, g), syscall.SIGHUP)
	harness.WaitFor(t, "the log to say "+says.String(), func() bool { return says.MatchString(logText(t, g, before)) })
}

// ready wants the gate to call itself ready.
func ready(t *testing.T, g *harness.Gate) {
	t.Helper()
	if code, text := g.Get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz answers %d: %s", code, text)
	}
}

// entry is a line of the queue's listing.
type entry struct {
	Submission string `json:"submission"`
	Delivery   int    `json:"n"`
	State      string `json:"state"`
	Recipient  string `json:"to"`
	Attempts   int    `json:"attempts"`
}

// queued lists what waits.
func queued(t *testing.T, g *harness.Gate, filter ...string) []entry {
	t.Helper()
	out := g.Admin("", append([]string{"queue", "list", "--json"}, filter...)...)
	var list []entry
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("queue list --json: %v\n%s", err, out)
	}
	return list
}

// stateOf returns the state of the first delivery of a submission that waits;
// "" when none does.
func stateOf(t *testing.T, g *harness.Gate, id string) string {
	t.Helper()
	for _, e := range queued(t, g) {
		if e.Submission == id {
			return e.State
		}
	}
	return ""
}

// waitState waits until the submission's delivery is in that state.
func waitState(t *testing.T, g *harness.Gate, id, state string) {
	t.Helper()
	harness.WaitFor(t, fmt.Sprintf("%s to be %q", id, state), func() bool { return stateOf(t, g, id) == state })
}

// waitEmpty waits until nothing waits.
func waitEmpty(t *testing.T, g *harness.Gate) {
	t.Helper()
	harness.WaitFor(t, "an empty queue", func() bool { return len(queued(t, g)) == 0 })
}
