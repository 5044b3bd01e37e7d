package badinput

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"countersign/test/harness"
)

// failing makes system calls of a running gate fail. The kernel's answer is
// changed from outside, by strace, as the binary makes its calls itself and no
// library stands in between.
type failing struct {
	t *testing.T
	// strace is the tracer, said what it says itself, calls its record.
	strace *exec.Cmd
	said   *output
	calls  string
	ended  chan struct{}
}

// output is what a process writes, for reading meanwhile.
type output struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns what has been written so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// fail begins: rule is what strace understands behind "inject=", such as
// "fsync,fdatasync:error=EIO". Calls are counted for each thread by itself
// ("when=3" is the third of each). Where files are given, only calls on these
// are meant. It returns when the rule is in force.
func fail(t *testing.T, g *harness.Gate, rule string, files ...string) *failing {
	t.Helper()
	calls, _, _ := strings.Cut(rule, ":")
	args := []string{"-e", "trace=" + calls, "-e", "inject=" + rule}
	for _, file := range files {
		args = append(args, "-P", file)
	}
	return attach(t, g, args...)
}

// watch begins to record calls, with the names of their files, and lets them
// be.
func watch(t *testing.T, g *harness.Gate, calls string) *failing {
	t.Helper()
	return attach(t, g, "-y", "-e", "trace="+calls)
}

// attach attaches strace to a gate.
func attach(t *testing.T, g *harness.Gate, args ...string) *failing {
	t.Helper()
	f := &failing{t: t, said: &output{}, calls: filepath.Join(t.TempDir(), "calls"), ended: make(chan struct{})}
	f.strace = exec.Command("strace", append([]string{"-f", "-o", f.calls, "-p", strconv.Itoa(pid(t, g))}, args...)...)
	f.strace.Stderr = f.said
	if err := f.strace.Start(); err != nil {
		t.Fatalf("these tests drive strace (package strace): %v", err)
	}
	go func() {
		defer close(f.ended)
		f.strace.Wait()
	}()
	t.Cleanup(f.end)
	attached := func() bool { return strings.Contains(f.said.String(), " attached") }
	harness.WaitFor(t, "strace to attach", func() bool { return f.over() || attached() })
	if !attached() {
		t.Fatalf("strace cannot follow the system calls of the gate; the tests need ptrace, "+
			"which root has, in a container with the capability SYS_PTRACE: %s", f.said)
	}
	return f
}

// over reports whether strace has ended: its process has, or it was told to.
func (f *failing) over() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

// end lets the gate's calls succeed again. A second call does nothing.
func (f *failing) end() {
	if !f.over() {
		f.strace.Process.Signal(syscall.SIGTERM)
	}
	<-f.ended
}

// times returns how many calls have failed so far.
func (f *failing) times() int {
	f.t.Helper()
	return strings.Count(f.record(), "(INJECTED)")
}

// record returns the calls so far, one a line.
func (f *failing) record() string {
	f.t.Helper()
	text, err := os.ReadFile(f.calls)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}
