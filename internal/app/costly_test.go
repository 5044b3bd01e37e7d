package app

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign/internal/account/hash"
	"countersign/internal/loadgen"
)

// A directory whose hashes cost too much for all failures to cost as much is named in the
// log, once; so is one whose hashes are none of those that the configuration names. One that has what is
// named, whatever that costs, is not.
func TestHashesThatAreNotLevelledAreLogged(t *testing.T) {
	costly, err := hash.New(hash.Params{MemoryKiB: 64 << 10, Iterations: 2, Parallelism: 1}, farPassword, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for hashes, says := range map[string][]string{
		"":                                      {"cost too much"},
		`hashes = ["bcrypt:4"]`:                 {"cost too much", "does not name"},
		`hashes = ["argon2id:m=65536,t=2,p=1"]`: nil,
	} {
		t.Run(hashes, func(t *testing.T) {
			text := logOf(t, costly, hashes)
			for _, part := range []string{"cost too much", "does not name"} {
				if got := strings.Count(text, part); got > 1 || (got == 1) != slices.Contains(says, part) {
					t.Errorf("the log says %d times %q: %s", got, part, text)
				}
			}
			told := strings.Contains(text, "directory=panel kind=\"argon2id:m=65536,t=2,p=1\"")
			if told != (says != nil) || strings.Contains(text, farPassword) || strings.Contains(text, "$argon2id") {
				t.Errorf("the log says %s", text)
			}
		})
	}
}

// The account of a directory.
const farLogin, farPassword = "far@far.example", "a password kept elsewhere"

// logOf returns what a gate logs while the account of a directory, whose hash that is, logs in twice.
func logOf(t *testing.T, stored hash.Hash, hashes string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"result": "found", "login": farLogin, "hash": "{ARGON2ID}" + stored.Text()})
	}))
	defer server.Close()
	key := filepath.Join(t.TempDir(), "panel.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 64)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	w := startWorldTo(t, log, fmt.Sprintf("[auth]\nhash_memory = \"8MiB\"\nhash_iterations = 1\n[[directory]]\nremember = \"0s\"\nname = \"panel\"\nkind = \"http\"\nurl = %q\nkey_file = %q\n%s\ncustomer = \"far\"\ncreate_domains = true\n", server.URL, key, hashes))
	for range 2 {
		o := w.load(1, 1)
		o.Login, o.Password, o.From = farLogin, farPassword, farLogin
		if _, err := loadgen.SendOne(t.Context(), o, []byte("From: <"+farLogin+">\r\n\r\nx\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	return log.String()
}
