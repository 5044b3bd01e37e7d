package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/test/harness"
)

// TestDialogues runs every NN-topic folder against one gate, but those that want one of
// their own.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("[0-9][0-9]-*/dialogue.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	g := harness.Quickstart(t, t.TempDir())
	for _, file := range files {
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), "extra.toml")); err == nil {
			continue // TestDialoguesOfTheirOwnGate
		}
		t.Run(filepath.Dir(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{t: t, gate: g}
			s.run(string(text))
		})
	}
}

// TestSecondStartKeepsTheData starts a quickstart twice on one folder.
func TestSecondStartKeepsTheData(t *testing.T) {
	dir := t.TempDir()
	first := harness.Quickstart(t, dir)
	first.Stop()
	second := harness.Quickstart(t, dir)
	if first.Password != second.Password || first.Login != second.Login {
		t.Errorf("login %q, then %q; password kept: %v", first.Login, second.Login, first.Password == second.Password)
	}
}

// TestOnce runs the command that a newcomer runs, as a script would.
func TestOnce(t *testing.T) {
	out, err := harness.Command(t, "quickstart", "--once", "--data", t.TempDir(),
		"--submission", "127.0.0.1:0", "--submissions", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--web", "127.0.0.1:0").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestOnceFailsAloud: what a run of quickstart is refused or finds wrong is its
// status as well.
func TestOnceFailsAloud(t *testing.T) {
	cmd := harness.Command(t, "quickstart", "--once", "--data", t.TempDir(), "--submission", "192.0.2.1:0")
	out, err := cmd.CombinedOutput()
	if status := cmd.ProcessState.ExitCode(); status != 1 || !strings.Contains(string(out), "loopback") {
		t.Errorf("status %d, %v\n%s", status, err, out)
	}
}
