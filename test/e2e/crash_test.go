package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"countersign/internal/loadgen"
	"countersign/internal/sink"
	"countersign/test/harness"
)

// ledger is the client's own record of what it sent and what was
// acknowledged, each line flushed to the disk before the next step.
type ledger struct {
	mu    sync.Mutex
	file  *os.File
	acked map[int]bool
}

func (l *ledger) note(number int, ok bool, _ string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	word := "sent "
	if ok {
		word = "acknowledged "
		l.acked[number] = true
	}
	l.file.WriteString(word + strconv.Itoa(number) + "\n")
	l.file.Sync()
}

// arrivals counts what the next hop got, by number.
type arrivals struct {
	mu  sync.Mutex // guards what follows
	got map[int]int
	// kills is how many there have been, first how many before a message came
	// for the first time.
	kills int
	first map[int]int
}

func newArrivals() *arrivals { return &arrivals{got: map[int]int{}, first: map[int]int{}} }

// killed notes a kill. It is called when the server is up again: what still
// came from the killed one counts as before the kill.
func (a *arrivals) killed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kills++
}

func (a *arrivals) take(m sink.Message) error {
	n, ok := loadgen.Number(m.Data)
	if !ok {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.got[n] == 0 {
		a.first[n] = a.kills
	}
	a.got[n]++
	return nil
}

func (a *arrivals) missing(acked map[int]bool) []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	var missing []int
	for n := range acked {
		if a.got[n] == 0 {
			missing = append(missing, n)
		}
	}
	return missing
}

// TestKillLosesNothing kills the server under load again and again. The
// verdict is set arithmetic: what was acknowledged has arrived, and only what
// was on its way at a kill has arrived twice.
func TestKillLosesNothing(t *testing.T) {
	got := newArrivals()
	hop, err := sink.Listen("127.0.0.1:0", got.take)
	if err != nil {
		t.Fatal(err)
	}
	defer hop.Close()
	// A worker keeps its delivery until the outcome is stored, so that they
	// bound what may be on its way.
	const workers = 8
	s := harness.Serve(t, hop.Addr(), fmt.Sprintf("[delivery]\nworkers = %[1]d\nper_destination = %[1]d\n", workers))
	file, err := os.Create(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	led := &ledger{file: file, acked: map[int]bool{}}

	const rounds, perRound = 5, 100_000
	for round := range rounds {
		o := s.Load(perRound, 8)
		base := round * perRound
		o.Ledger = func(n int, ok bool, reply string) { led.note(base+n, ok, reply) }
		o.Number = func(n int) int { return base + n }
		if round%2 == 1 {
			o.Size = 100_000 // bodies in files of their own
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan loadgen.Result, 1)
		go func() {
			res, _ := loadgen.Run(ctx, o)
			ended <- res
		}()
		before := led.count()
		harness.WaitFor(t, "load before the kill", func() bool { return led.count() >= before+40+17*round })
		s.Kill(syscall.SIGKILL)
		cancel()
		<-ended
		if round%2 == 0 { // the other times the server is the first to find what is left
			s.Admin("", "store", "check") // which fails unless it is sound
		}
		s.Start()
		got.killed()
	}
	harness.WaitFor(t, "everything acknowledged to arrive", func() bool { return len(got.missing(led.acked)) == 0 })
	harness.WaitFor(t, "an empty queue", func() bool { return emptyQueue(s) })

	// Only what was on its way at a kill may come twice: a message once more
	// for each kill since it first came, and at each kill one message for each
	// worker.
	repeats := 0
	for n, times := range got.got {
		repeats += times - 1
		if since := rounds - got.first[n]; times-1 > since {
			t.Errorf("message %d arrived %d times, with %d kills since it first did", n, times, since)
		}
	}
	if most := rounds * workers; repeats > most {
		t.Errorf("%d repeats in %d kills, at most %d are explained", repeats, rounds, most)
	}
	t.Logf("%d kills, %d acknowledged, %d arrived, %d repeats", rounds, len(led.acked), len(got.got), repeats)
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

func emptyQueue(s *harness.Gate) bool {
	return s.Admin("", "queue", "list", "--json") == "[]\n"
}

// TestTermUnderLoadLosesNothing stops the server the friendly way while
// clients send.
func TestTermUnderLoadLosesNothing(t *testing.T) {
	got := newArrivals()
	hop, err := sink.Listen("127.0.0.1:0", got.take)
	if err != nil {
		t.Fatal(err)
	}
	defer hop.Close()
	s := harness.Serve(t, hop.Addr(), "")
	led := &ledger{file: os.NewFile(^uintptr(0), "none"), acked: map[int]bool{}}
	o := s.Load(100_000, 8)
	o.Ledger = led.note
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		loadgen.Run(ctx, o)
	}()
	harness.WaitFor(t, "load", func() bool { return led.count() >= 100 })
	s.Kill(syscall.SIGTERM)
	cancel()
	<-ended
	s.Start()
	harness.WaitFor(t, "everything acknowledged to arrive", func() bool { return len(got.missing(led.acked)) == 0 })
	for n, times := range got.got {
		if times > 1 {
			t.Errorf("message %d arrived %d times after a friendly stop", n, times)
		}
	}
}
