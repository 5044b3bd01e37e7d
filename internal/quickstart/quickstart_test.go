package quickstart

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/audit"
	"countersign/internal/mail"
)

// options are those of a test: free ports, a folder of its own.
func options(t *testing.T, dir string, out io.Writer) Options {
	t.Helper()
	return Options{
		Data: dir, Submission: "127.0.0.1:0", Submissions: "127.0.0.1:0", Metrics: "127.0.0.1:0", Web: "127.0.0.1:0",
		Once: true, Stdout: out, Stderr: out, Version: "test",
		Trace: func(ctx context.Context, w io.Writer, store audit.Store, id string) error {
			events, err := store.Search(ctx, audit.Query{Submission: mail.ID(id)})
			for _, e := range events {
				fmt.Fprintln(w, e.Kind)
			}
			return err
		},
	}
}

func TestOnceSendsVerifiesAndKeepsTheData(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := Run(t.Context(), options(t, dir, &out)); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text := out.String()
	if strings.Count(text, " verifies\n") != 2 {
		t.Errorf("not two verified signatures:\n%s", text)
	}
	for _, kind := range []audit.Kind{audit.Accepted, audit.DeliveryDelivered} {
		if !strings.Contains(text, string(kind)) {
			t.Errorf("the trace lacks %s:\n%s", kind, text)
		}
	}
	first, err := readFacts(dir)
	if err != nil || first.Login != demoLogin || first.Password == "" {
		t.Fatalf("facts %+v, %v", first, err)
	}
	out.Reset()
	if err := Run(t.Context(), options(t, dir, &out)); err != nil {
		t.Fatalf("second start: %v\n%s", err, out.String())
	}
	second, err := readFacts(dir)
	if err != nil || second.Password != first.Password {
		t.Errorf("the second start changed the password (%v)", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "mail", "*.eml"))
	if err != nil || len(files) != 2 {
		t.Errorf("%d messages kept, want 2 (%v)", len(files), err)
	}
}

func TestTakenPortIsNamedWithItsFlag(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := options(t, t.TempDir(), io.Discard)
	o.Submissions = l.Addr().String()
	err = Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), o.Submissions) || !strings.Contains(err.Error(), "--submissions") {
		t.Errorf("got %v", err)
	}
}

func TestDataThatIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := Run(t.Context(), options(t, file, io.Discard))
	if err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("got %v", err)
	}
}

// TestSecondStartLeavesARunningGateAlone: the folder of a demo that runs stays
// as it is, and the second one says who has it.
func TestSecondStartLeavesARunningGateAlone(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	first := options(t, dir, io.Discard)
	first.Once = false
	reached, ended := make(chan struct{}), make(chan error, 1)
	first.Stdout = &trigger{word: "Try it yourself", reached: reached}
	go func() { ended <- Run(ctx, first) }()
	select {
	case <-reached:
	case err := <-ended:
		t.Fatalf("the first one ended: %v", err)
	}
	before := state(t, dir)
	second := options(t, dir, io.Discard)
	second.Stdout = io.Discard
	err := Run(t.Context(), second)
	if err == nil || !strings.Contains(err.Error(), "is already used by process") || !strings.Contains(err.Error(), "--data") {
		t.Errorf("the second start: %v", err)
	}
	if after := state(t, dir); after != before {
		t.Errorf("the folder changed:\n%s\nwas:\n%s", after, before)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the first one: %v", err)
	}
}

// trigger closes reached when a word is written.
type trigger struct {
	text    strings.Builder
	word    string
	reached chan struct{}
	done    bool
}

func (w *trigger) Write(p []byte) (int, error) {
	w.text.Write(p)
	if !w.done && strings.Contains(w.text.String(), w.word) {
		w.done = true
		close(w.reached)
	}
	return len(p), nil
}

// state is the configuration and the facts of a data folder, and the names of all
// files that look like them.
func state(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range names {
		if !strings.Contains(name, ".toml") && !strings.Contains(name, ".json") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n%s\n", name, text)
	}
	if !strings.Contains(b.String(), "hostname") || !strings.Contains(b.String(), demoLogin) {
		t.Fatalf("configuration or facts are missing: %s", b.String())
	}
	return b.String()
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	tests := map[string]func(*Options, string){
		"--submission":  func(o *Options, a string) { o.Submission = a },
		"--submissions": func(o *Options, a string) { o.Submissions = a },
		"--metrics":     func(o *Options, a string) { o.Metrics = a },
		"--web":         func(o *Options, a string) { o.Web = a },
	}
	for flag, set := range tests {
		for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:2587", "[2001:db8::1]:2587", "[::ffff:192.0.2.1]:0", "localhost:0", "127.0.0.1", ""} {
			dir := t.TempDir()
			o := options(t, filepath.Join(dir, "data"), io.Discard)
			set(&o, address)
			err := Run(t.Context(), o)
			if err == nil || !strings.HasPrefix(err.Error(), flag+": ") || !strings.Contains(err.Error(), "loopback") {
				t.Errorf("%s %q: %v", flag, address, err)
			}
			if _, err := os.Stat(o.Data); err == nil {
				t.Errorf("%s %q: the folder was made all the same", flag, address)
			}
		}
	}
	for _, address := range []string{"127.0.0.1:0", "127.9.9.9:2587", "[::1]:0"} {
		if err := checkLoopback(Options{Submission: address, Submissions: address, Metrics: address, Web: address}); err != nil {
			t.Error(err)
		}
	}
}
