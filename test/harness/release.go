package harness

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// versionLine is where the program says which release it is.
var versionLine = regexp.MustCompile(`const version = ".*"`)

// Release builds the binary of another release: the tree as it is, with that
// version, and with more files laid over it, by their paths in the tree. As nearly
// all of it has been built before, it takes seconds.
func Release(t testing.TB, version string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := strings.TrimSpace(string(out))
	const program = "cmd/countersign/main.go"
	text, err := os.ReadFile(filepath.Join(root, program))
	if err != nil {
		t.Fatal(err)
	}
	other := versionLine.ReplaceAllString(string(text), `const version = "`+version+`"`)
	if other == string(text) {
		t.Fatalf("%s has no version to replace", program)
	}
	all := maps.Clone(files)
	all[program] = other
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range all {
		file := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, path)] = file
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	listed := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(listed, list, 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "countersign")
	build := exec.Command("go", "build", "-race", notWithin, "-overlay", listed, "-o", binary, "countersign/cmd/countersign")
	build.Env = append(os.Environ(), "CGO_ENABLED=1") // for the race detector alone
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
