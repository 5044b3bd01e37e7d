package app

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/account/hash"
	"countersign/internal/loadgen"
)

// A directory whose hashes cost too much for all failures to cost as much is named in the
// log, once.
func TestHashesThatAreNotLevelledAreLogged(t *testing.T) {
	const login, password = "far@far.example", "a password kept elsewhere"
	costly, err := hash.New(hash.Params{MemoryKiB: 64 << 10, Iterations: 2, Parallelism: 1}, password, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"result": "found", "login": login, "hash": "{ARGON2ID}" + costly.Text()})
	}))
	defer server.Close()
	key := filepath.Join(t.TempDir(), "panel.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 64)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	w := startWorldTo(t, log, fmt.Sprintf("[auth]\nhash_memory = \"8MiB\"\nhash_iterations = 1\n[[directory]]\nremember = \"0s\"\nname = \"panel\"\nkind = \"http\"\nurl = %q\nkey_file = %q\ncustomer = \"far\"\ncreate_domains = true\n", server.URL, key))
	for range 2 {
		o := w.load(1, 1)
		o.Login, o.Password, o.From = login, password, login
		if _, err := loadgen.SendOne(t.Context(), o, []byte("From: <"+login+">\r\n\r\nx\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	text := log.String()
	if strings.Count(text, "cost too much") != 1 || !strings.Contains(text, "directory=panel") || strings.Contains(text, password) || strings.Contains(text, "$argon2id") {
		t.Errorf("the log says %s", text)
	}
}
