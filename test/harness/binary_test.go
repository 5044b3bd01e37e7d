package harness

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/testkit"
)

// TestBinaryHasTheDetector: the binary that the tests drive is one that
// notices a race.
func TestBinaryHasTheDetector(t *testing.T) {
	info, err := buildinfo.ReadFile(Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			return
		}
	}
	t.Errorf("%s, which COUNTERSIGN_BIN may name, was built without -race: a race in it would not fail a test", Binary(t))
}

// TestRaceIsReported: a program that has a race is found out, whatever becomes
// of its output.
func TestRaceIsReported(t *testing.T) {
	dir := t.TempDir()
	racy, reports := filepath.Join(dir, "racy"), filepath.Join(dir, "race, of a test")
	build := exec.Command("go", "build", "-race", "-o", racy, "./testdata/racy")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if found, err := races(reports); err != nil || len(found) != 0 {
		t.Fatalf("before the run: %q, %v", found, err)
	}
	run := exec.Command(racy)
	run.Env = append(os.Environ(), raceOptions(reports))
	if err := run.Run(); err == nil {
		t.Error("a racy program ended with status 0")
	}
	found, err := races(reports)
	if err != nil || len(found) != 1 || !strings.Contains(found[0], "WARNING: DATA RACE") {
		t.Errorf("found %q, %v", found, err)
	}
}

// TestBinaryIsRemoved: the folder of a binary stays until it is let go, and no longer.
func TestBinaryIsRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "countersign-test-1")
	if err := os.MkdirAll(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	folder, err := removeAfter(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	testkit.Until(t, "the folder is removed", func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
}
