package app

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/cert"
	"countersign/internal/config"
	"countersign/internal/fault"
)

// TestMissingKeyFile: beside what is sealed no new key file is made, neither
// by the server nor by a command. Where nothing is sealed, one is.
func TestMissingKeyFile(t *testing.T) {
	for name, c := range map[string]struct {
		want string // "" for a new file
		fill func(t *testing.T, w *world)
	}{
		"nothing sealed": {"", func(*testing.T, *world) {}},
		"signing keys":   {"signing keys of a domain", func(_ *testing.T, w *world) { w.seed() }},
		"certificates": {cert.StartAnew, func(t *testing.T, w *world) {
			if err := w.app.Store().PutCertificate(t.Context(), "acme/0/x", []byte("sealed")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := emptyWorld(t)
			c.fill(t, w)
			file := filepath.Join(w.dir, "data", "seal.key")
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			store := w.app.Store()
			if c.want != "" {
				_, err := OpenSealer(t.Context(), w.app.cfg, store)
				wantMissing(t, err, file, c.want)
			}
			if err := w.app.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			again, err := New(w.app.cfg, Options{Stderr: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			err = again.Start(t.Context())
			if c.want != "" {
				wantMissing(t, err, file, c.want)
				if _, err := os.Stat(file); err == nil {
					t.Error("a new key file was made")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStartLineNamesEachListener: one attribute for each, in a fixed order.
func TestStartLineNamesEachListener(t *testing.T) {
	a := &App{opt: Options{Version: "1"}, started: &config.Config{}, addresses: map[string]string{"submissions": "b:465", "metrics": "c:9", "submission": "a:587"}}
	if got := fmt.Sprint(a.attributes()...); got != fmt.Sprint("version", "1", "store", a.storeName(), "metrics", "c:9", "submission", "a:587", "submissions", "b:465") {
		t.Errorf("the start is logged with %s", got)
	}
}

// TestDataFolderThatCannotBeMade: the error names option and folder.
func TestDataFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := &App{cfg: &config.Config{DataDir: file}}
	err := a.openStore(t.Context())
	if err == nil || err.Error() != "the folder that data_dir names cannot be made: "+file+": not a directory" {
		t.Errorf("got %v", err)
	}
}

// until waits until a condition holds.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			w.t.Fatalf("in vain waited for %s", what)
		}
	}
}

func wantMissing(t *testing.T, err error, parts ...string) {
	t.Helper()
	if !fault.Is(err, fault.NotFound) {
		t.Fatalf("got %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
}

// TestACMESecretsAreSealed: what the certificates keep in the store cannot be
// read from it.
func TestACMESecretsAreSealed(t *testing.T) {
	w := emptyWorld(t)
	// The authority is away, but its account's key is made and kept before it
	// is asked.
	cfg := w.configure("")
	cfg.Certificates = append(cfg.Certificates, cfg.Certificates[0])
	c := &cfg.Certificates[1]
	c.Name, c.Source, c.Hosts = "acme", "acme", []string{"gate.example.org"}
	c.Directory, c.Challenge, c.HTTPListen, c.TermsAgreed = "https://127.0.0.1:1/", "http-01", "127.0.0.1:0", true
	if _, err := w.app.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	w.until("the account's key", func() bool {
		n, err := w.app.Store().CountCertificates(t.Context())
		return err == nil && n == 1
	})
	if err := w.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "data", "*.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no database: %v", err)
	}
	found := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(text, []byte("acme_account+key"))
		if bytes.Contains(text, []byte("PRIVATE KEY")) {
			t.Errorf("%s holds a private key that can be read", file)
		}
	}
	if !found {
		t.Error("the account's key is not in the database")
	}
}
