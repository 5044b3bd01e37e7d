package panel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/config"
	"countersign/internal/web/api/client"
)

// TestJudge: tokens that cannot be read, that could be guessed, and that two clients have are
// found, each at its own table, and none is repeated.
func TestJudge(t *testing.T) {
	dir := t.TempDir()
	good := client.NewToken()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := &config.Config{APIClients: []config.APIClient{
		{Name: "a", TokenFile: file("a", good+"\n")}, {Name: "b", TokenFile: file("b", good)}, {Name: "c", TokenFile: file("c", "password")},
		{Name: "d", TokenFile: filepath.Join(dir, "none")}, {Name: "e", TokenFile: file("e", client.NewToken())},
	}}
	found := Judge(c)
	want := []string{"token of client \"a\"", "has 8 characters", "cannot be read"}
	if len(found) != len(want) {
		t.Fatalf("%+v", found)
	}
	for i, f := range found {
		if !strings.Contains(f.Text, want[i]) || strings.Contains(f.Text, good) || strings.Contains(f.Text, "password") {
			t.Errorf("%+v, want %q", f, want[i])
		}
	}
}
