package e2e

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test: COUNTERSIGN_BIN, or built by TestMain.
var binary string

// gate is a running quickstart.
type gate struct {
	Submission  string `json:"submission"`
	Submissions string `json:"submissions"`
	Metrics     string `json:"metrics"`
	Login       string `json:"login"`
	Password    string `json:"password"`
	CAFile      string `json:"ca_file"`
	MailDir     string `json:"mail_dir"`

	// config is the configuration that the quickstart wrote.
	config string
	dir    string
	cmd    *exec.Cmd
	log    *os.File
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	binary = os.Getenv("COUNTERSIGN_BIN")
	if binary == "" {
		dir, err := os.MkdirTemp("", "countersign-e2e")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "countersign")
		build := exec.Command("go", "build", "-o", binary, "countersign/cmd/countersign")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			panic(string(out))
		}
	}
	return m.Run()
}

// start runs a quickstart in dir and waits until it is ready.
func start(t *testing.T, dir string) *gate {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "quickstart.log"))
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{dir: dir, config: filepath.Join(dir, "countersign.toml"), log: log}
	ready := filepath.Join(dir, "quickstart.json")
	// A file of an earlier start would be taken for this one's.
	if err := os.Remove(ready); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	g.cmd = exec.Command(binary, "quickstart", "--data", dir, "--submission", "127.0.0.1:0", "--submissions", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	g.cmd.Stdout, g.cmd.Stderr = log, log
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- g.cmd.Wait() }()
	t.Cleanup(func() {
		if g.cmd.ProcessState == nil {
			g.cmd.Process.Signal(syscall.SIGTERM)
			<-exited
		}
		if t.Failed() {
			t.Logf("quickstart said:\n%s", g.said())
		}
	})
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		if text, err := os.ReadFile(ready); err == nil && json.Unmarshal(text, g) == nil {
			return g
		}
		select {
		case <-tick.C:
		case err := <-exited:
			exited <- err
			t.Fatalf("quickstart ended: %v\n%s", err, g.said())
		case <-end:
			t.Fatalf("quickstart is not ready:\n%s", g.said())
		}
	}
}

func (g *gate) said() string {
	text, err := os.ReadFile(g.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (g *gate) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(g.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", g.CAFile)
	}
	return pool
}

// TestDialogues runs every NN-topic folder against one gate.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("[0-9][0-9]-*/dialogue.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	g := start(t, t.TempDir())
	for _, file := range files {
		t.Run(filepath.Dir(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{t: t, gate: g}
			s.run(string(text))
		})
	}
}

// TestSecondStartKeepsTheData starts a quickstart twice on one folder.
func TestSecondStartKeepsTheData(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitGone(t, first)
	second := start(t, dir)
	if first.Password != second.Password || first.Login != second.Login {
		t.Errorf("login %q, then %q; password kept: %v", first.Login, second.Login, first.Password == second.Password)
	}
}

// waitGone waits until a gate's process has left its lock.
func waitGone(t *testing.T, g *gate) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for syscall.Kill(g.cmd.Process.Pid, 0) == nil {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("the first gate does not end")
		}
	}
}

// TestOnce runs the command that a newcomer runs, as a script would.
func TestOnce(t *testing.T) {
	out, err := exec.Command(binary, "quickstart", "--once", "--data", t.TempDir(),
		"--submission", "127.0.0.1:0", "--submissions", "127.0.0.1:0", "--metrics", "127.0.0.1:0").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
