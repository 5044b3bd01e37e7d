package interop

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/test/harness"
)

// printed matches a command in what quickstart prints: indented by two
// spaces, going on behind a backslash.
var printed = regexp.MustCompile(`(?m)^  ((?:.*\\\n)*.*)$`)

// startQuickstart runs a quickstart on the given folder and returns the
// commands that it prints to be copied.
func startQuickstart(t *testing.T, data string) []string {
	t.Helper()
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd := harness.Command(t, "quickstart", "--data", data,
		"--submission", "127.0.0.1:0", "--submissions", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--web", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			text, _ := os.ReadFile(said.Name())
			t.Errorf("quickstart ended with %v\n%s", err, text)
		}
	})
	var commands []string
	harness.WaitFor(t, "the commands to copy", func() bool {
		text, err := os.ReadFile(said.Name())
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), "Try it yourself:\n")
		lines, _, whole := strings.Cut(after, "What arrives is kept")
		commands = nil
		for _, match := range printed.FindAllStringSubmatch(lines, -1) {
			commands = append(commands, match[1])
		}
		return whole
	})
	return commands
}

// TestQuickstartsCommands runs every command that quickstart prints as a
// newcomer would: copied into a shell at the top of the tree.
func TestQuickstartsCommands(t *testing.T) {
	data := filepath.Join(t.TempDir(), "quickstart")
	commands := startQuickstart(t, data)
	top := t.TempDir()
	if err := os.Mkdir(filepath.Join(top, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(harness.Binary(t), filepath.Join(top, "bin", "countersign")); err != nil {
		t.Fatal(err)
	}
	// By the beginning of a command, and behind a star what is in it, what its output and a message
	// must hold.
	wants := map[string]struct{ says, arrives string }{
		"printf ":                       {"", "\r\nSubject: curl\r\n"},
		"swaks ":                        {"250 2.0.0 queued as ", "\r\nSubject: test "},
		"bin/countersign account list ": {"demo@example.org", ""},
		"bin/countersign queue list ":   {"", ""},
		"curl */metrics":                {"countersign_submission_accepted_total 3\n", ""},
		"curl */help/":                  {"The sender&#39;s address does not belong to your login", ""},
		"bin/countersign trace ":        {"delivery.delivered", ""},
	}
	seen := map[string]bool{}
	for _, command := range commands {
		t.Run(strings.Fields(command)[0], func(t *testing.T) {
			begin := ""
			for b := range wants {
				if start, holds, _ := strings.Cut(b, "*"); strings.HasPrefix(command, start) && strings.Contains(command, holds) {
					begin = b
				}
			}
			want, known := wants[begin]
			if !known {
				t.Fatalf("this test does not know what to expect of %q", command)
			}
			seen[begin] = true
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, "sh", "-c", command)
			cmd.Dir, cmd.Env = top, harness.WatchRaces(t)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), want.says) {
				t.Fatalf("%s\n%v, want %q in:\n%s", command, err, want.says, out)
			}
			if want.arrives != "" {
				harness.WaitFor(t, "its message", func() bool { return inFolder(filepath.Join(data, "mail"), want.arrives) })
			}
		})
	}
	for begin := range wants {
		if !seen[begin] {
			t.Errorf("no command %q … is printed", begin)
		}
	}
}

// inFolder reports whether a message in the folder holds text.
func inFolder(dir, text string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		return false
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err == nil && bytes.Contains(content, []byte(text)) {
			return true
		}
	}
	return false
}
