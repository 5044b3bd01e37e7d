package harness

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"countersign/internal/testkit"
)

// patience bounds how long a quickstart may take to be ready.
const patience = 30 * time.Second

// Demo is a running quickstart.
type Demo struct {
	Submission  string `json:"submission"`
	Submissions string `json:"submissions"`
	Metrics     string `json:"metrics"`
	Login       string `json:"login"`
	Password    string `json:"password"`
	CAFile      string `json:"ca_file"`
	MailDir     string `json:"mail_dir"`

	// Config is the configuration that the quickstart wrote.
	Config string
	cmd    *exec.Cmd
	exited chan struct{}
	log    *os.File
}

// Stop ends it as Ctrl-C would and waits for its end. A second call does
// nothing.
func (g *Demo) Stop() {
	select {
	case <-g.exited:
	default:
		g.cmd.Process.Signal(syscall.SIGTERM)
		<-g.exited
	}
}

// Quickstart runs a quickstart in dir and waits until it is ready.
func Quickstart(t testing.TB, dir string) *Demo {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "quickstart.log"))
	if err != nil {
		t.Fatal(err)
	}
	g := &Demo{Config: filepath.Join(dir, "countersign.toml"), log: log}
	ready := filepath.Join(dir, "quickstart.json")
	// What an earlier start left is kept by the gate; this start's differs, as
	// its ports do.
	before, err := os.ReadFile(ready)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	g.cmd = Command(t, "quickstart", "--data", dir, "--submission", "127.0.0.1:0", "--submissions", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--web", "127.0.0.1:0")
	g.cmd.Stdout, g.cmd.Stderr = log, log
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g.exited = make(chan struct{})
	go func() {
		defer close(g.exited)
		g.cmd.Wait()
	}()
	t.Cleanup(func() {
		g.Stop()
		if t.Failed() {
			t.Logf("quickstart said:\n%s", g.said())
		}
	})
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		if text, err := os.ReadFile(ready); err == nil && !bytes.Equal(text, before) && json.Unmarshal(text, g) == nil {
			return g
		}
		select {
		case <-tick.C:
		case <-g.exited:
			t.Fatalf("quickstart ended:\n%s", g.said())
		case <-end:
			t.Fatalf("quickstart is not ready:\n%s", g.said())
		}
	}
}

func (g *Demo) said() string {
	text, err := os.ReadFile(g.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Roots returns what the gate's certificate verifies with.
func (g *Demo) Roots(t testing.TB) *x509.CertPool {
	t.Helper()
	return testkit.Roots(t, g.CAFile)
}
