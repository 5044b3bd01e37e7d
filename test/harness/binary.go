package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built builds the binary once for a test program.
var built = sync.OnceValues(build)

// Binary returns the program under test: the one that COUNTERSIGN_BIN names,
// or one built for this run.
func Binary(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatalf("cannot build the binary: %v", err)
	}
	return path
}

func build() (string, error) {
	if path := os.Getenv("COUNTERSIGN_BIN"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "countersign-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "countersign")
	cmd := exec.Command("go", "build", "-o", path, "countersign/cmd/countersign")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
}
