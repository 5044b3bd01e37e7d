package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"countersign/internal/app"
	"countersign/internal/config/loading"
)

const (
	benchLogin    = "load@example.org"
	benchPassword = "a long test password\n"
)

// measured is a gate that "countersign bench" is pointed at.
type measured struct {
	t *testing.T
	// ca is the file of its certificate, sink where it delivers to.
	ca, sink string
	app      *app.App
}

func newBench(t *testing.T) *measured {
	t.Helper()
	dir := t.TempDir()
	hop, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &measured{t: t, ca: filepath.Join(dir, "data", "main.crt"), sink: hop.Addr().String()}
	hop.Close()
	path := filepath.Join(dir, "countersign.toml")
	text := smallConfig + `hosts = ["localhost", "127.0.0.1"]
[metrics]
listen = ""
[dns]
servers = ["127.0.0.1:53"]
[[route]]
domain = "*"
next_hop = "smtp://` + b.sink + `"
tls = "none"
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := loading.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	b.app, err = app.New(cfg, app.Options{Version: "test", Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.app.Stop(context.Background()) })
	for _, args := range []string{"customer add acme", "domain add example.org --customer acme", "account add " + benchLogin} {
		status, out, errs := command(append([]string{"--config", path}, strings.Fields(args)...), benchPassword)
		if status != statusDone {
			t.Fatalf("%s: %s%s", args, out, errs)
		}
	}
	return b
}

// command does one command line.
func command(args []string, stdin string) (status int, out, errs string) {
	var o, e bytes.Buffer
	status = Run(args, strings.NewReader(stdin), &o, &e, SystemEnv("test"))
	return status, o.String(), e.String()
}

// run does "countersign bench" on this gate.
func (b *measured) run(password string, args ...string) (status int, out, errs string) {
	b.t.Helper()
	args = append([]string{"bench", "--address", b.app.Addresses()["submission"], "--login", benchLogin}, args...)
	if !slices.Contains(args, "--ca-file") {
		args = append(args, "--ca-file", b.ca)
	}
	return command(args, password)
}

// decode reads the one JSON object that bench prints.
func decode(t *testing.T, out string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(out), &object); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return object
}

func TestBenchSendsAndCounts(t *testing.T) {
	b := newBench(t)
	status, out, errs := b.run(benchPassword, "--messages", "5", "--connections", "2", "--size", "600",
		"--sink", b.sink, "--to", "x@example.com", "--wait", "30s", "--pid", strconv.Itoa(os.Getpid()))
	if status != statusDone || errs != "" {
		t.Fatalf("status %d, %s%s", status, out, errs)
	}
	got := decode(t, out)
	load, _ := got["load"].(map[string]any)
	if load["accepted"] != 5.0 || got["delivered"] != 5.0 || got["server"] == nil {
		t.Errorf("got %s", out)
	}
}

// TestBenchAsSeveral: each connection is that of the next account of a file.
func TestBenchAsSeveral(t *testing.T) {
	b := newBench(t)
	good := benchLogin + " " + benchPassword
	for text, want := range map[string]string{
		good:                         `"accepted": 4`,
		good + benchLogin + " wrong": `"535": `,
		"\n" + good + "\n":           `"accepted": 4`,
		benchLogin + "\n":            "line 1 is not a login, a blank and a password",
		"\n":                         "holds no account",
	} {
		file := filepath.Join(t.TempDir(), "accounts")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, out, errs := command([]string{"bench", "--address", b.app.Addresses()["submission"], "--ca-file", b.ca, "--accounts", file,
			"--messages", "4", "--connections", "1", "--per-connection", "1", "--to", "x@example.com"}, "")
		if !strings.Contains(out+errs, want) {
			t.Errorf("with %q: %s%s, want %s", text, out, errs, want)
		}
	}
	if _, out, errs := b.run(benchPassword, "--clients", "198.18.0.0"); !strings.Contains(errs, "--clients") || out != "" {
		t.Errorf("with no network: %s%s", out, errs)
	}
}

func TestBenchHoldsIdleSessions(t *testing.T) {
	b := newBench(t)
	status, out, errs := b.run(benchPassword, "--idle", "3", "--pid", strconv.Itoa(os.Getpid()), "--wait", "100ms")
	if status != statusDone || errs != "" {
		t.Fatalf("status %d, %s%s", status, out, errs)
	}
	got := decode(t, out)
	before, _ := got["resident_kib_before"].(float64)
	with, _ := got["resident_kib_with"].(float64)
	if got["sessions"] != 3.0 || before <= 0 || with <= 0 || got["kib_per_session"] != (with-before)/3 {
		t.Errorf("got %s", out)
	}
}

// TestBenchThatCannotMeasure: a reason on standard error, a status, and no
// figures that mean nothing.
func TestBenchThatCannotMeasure(t *testing.T) {
	b := newBench(t)
	tests := map[string]struct {
		password string
		args     []string
		want     string
	}{
		"idle without process":  {benchPassword, []string{"--idle", "3"}, "--pid"},
		"process that is not":   {benchPassword, []string{"--idle", "3", "--pid", "999999999"}, "/proc/999999999/"},
		"idle, wrong password":  {"wrong\n", []string{"--idle", "2", "--pid", strconv.Itoa(os.Getpid())}, "535"},
		"no password":           {"", nil, "no password"},
		"not a certificate":     {benchPassword, []string{"--ca-file", "bench_test.go"}, "no certificate"},
		"sink on every address": {benchPassword, []string{"--sink", "0.0.0.0:0"}, "loopback"},
	}
	for name, tt := range tests {
		status, out, errs := b.run(tt.password, tt.args...)
		if status != statusFailed || !strings.Contains(errs, tt.want) || out != "" {
			t.Errorf("%s: status %d, %q, %q", name, status, out, errs)
		}
	}
	status, out, errs := b.run("wrong\n", "--messages", "1", "--connections", "1")
	if status != statusFailed || !strings.Contains(errs, "no message was accepted") {
		t.Errorf("nothing accepted: status %d, %q, %q", status, out, errs)
	}
}
