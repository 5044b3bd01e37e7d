package badinput

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"countersign/internal/loadgen"
	"countersign/internal/sink"
	"countersign/internal/testkit/pgcluster"
	"countersign/test/harness"
)

// TestKilledCopy kills "store copy" at random moments, from SQLite to PostgreSQL
// and back, until it comes to its end, and starts a gate on the last copy: each
// message that was accepted arrives once.
func TestKilledCopy(t *testing.T) {
	number := regexp.MustCompile(`X-Load-Number: (\d+)`)
	var mu sync.Mutex
	got := map[string]int{}
	hop, err := sink.Listen("127.0.0.1:0", func(m sink.Message) error {
		mu.Lock()
		defer mu.Unlock()
		got[string(number.Find(m.Data))+" "+strconv.Itoa(len(m.Data)/10_000)]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	g := harness.Serve(t, hop.Addr(), "[delivery]\nenabled = false\n")
	const small, large = 600, 30
	for size, messages := range map[int]int{4096: small, 300 << 10: large} {
		o := g.Load(messages, 8)
		o.Size = size
		if res, err := loadgen.Run(t.Context(), o); err != nil || res.Accepted != messages {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	g.Kill(syscall.SIGTERM)

	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &copier{t: t, dir: g.Dir, random: rand.New(rand.NewPCG(seed, 0))}
	first := "sqlite:" + filepath.Join(g.Dir, "data", "countersign.db")
	c.until(first, func() string { return cluster.Database(t) })
	last := c.until(c.copied, func() string { return "sqlite:" + filepath.Join(t.TempDir(), "data", "countersign.db") })
	if c.kills < 6 || c.refused == 0 {
		t.Errorf("%d copies were killed, and %d targets were not finished: it proves nothing", c.kills, c.refused)
	}

	text, err := os.ReadFile(g.Config)
	if err == nil {
		text = bytes.Replace(text, []byte("enabled = false"), []byte("enabled = true"), 1)
		err = os.WriteFile(g.Config, append(text, []byte(fmt.Sprintf("[store]\nurl = %q\n", last))...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	harness.WaitFor(t, "all messages to arrive", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) >= small+large
	})
	g.Kill(syscall.SIGTERM)
	mu.Lock()
	defer mu.Unlock()
	for what, times := range got {
		if times != 1 {
			t.Errorf("message %s arrived %d times", what, times)
		}
	}
}

// copier runs "store copy" and kills it.
type copier struct {
	t      *testing.T
	dir    string
	random *rand.Rand
	// copied is the target of the last copy that came to its end.
	copied string
	// kills and refused count the copies that were killed, and the targets that no
	// command could open afterwards.
	kills, refused int
}

// until copies to new targets until copies were killed three times on their way, and
// returns the last target, whose copy has come to its end.
func (c *copier) until(from string, target func() string) string {
	c.t.Helper()
	began := time.Now()
	c.copied = target()
	c.run(from, c.copied, 0)
	took := time.Since(began)
	for most := c.kills + 3; c.kills < most; {
		c.copied = target()
		for !c.run(from, c.copied, time.Duration(c.random.Int64N(int64(took)))) {
			if c.opens(c.copied) { // it was killed behind its last step
				c.wantMoved(from, c.copied)
				break
			}
			c.kills++
		}
	}
	return c.copied
}

// run copies, is killed after a while where one is given, and reports whether it
// came to its end.
func (c *copier) run(from, to string, after time.Duration) (ended bool) {
	c.t.Helper()
	cmd := harness.Command(c.t, "store", "copy", "--from", from, "--to", to)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	signal := []os.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGINT}[c.random.IntN(3)]
	if after > 0 {
		timer := time.AfterFunc(after, func() { cmd.Process.Signal(signal) })
		defer timer.Stop()
	}
	err := cmd.Wait()
	text := out.String()
	switch {
	case err == nil:
		if !strings.Contains(text, "both were read again and are the same") || !strings.Contains(text, fmt.Sprintf("url = %q", to)) {
			c.t.Fatalf("the copy says:\n%s", text)
		}
		return true
	case after == 0:
		c.t.Fatalf("the copy failed: %v\n%s", err, text)
	case cmd.ProcessState.ExitCode() < 0: // killed, or interrupted before it listens to that
	case !strings.Contains(text, "countersign: interrupted; what is in the target so far stays there, and the same command goes on with it") && !strings.Contains(text, "canceled"):
		c.t.Fatalf("an interrupted copy says:\n%s", text)
	}
	return false
}

// opens lets a command open the target of a killed copy, and reports whether the copy is
// there, and open: as long as it is not finished, no command may open it.
func (c *copier) opens(to string) bool {
	c.t.Helper()
	out, err := c.command(to, "customer", "list")
	_, exited := err.(*exec.ExitError)
	switch {
	case err == nil:
		// Without any customer it was killed before it had begun.
		return strings.Contains(out, "acme")
	case exited && strings.Contains(out, "is not finished"):
		c.refused++
	case !exited || !strings.Contains(out, "there is no database"):
		c.t.Fatalf("a command on the target of a killed copy: %v\n%s", err, out)
	}
	return false
}

// wantMoved checks that a store is closed, as it was copied to another.
func (c *copier) wantMoved(from, to string) {
	c.t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := c.command(from, "customer", "add", "late")
	if err == nil || !strings.Contains(out, strings.TrimPrefix(target.Path, "/")) {
		c.t.Fatalf("the copy in %s is open, and a command on its source says: %v\n%s", to, err, out)
	}
}

// command runs a command on a store.
func (c *copier) command(store string, args ...string) (out string, err error) {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "countersign.toml")
	text, err := os.ReadFile(filepath.Join(c.dir, "countersign.toml"))
	if err == nil {
		err = os.WriteFile(file, append(text, []byte(fmt.Sprintf("[store]\nurl = %q\n", store))...), 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := harness.Command(c.t, append(args, "--config", file)...).CombinedOutput()
	return string(answer), err
}
