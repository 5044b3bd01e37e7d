package quickstart

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
)

// signature is one DKIM-Signature field with its folded lines.
var signature = regexp.MustCompile(`(?m)^DKIM-Signature:.*\n(?:[ \t].*\n)*`)

// TestOnceJudgesWhatArrived: whatever is wrong with the signatures of the
// message that arrived fails the run, and no facts are written. The message is
// changed while the trace is printed, after it has arrived.
func TestOnceJudgesWhatArrived(t *testing.T) {
	tests := map[string]struct {
		change func(text []byte) []byte
		says   string
	}{
		"body changed": {func(text []byte) []byte { return append(text, "one line more\r\n"...) }, "does not verify"},
		"header changed": {func(text []byte) []byte {
			return bytes.Replace(text, []byte("Subject: Hello"), []byte("Subject: Farewell"), 1)
		}, "does not verify"},
		"one signature": {func(text []byte) []byte {
			at := signature.FindIndex(text)
			return append(text[:at[0]], text[at[1]:]...)
		}, "with 1 signatures, 2 were due"},
		"no signature": {func(text []byte) []byte {
			return signature.ReplaceAll(text, nil)
		}, "with 0 signatures, 2 were due"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := options(t, dir, io.Discard)
			o.Trace = func(context.Context, io.Writer, audit.Store, string) error {
				files, err := filepath.Glob(filepath.Join(dir, "mail", "*.eml"))
				if err != nil || len(files) != 1 {
					return fmt.Errorf("kept: %q, %v", files, err)
				}
				text, err := os.ReadFile(files[0])
				if err != nil {
					return err
				}
				changed := tt.change(bytes.Clone(text))
				if bytes.Equal(changed, text) {
					return fmt.Errorf("nothing was changed in:\n%s", text)
				}
				return os.WriteFile(files[0], changed, 0o600)
			}
			err := Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the run ended with %v, want %q", err, tt.says)
			}
			noFacts(t, dir)
		})
	}
}

// noFacts wants no sign of a gate that works.
func noFacts(t *testing.T, dir string) {
	t.Helper()
	if f, err := readFacts(dir); err != nil || f.Login != "" {
		t.Errorf("facts were written: %+v, %v", f, err)
	}
}

// blocker puts a file where arriving messages are kept, before the first is
// sent.
type blocker struct {
	t   *testing.T
	dir string
}

// Write implements io.Writer.
func (b *blocker) Write(p []byte) (int, error) {
	if !strings.Contains(string(p), "Sending one message") {
		return len(p), nil
	}
	if err := os.Remove(b.dir); err != nil {
		b.t.Error(err)
	}
	if err := os.WriteFile(b.dir, nil, 0o600); err != nil {
		b.t.Error(err)
	}
	return len(p), nil
}

// TestOnceMissesWhatDoesNotArrive: a message that was accepted and does not
// arrive in time fails the run.
func TestOnceMissesWhatDoesNotArrive(t *testing.T) {
	dir := t.TempDir()
	o := options(t, dir, io.Discard)
	o.Stdout = &blocker{t, filepath.Join(dir, "mail")}
	o.Arrival = time.Second
	err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "was accepted but has not arrived after 1s") {
		t.Errorf("the run ended with %v", err)
	}
	noFacts(t, dir)
}
