package app

import (
	"crypto/sha512"
	"encoding/base64"
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
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
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

// TestWhatADirectorySaysCounts: its plan at the next login, and that an account is disabled
// also where that shows an app password.
func TestWhatADirectorySaysCounts(t *testing.T) {
	const login, password, appPassword = "far@far.example", "a password kept elsewhere", "abcde-fghij-kmnpq-rstuv"
	var plan atomic.Value
	var disabled, away, stood atomic.Bool
	plan.Store("")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Password string
			Standing bool
		}
		_ = json.NewDecoder(r.Body).Decode(&q)
		if away.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		answer := map[string]any{"result": "found", "login": login, "plan": plan.Load(), "disabled": disabled.Load()}
		if !q.Standing {
			answer["verified"] = q.Password == password
			if q.Password != password {
				answer = map[string]any{"result": "refused"}
			}
		}
		stood.Store(stood.Load() || q.Standing)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	key := filepath.Join(t.TempDir(), "panel.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 64)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{}, 10)
	w := newWorld(t, fmt.Sprintf("[[directory]]\nremember = \"0s\"\nname = \"panel\"\nkind = \"http\"\nurl = %q\nkey_file = %q\nsend_password = true\ncustomer = \"far\"\ncreate_domains = true\nfailures = 100\n", server.URL, key),
		func(sink.Message) error { arrived <- struct{}{}; return nil })
	sends := func(secret string) bool {
		o := w.load(1, 1)
		o.Login, o.Password, o.From = login, secret, login
		res, err := loadgen.Run(t.Context(), o)
		if err != nil {
			t.Log(err)
		}
		if res.Accepted == 1 {
			<-arrived
		}
		return res.Accepted == 1
	}
	store := w.app.Store()
	for name, state := range map[string]account.State{"small": account.Active, "stopped": account.Suspended} {
		if err := store.PutPlan(t.Context(), account.Plan{Name: name, State: state, MaxRecipients: 1}, audit.Event{Kind: audit.AdminAdded}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		plan, has string
		sends     bool
	}{{"", "", true}, {"small", "small", true}, {"nothing of the kind", "small", true}, {"stopped", "stopped", false}, {"stopped", "stopped", false}, {"", "", true}} {
		plan.Store(step.plan)
		got := sends(password)
		acc, err := store.Account(t.Context(), login)
		if err != nil || got != step.sends || acc.Plan != step.has {
			t.Fatalf("%+v: sends is %v, %+v, %v", step, got, acc, err)
		}
	}

	acc, err := store.Account(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	salt := []byte("a salt of 16 oct")
	sum := sha512.Sum512(append([]byte(appPassword), salt...))
	acc.Credentials = append(acc.Credentials, account.Credential{
		ID: "01JAPP00000000000000000000", Kind: account.AppPassword, Name: "printer", Created: time.Now(), Changed: time.Now(),
		Secret: account.Secret{Hash: "{SSHA512}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...)), Cost: "digest"},
	})
	if err := store.PutAccount(t.Context(), acc, audit.Event{Kind: audit.AdminChanged}); err != nil {
		t.Fatal(err)
	}
	if stood.Load() || !sends(appPassword) || !stood.Load() {
		t.Fatal("the directory is not asked how the account stands, or asked before, or the app password does not send")
	}
	disabled.Store(true)
	if sends(appPassword) {
		t.Error("an app password sends for an account that is disabled there")
	}
	disabled.Store(false)
	away.Store(true)
	if sends(appPassword) {
		t.Error("an app password sends while nobody knows whether the account stands")
	}
	away.Store(false)
	if !sends(appPassword) {
		t.Error("an app password does not send any more")
	}
}
