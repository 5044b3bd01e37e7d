package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"countersign/internal/audit"
	"countersign/internal/loadgen"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/sink"
	"countersign/internal/store/sqlite"
	"countersign/internal/testkit"
	"countersign/test/harness"
)

var errLater = errors.New("not now")

// world is a gate under load with the client's own record of it.
type world struct {
	t    *testing.T
	gate *harness.Gate

	mu sync.Mutex // guards what follows
	// acked are the ids that clients have a 250 for.
	acked map[mail.ID]bool
	runs  int
	// large is how many large messages were sent of which each fifth waits.
	large int
}

// start starts a gate whose next hop takes all messages but each fifth, which
// waits.
func start(t *testing.T) *world {
	t.Helper()
	hop, err := sink.Listen("127.0.0.1:0", func(m sink.Message) error {
		if n, ok := loadgen.Number(m.Data); ok && n%5 == 0 {
			return errLater
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	return &world{t: t, gate: harness.Serve(t, hop.Addr(), ""), acked: map[mail.ID]bool{}}
}

// send sends messages, large ones and small ones in turn, until ctx ends or there
// were that many.
func (w *world) send(ctx context.Context, messages int) error {
	w.mu.Lock()
	w.runs++
	base := w.runs * 1_000_000
	o := w.gate.Load(messages, 4)
	if w.runs%2 == 0 {
		o.Size = 100_000
		w.large += messages
	}
	w.mu.Unlock()
	o.Number = func(n int) int { return base + n }
	o.Ledger = func(_ int, ok bool, reply string) {
		if !ok {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, word := range strings.Fields(reply) {
			if mail.ValidID(word) {
				w.acked[mail.ID(word)] = true
			}
		}
	}
	_, err := loadgen.Run(ctx, o)
	return err
}

// acknowledged returns what was up to now.
func (w *world) acknowledged() []mail.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []mail.ID
	for id := range w.acked {
		all = append(all, id)
	}
	return all
}

// elsewhere writes a configuration for a store in another folder.
func (w *world) elsewhere(dir string) (config, database string) {
	w.t.Helper()
	config = filepath.Join(dir, "countersign.toml")
	text := testkit.GateConfig{DataDir: filepath.Join(dir, "data"), NextHop: "127.0.0.1:1"}.String()
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return config, filepath.Join(dir, "data", "countersign.db")
}

// must runs a command that must succeed.
func (w *world) must(args ...string) string {
	w.t.Helper()
	out, err := harness.Command(w.t, args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("countersign %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestBackupUnderLoad makes backups while messages come and go, restores each
// elsewhere, and compares it with what clients had a 250 for when it began.
func TestBackupUnderLoad(t *testing.T) {
	w := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() {
			for ctx.Err() == nil {
				if err := w.send(ctx, 200); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	end := func() { cancel(); load.Wait() }
	t.Cleanup(end)
	for n := range 3 {
		harness.WaitFor(t, "more messages", func() bool { return len(w.acknowledged()) > 200*(n+1) })
		before := w.acknowledged()
		folder := filepath.Join(t.TempDir(), "backup")
		w.must("store", "backup", "--to", folder, "--config", w.gate.Config)
		config, database := w.elsewhere(t.TempDir())
		w.must("store", "restore", "--from", folder, "--hold", "--config", config)
		w.must("store", "check", "--config", config) // which fails unless it is sound
		w.compare(database, before)
	}
	w.must("store", "check", "--config", w.gate.Config)
	end()
}

// compare looks in a restored store for what was acknowledged before its backup
// began: it waits, with all of its content, or the record has it as delivered.
func (w *world) compare(database string, before []mail.ID) {
	w.t.Helper()
	s, err := sqlite.Open(w.t.Context(), sqlite.Options{Path: database})
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	items, err := s.List(w.t.Context(), queue.Filter{Limit: 1_000_000})
	if err != nil {
		w.t.Fatal(err)
	}
	waits := map[mail.ID]bool{}
	large := 0
	for _, item := range items {
		waits[item.Submission.ID] = true
		if item.Delivery.State != queue.Held {
			w.t.Errorf("%s is %s, not held", item.Submission.ID, item.Delivery.State)
		}
		octets, isLarge, err := size(w.t.Context(), s, item.Submission.ID)
		if err != nil || octets != item.Submission.Size {
			w.t.Errorf("%s has %d octets, %v; want %d", item.Submission.ID, octets, err, item.Submission.Size)
		}
		if isLarge {
			large++
		}
	}
	finished := 0
	for _, id := range before {
		if waits[id] {
			continue
		}
		events, err := s.Search(w.t.Context(), audit.Query{Submission: id, Kind: audit.DeliveryDelivered})
		if err != nil || len(events) == 0 {
			w.t.Errorf("%s was acknowledged before the backup, and neither waits in it nor was delivered, %v", id, err)
		}
		finished++
	}
	if large == 0 || finished == 0 {
		w.t.Errorf("%d large messages wait and %d are finished: the load is not what it should be", large, finished)
	}
	w.t.Logf("%d acknowledged before, %d wait, %d of them large, %d finished", len(before), len(waits), large, finished)
}

// size reads the whole content of a submission.
func size(ctx context.Context, s *sqlite.Store, id mail.ID) (octets int64, large bool, err error) {
	c, err := s.Content(ctx, id)
	if err != nil {
		return 0, false, err
	}
	if c.Large == nil {
		return int64(len(c.Head) + len(c.Body)), false, nil
	}
	r, err := c.Large.Open()
	if err != nil {
		return 0, true, err
	}
	n, err := io.Copy(io.Discard, r)
	return int64(len(c.Head)) + n, true, errors.Join(err, r.Close())
}

// bodies counts the files of large bodies, and waiting the deliveries.
func (w *world) bodies() int {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.gate.Dir, "data", sqlite.BodiesName, "*", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return len(files)
}

func (w *world) waiting(state string) int {
	w.t.Helper()
	return strings.Count(w.gate.Admin("", "queue", "list", "--state", state, "--limit", "100000", "--json"), `"submission": `)
}

// TestKilledBackup stops a backup in the middle, lets mail flow, and kills it. Mail
// is not held up; no body is removed while the backup lives, and all are when it
// is dead; and there is nothing that looks like a backup.
func TestKilledBackup(t *testing.T) {
	w := start(t)
	for range 2 { // small, then large
		if err := w.send(t.Context(), 50); err != nil {
			t.Fatal(err)
		}
	}
	wait := func() {
		harness.WaitFor(t, "finished bodies to go", func() bool { return w.waiting("queued") == 0 && w.bodies() == w.large/5 })
	}
	wait()
	dir := t.TempDir()
	for try := range 40 {
		to := filepath.Join(dir, fmt.Sprintf("backup-%d", try))
		partial := filepath.Join(dir, fmt.Sprintf(".backup-%d.partial", try))
		if !w.kill(to, partial) {
			continue // it had secured all bodies by then
		}
		if _, err := os.Stat(to); !os.IsNotExist(err) {
			t.Errorf("a killed backup has left %s", to)
		}
		config, database := w.elsewhere(t.TempDir())
		restore := harness.Command(t, "store", "restore", "--from", partial, "--config", config)
		if out, err := restore.CombinedOutput(); err == nil || !strings.Contains(string(out), "is no backup") {
			t.Errorf("a killed backup was restored: %v\n%s", err, out)
		}
		if _, err := os.Stat(database); !os.IsNotExist(err) {
			t.Error("a killed backup has left a database")
		}
		wait()
		w.must("store", "backup", "--to", to, "--config", w.gate.Config)
		if _, err := os.Stat(partial); !os.IsNotExist(err) {
			t.Error("the next backup of that name has left what the killed one had")
		}
		w.must("store", "check", "--config", w.gate.Config)
		return
	}
	t.Fatal("no backup was caught in the middle")
}

// kept reports whether a backup keeps the bodies of the gate.
func (w *world) kept() bool {
	w.t.Helper()
	lock, err := os.Open(filepath.Join(w.gate.Dir, "data", sqlite.BodiesName+".lock"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer lock.Close()
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
		w.t.Fatal(err)
	}
	return err != nil
}

// kill makes a backup, stops it when it has begun, sends large messages, and kills
// it. It reports whether the backup kept bodies when it was stopped.
func (w *world) kill(to, partial string) bool {
	w.t.Helper()
	backup := harness.Command(w.t, "store", "backup", "--to", to, "--config", w.gate.Config)
	if err := backup.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- backup.Wait() }()
	for {
		if _, err := os.Stat(filepath.Join(partial, "database.db")); err == nil {
			break
		}
		select {
		case err := <-ended:
			w.t.Logf("a backup was faster: %v", err)
			return false
		default:
		}
	}
	if err := backup.Process.Signal(syscall.SIGSTOP); err != nil {
		<-ended
		return false
	}
	before := w.bodies()
	w.mu.Lock()
	w.runs |= 1 // so that the next is large
	w.mu.Unlock()
	if err := w.send(w.t.Context(), 20); err != nil {
		w.t.Fatal(err)
	}
	harness.WaitFor(w.t, "first attempts beside a backup that hangs", func() bool { return w.waiting("queued") == 0 })
	kept := w.kept()
	if there := w.bodies(); kept && there != before+20 {
		w.t.Errorf("there are %d bodies, %d were sent to the %d there were: some were removed under a backup", there, 20, before)
	}
	if err := backup.Process.Kill(); err != nil {
		w.t.Fatal(err)
	}
	<-ended
	return kept
}
