package directory

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"countersign/test/harness"
)

// daemon is a server that others wrote, with a folder of its own.
type daemon struct {
	// t is the test that uses it now.
	t            testing.TB
	name, folder string
	// command runs it in the foreground; answers reports whether it does.
	command func() *exec.Cmd
	answers func() bool
	// signal ends it, and all processes that it has made.
	signal syscall.Signal
	cmd    *exec.Cmd // nil while it is down
	exited chan error
	said   bytes.Buffer // may be read when it has exited
}

// newDaemon makes the folder of one, which ends with the test.
func newDaemon(t testing.TB, name string) *daemon {
	t.Helper()
	folder, err := os.MkdirTemp("", "cs-") // short: the path of a socket has 107 octets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return &daemon{t: t, name: name, folder: folder, signal: syscall.SIGTERM}
}

func (d *daemon) path(name string) string { return filepath.Join(d.folder, name) }

// run starts it, and ends it with the test.
func (d *daemon) run(command func() *exec.Cmd, answers func() bool) {
	d.t.Helper()
	d.command, d.answers = command, answers
	d.t.Cleanup(d.stop)
	d.start()
}

// lend makes another test the one that uses it, until that ends.
func (d *daemon) lend(t testing.TB) {
	owner := d.t
	d.t = t
	t.Cleanup(func() { d.t = owner })
}

// start starts the server and waits until it answers.
func (d *daemon) start() {
	d.t.Helper()
	d.cmd = d.command()
	d.cmd.Stdout, d.cmd.Stderr = &d.said, &d.said
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		d.cmd = nil
		d.t.Fatal(err)
	}
	exited := make(chan error, 1)
	d.exited = exited
	go func(cmd *exec.Cmd) { exited <- cmd.Wait() }(d.cmd)
	harness.WaitFor(d.t, d.name+" to answer", func() bool {
		select {
		case err := <-d.exited:
			d.cmd = nil
			log, _ := os.ReadFile(d.path("log")) // not every one writes it
			d.t.Fatalf("%s ended: %v\n%s\n%s", d.name, err, d.said.String(), log)
		default:
		}
		return d.answers()
	})
}

// stop ends the server with all its processes, which are a group.
func (d *daemon) stop() {
	if d.cmd == nil {
		return
	}
	if err := syscall.Kill(-d.cmd.Process.Pid, d.signal); err != nil {
		d.t.Errorf("%s: %v", d.name, err)
	}
	<-d.exited
	d.cmd = nil
}

// listens reports whether somebody listens on a socket.
func listens(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// write writes a file.
func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.TrimSpace(text)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
