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
		Data: dir, Submission: "127.0.0.1:0", Submissions: "127.0.0.1:0", Metrics: "127.0.0.1:0",
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
