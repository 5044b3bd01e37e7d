package badinput

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"countersign/internal/loadgen"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// senders is how many clients submit at the same time in these tests.
const senders = 6

// load is clients that submit one message after the other and note for each
// what they were told: their word against the gate's.
type load struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu sync.Mutex // guards what follows
	// accepted, refused and unknown hold the subjects by their answer; none
	// came to the unknown ones.
	accepted, refused, unknown map[string]bool
	// answers counts the refusals by code.
	answers map[string]int
	next    int

	// size is that of every body in octets; 0 is a mixture, of which every
	// fourth has a file of its own.
	size int
}

// inFile and inDatabase are sizes of bodies that are kept there, the second
// just so.
const (
	inFile     = 150_000
	inDatabase = 60_000
)

// refusal is an answer of the gate that refuses.
var refusal = regexp.MustCompile(`^([45]\d\d \d\.\d\.\d) `)

// begin lets the clients submit to the gate until stop, each until it loses
// its connection.
func (l *load) begin(t *testing.T, g *harness.Gate) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	t.Cleanup(l.stop)
	o := g.Load(1, 1)
	for range senders {
		l.ended.Go(func() {
			for ctx.Err() == nil && l.submit(ctx, o) {
			}
		})
	}
}

// stop ends the clients, each after the answer to its last message.
func (l *load) stop() {
	l.cancel()
	l.ended.Wait()
}

// submit submits one message and notes the answer; it reports whether one came.
func (l *load) submit(ctx context.Context, o loadgen.Options) bool {
	l.mu.Lock()
	l.next++
	number := l.next
	l.mu.Unlock()
	size := l.size
	switch {
	case size > 0:
	case number%4 == 0:
		size = inFile
	default:
		size = 3_000
	}
	subject := fmt.Sprintf("load %d", number)
	// A client that is to stop still waits for its answer.
	_, err := loadgen.SendOne(context.WithoutCancel(ctx), o, []byte(talk.Message(subject, strings.TrimSuffix(lines(size), "\r\n"))))
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.accepted[subject] = true
		return true
	}
	match := refusal.FindStringSubmatch(err.Error())
	if match == nil {
		l.unknown[subject] = true
		return false
	}
	l.refused[subject] = true
	l.answers[match[1]]++
	return true
}

// counts returns how many were accepted and refused so far.
func (l *load) counts() (accepted, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted), len(l.refused)
}

// await waits until that many more were accepted and refused.
func (l *load) await(t *testing.T, accepted, refused int) {
	t.Helper()
	a, r := l.counts()
	harness.WaitFor(t, fmt.Sprintf("%d more messages to be accepted and %d refused", accepted, refused), func() bool {
		nowA, nowR := l.counts()
		return nowA >= a+accepted && nowR >= r+refused
	})
}

func newLoad() *load {
	return &load{accepted: map[string]bool{}, refused: map[string]bool{}, unknown: map[string]bool{}, answers: map[string]int{}}
}

var subjectLine = regexp.MustCompile(`\r\nSubject: (load \d+)\r\n`)

// arrived counts what the next hop got, by subject.
func arrived(h *hop) map[string]int {
	got := map[string]int{}
	for _, m := range h.mx.Received() {
		if match := subjectLine.FindStringSubmatch(m.Data); match != nil {
			got[match[1]]++
		}
	}
	return got
}

// settle waits for all deliveries and gives the verdict, which is arithmetic:
// whatever was acknowledged has arrived, and every refusal was one that asks
// to come again. Without a kill it has arrived once, and nothing that was
// refused has. Each kill may repeat what was on its way, and may bring to
// light the last transaction, which was complete but for its flush.
func (l *load) settle(t *testing.T, g *harness.Gate, h *hop, kills int) {
	t.Helper()
	waitEmpty(t, g)
	ready(t, g)
	repeated, revived := 0, 0
	got := arrived(h)
	for subject := range l.accepted {
		if got[subject] == 0 {
			t.Errorf("%s was acknowledged and is lost", subject)
		}
		repeated += max(got[subject]-1, 0)
	}
	for subject := range l.refused {
		revived += got[subject]
	}
	if repeated > kills*senders*2 || revived > kills*senders {
		t.Errorf("%d messages arrived again and %d that had been refused, with %d kills", repeated, revived, kills)
	}
	for answer := range l.answers {
		if !noRoom.MatchString(answer + " ") {
			t.Errorf("a refusal was %s", answer)
		}
	}
	if kills == 0 && len(l.unknown) > 0 {
		t.Errorf("%d messages got no answer", len(l.unknown))
	}
	if n := g.Metric("countersign_audit_dropped_total"); n != 0 {
		t.Errorf("%v events are missing from the record", n)
	}
	t.Logf("%d accepted, refused %v, %d without an answer, %d arrived, %d again, %d that had been refused",
		len(l.accepted), l.answers, len(l.unknown), len(got), repeated, revived)
}

// faulty starts a gate for these tests, with a next hop that takes everything.
func faulty(t *testing.T) (*harness.Gate, *hop) {
	t.Helper()
	next := listen(t, "127.0.0.1:0", nil)
	return harness.Serve(t, next.addr(), "[queue]\nretry = [\"1s\"]\n[session]\nmax_connections_per_prefix = 1000\n"), next
}

// databaseFiles are the files that SQLite writes to.
func databaseFiles(g *harness.Gate) []string {
	file := filepath.Join(dataDir(g), "countersign.db")
	return []string{file, file + "-wal", file + "-shm"}
}

// flushes is the calls that flush a file to the disk.
const flushes = "fsync,fdatasync"

// TestFailedFlush: where a flush fails once, in each thread that makes one,
// those whose messages were in that transaction are told to come again, and
// nobody else notices.
func TestFailedFlush(t *testing.T) {
	g, next := faulty(t)
	l := newLoad()
	l.begin(t, g)
	l.await(t, 10, 0)
	f := fail(t, g, flushes+":error=EIO:when=1")
	l.await(t, 0, 1)
	l.await(t, 20, 0)
	f.end()
	l.await(t, 20, 0)
	l.stop()
	if f.times() == 0 {
		t.Error("no flush failed")
	}
	l.settle(t, g, next, 0)
}

// TestFailingDisk: while every write or every flush of the database fails,
// nothing is acknowledged; sessions stay, and the first transaction that
// succeeds again is the end of it.
func TestFailingDisk(t *testing.T) {
	for name, rule := range map[string]string{
		"flush":           flushes + ":error=EIO",
		"write, no space": "pwrite64,ftruncate,fallocate:error=ENOSPC",
		"write":           "pwrite64:error=EIO",
	} {
		t.Run(name, func(t *testing.T) {
			g, next := faulty(t)
			l := newLoad()
			l.begin(t, g)
			l.await(t, 10, 0)
			c := talk.LogIn(t, g)
			f := fail(t, g, rule, databaseFiles(g)...)
			for i := range 6 { // each begins and ends while the fault is there
				subject := fmt.Sprintf("meanwhile %d", i)
				if reply := c.Submit("b@example.com", talk.Message(subject, strings.Repeat(lines(3_000), 1+i%2*40))); !noRoom.MatchString(reply) {
					t.Errorf("while the disk fails the answer is %q", reply)
				}
				c.Say("NOOP", "250 ")
			}
			l.await(t, 0, 10)
			f.end()
			l.await(t, 10, 0)
			l.stop()
			if f.times() == 0 {
				t.Error("no call failed")
			}
			talk.Accepted(t, c.Submit("b@example.com", talk.Message("afterwards", "text")))
			next.waitFor(t, "afterwards")
			l.settle(t, g, next, 0)
			for _, word := range []string{"changes could not be stored", "changes are stored again"} {
				if !strings.Contains(logText(t, g, 0), word) {
					t.Errorf("the log does not say that %s", word)
				}
			}
			for _, m := range next.mx.Received() {
				if strings.Contains(m.Data, "\r\nSubject: meanwhile") {
					t.Error("a message that had been refused has arrived")
				}
			}
		})
	}
}

// TestFailingCheckpoint: what is committed stands in the log of the database
// until it is copied to the database itself. While that copying fails nobody
// notices, and nothing is lost when the process dies meanwhile.
func TestFailingCheckpoint(t *testing.T) {
	for _, rule := range []string{flushes + ":error=EIO", "pwrite64:error=ENOSPC"} {
		t.Run(rule, func(t *testing.T) {
			g, next := faulty(t)
			l := newLoad()
			l.size = inDatabase
			l.begin(t, g)
			l.await(t, 10, 0)
			f := fail(t, g, rule, databaseFiles(g)[0])
			harness.WaitFor(t, "copying to fail", func() bool { return f.times() > 2 })
			l.await(t, 10, 0)
			g.Kill(syscall.SIGKILL)
			l.stop()
			f.end()
			g.Start()
			l.begin(t, g)
			l.await(t, 10, 0)
			l.stop()
			if len(l.refused) > 0 {
				t.Errorf("refused %v", l.answers)
			}
			l.settle(t, g, next, 1)
			g.Kill(syscall.SIGTERM)
			var verdict string
			if err := database(t, g).QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
				t.Errorf("the database is %q, %v", verdict, err)
			}
		})
	}
}

// TestKillWhileFlushesFail: a process that dies while its disk fails has kept
// every promise it made. What comes to light after the restart, though it was
// refused, is whole: its body's file is still there.
func TestKillWhileFlushesFail(t *testing.T) {
	g, next := faulty(t)
	l := newLoad()
	l.size = inFile
	const kills = 2
	for range kills {
		l.begin(t, g)
		l.await(t, 10, 0)
		f := fail(t, g, flushes+":error=EIO")
		l.await(t, 0, 10)
		g.Kill(syscall.SIGKILL)
		l.stop()
		f.end()
		g.Start()
	}
	l.begin(t, g)
	l.await(t, 10, 0)
	l.stop()
	l.settle(t, g, next, kills)
}

// TestKillAtFlush kills the gate at the very call that makes a transaction
// durable, and at those for bodies in files: the Nth of a thread.
func TestKillAtFlush(t *testing.T) {
	g, next := faulty(t)
	l := newLoad()
	kills := 0
	for _, n := range []int{1, 2, 5} {
		for _, files := range [][]string{databaseFiles(g), nil} {
			l.begin(t, g)
			l.await(t, 8, 0)
			process := pid(t, g)
			f := fail(t, g, fmt.Sprintf("%s:signal=KILL:when=%d", flushes, n), files...)
			waitGone(t, process)
			l.stop()
			f.end()
			g.Kill(syscall.SIGKILL) // no more than to wait for its end
			g.Start()
			kills++
		}
	}
	l.begin(t, g)
	l.await(t, 10, 0)
	l.stop()
	l.settle(t, g, next, kills)
}
