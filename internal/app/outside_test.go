package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"countersign/internal/loadgen"
	"countersign/internal/sink"
)

// TestAccountOfADirectorySends lets an account send whose password a directory knows,
// from its first login on, over the wire; and nobody who guesses, or while the directory
// is away.
func TestAccountOfADirectorySends(t *testing.T) {
	const login, password = "far@far.example", "a password kept elsewhere"
	var away atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var q struct{ Login, Password string }
		_ = json.Unmarshal(body, &q)
		answer := map[string]any{"result": "found", "login": login, "verified": true}
		switch {
		case away.Load():
			w.WriteHeader(http.StatusInternalServerError)
			return
		case q.Login != login:
			answer = map[string]any{"result": "unknown"}
		case q.Password != password:
			answer = map[string]any{"result": "refused"}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	key := filepath.Join(t.TempDir(), "panel.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 64)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{}, 10)
	w := newWorld(t, fmt.Sprintf("[[directory]]\nremember = \"0s\"\nname = \"panel\"\nkind = \"http\"\nurl = %q\nkey_file = %q\nsend_password = true\ncustomer = \"far\"\ncreate_domains = true\nfailures = 2\n", server.URL, key),
		func(sink.Message) error { arrived <- struct{}{}; return nil })

	send := func(secret string) loadgen.Result {
		o := w.load(1, 1)
		o.Login, o.Password, o.From = login, secret, login
		res, err := loadgen.Run(t.Context(), o)
		if err != nil {
			t.Log(err)
		}
		return res
	}
	if res := send("a guess at its password"); res.Accepted != 0 {
		t.Error("a wrong password sends")
	}
	for range 2 {
		if res := send(password); res.Accepted != 1 {
			t.Fatalf("%+v", res)
		}
		<-arrived
	}
	acc, err := w.app.Store().Account(t.Context(), login)
	if err != nil || acc.Directory != "panel" || acc.Password().Secret.Hash != "" {
		t.Errorf("%+v, %v", acc, err)
	}
	if d, err := w.app.Store().Domain(t.Context(), "far.example"); err != nil || d.Customer != "far" || len(d.Keys) == 0 {
		t.Errorf("%+v, %v", d, err)
	}
	metrics := "http://" + w.app.Addresses()["metrics"]
	if body := get(t, metrics+"/metrics"); !strings.Contains(body, `countersign_directory_questions_total{directory="panel",outcome="answered"} 2`) {
		t.Error("the questions are not counted")
	}
	away.Store(true)
	for range 3 {
		if res := send(password); res.Accepted != 0 {
			t.Error("sends while nobody knows the password")
		}
	}
	if body := get(t, metrics+"/metrics"); !strings.Contains(body, `countersign_directory_left_alone{directory="panel"} 1`) {
		t.Error("metrics do not say that the directory is left alone")
	}
	if body := get(t, metrics+"/readyz"); !strings.Contains(body, "panel") {
		t.Errorf("health says nothing of the directory: %s", body)
	}
}
