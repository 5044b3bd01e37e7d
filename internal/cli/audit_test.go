package cli

import (
	"bufio"
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/internal/app"
	"countersign/internal/audit"
	"countersign/internal/cli/argument"
	"countersign/internal/config/loading"
	"countersign/internal/mail"
)

// TestEverySearchIsBounded gives each filter that there is alone, and all
// together but those by which an index leads to what is wanted.
func TestEverySearchIsBounded(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	address := argument.Address{Address: mail.Address{Local: "a", Domain: "b.example"}}
	given := wanted{
		Account: "a@b.example", Session: argument.ID{ID: "S"}, Submission: argument.Delivery{ID: "M"},
		Client: argument.Network{Prefix: netip.MustParsePrefix("192.0.2.0/24")}, From: address, To: address,
		Kind: "delivery.*", Reason: "auth-failed", Actor: "x", Object: "x",
	}
	byIndex := map[string]bool{"Account": true, "Session": true, "Submission": true}
	search := func(w wanted) audit.Query {
		cmd := auditSearch{wanted: w, limited: limited{100}}
		q, bounded, err := cmd.search(now)
		if err != nil || bounded == q.Since.IsZero() {
			t.Errorf("%+v: bounded %v, %v", q, bounded, err)
		}
		return q
	}
	day := now.Add(-24 * time.Hour)
	if q := search(wanted{}); !q.Since.Equal(day) {
		t.Errorf("nothing is looked for since %s", q.Since)
	}
	all, rest := reflect.ValueOf(given), wanted{}
	for i := range all.NumField() {
		var one wanted
		reflect.ValueOf(&one).Elem().Field(i).Set(all.Field(i))
		name, indexed := all.Type().Field(i).Name, byIndex[all.Type().Field(i).Name]
		if q := search(one); q.Since.IsZero() != indexed || !indexed && !q.Since.Equal(day) {
			t.Errorf("%s is looked for since %s", name, q.Since)
		}
		if !indexed {
			reflect.ValueOf(&rest).Elem().Field(i).Set(all.Field(i))
		}
	}
	if q := search(rest); !q.Since.Equal(day) {
		t.Errorf("the rest is looked for since %s", q.Since)
	}
}

// smallStore writes a small configuration, and opens its store.
func smallStore(t *testing.T) (config string, store app.Store) {
	t.Helper()
	config = filepath.Join(t.TempDir(), "countersign.toml")
	if err := os.WriteFile(config, []byte(smallConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := loading.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	if store, err = app.OpenStore(t.Context(), cfg, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return config, store
}

// TestTailFollows runs the command until a signal, while the record grows.
func TestTailFollows(t *testing.T) {
	path, store := smallStore(t)
	record := func(text string) {
		t.Helper()
		if err := store.Append(context.Background(), []audit.Event{{At: time.Now(), Kind: audit.ServerStarted, Text: text}}); err != nil {
			t.Fatal(err)
		}
	}
	record("before")
	printed, out := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		args := []string{"--config", path, "audit", "tail", "--follow", "--kind", "server.*"}
		ended <- Run(args, strings.NewReader(""), out, io.Discard, SystemEnv("test"))
		out.Close()
	}()
	lines := bufio.NewScanner(printed)
	for _, want := range []string{"before", "after"} {
		if !lines.Scan() || !strings.HasSuffix(lines.Text(), " "+want) {
			t.Fatalf("printed %q, want %s", lines.Text(), want)
		}
		record("after") // by now signals are waited for
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // what came at the end
	}
	if status := <-ended; status != statusDone {
		t.Errorf("status %d", status)
	}
}
