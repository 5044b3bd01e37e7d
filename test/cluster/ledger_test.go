package cluster

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/loadgen"
	"countersign/internal/mail"
	"countersign/internal/sink"
)

// ledger is the clients' own record: a number before it is sent, and with the id
// after its 250, each line flushed to the disk before the next step.
type ledger struct {
	mu   sync.Mutex // guards what follows
	file *os.File
	// acked counts the acknowledged, of each gate.
	acked map[int]int
	last  time.Time // when the last was acknowledged
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &ledger{file: file, acked: map[int]int{}}
}

// perGate is how many numbers each gate has.
const perGate = 10_000_000

func (l *ledger) note(number int, ok bool, reply string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := fmt.Sprintf("sent %d\n", number)
	if ok {
		line = fmt.Sprintf("acknowledged %d %s\n", number, idIn(reply))
	}
	if _, err := l.file.WriteString(line); err != nil {
		panic(err)
	}
	if err := l.file.Sync(); err != nil {
		panic(err)
	}
	if ok {
		l.acked[number/perGate]++
		l.last = time.Now()
	}
}

// idIn finds the id in a 250.
func idIn(reply string) string {
	for _, word := range strings.Fields(reply) {
		if mail.ValidID(word) {
			return word
		}
	}
	return "-"
}

// count returns how many a gate has acknowledged.
func (l *ledger) count(gate int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked[gate]
}

// lastAcknowledged returns when the last was.
func (l *ledger) lastAcknowledged() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// acknowledged reads the file: numbers with their ids.
func (l *ledger) acknowledged(t *testing.T) map[int]mail.ID {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.Open(l.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[int]mail.ID{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if words[0] != "acknowledged" {
			continue
		}
		n, err := strconv.Atoi(words[1])
		if err != nil {
			t.Fatal(err)
		}
		all[n] = mail.ID(words[2])
	}
	return all
}

// arrival is one message at a receiving server.
type arrival struct {
	number, gate int // gate is the one that delivered it
	at           time.Time
}

// receivers are the next hops, one for each gate, so that it is known who
// delivered what.
type receivers struct {
	t    *testing.T
	hops []*sink.Server

	mu  sync.Mutex // guards what follows
	all []arrival
	// held has what the server of a gate waits for before it answers.
	held map[int]*holding
}

// holding is a server that answers nothing for a while.
type holding struct {
	over chan struct{} // closed at the end
	// takes says that it then takes what it was sent meanwhile.
	takes bool
	// sent counts that.
	sent int
}

func newReceivers(t *testing.T, n int) *receivers {
	t.Helper()
	r := &receivers{t: t, held: map[int]*holding{}}
	for gate := range n {
		hop, err := sink.Listen("127.0.0.1:0", func(m sink.Message) error { return r.take(gate, m) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { hop.Close() })
		r.hops = append(r.hops, hop)
	}
	return r
}

func (r *receivers) take(gate int, m sink.Message) error {
	n, ok := loadgen.Number(m.Data)
	if !ok {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.held[gate]; h != nil {
		h.sent++
		r.mu.Unlock()
		<-h.over
		r.mu.Lock()
		if !h.takes {
			return errHeld
		}
	}
	r.all = append(r.all, arrival{n, gate, time.Now()})
	return nil
}

var errHeld = fmt.Errorf("this server takes nothing at the moment")

// hold lets the server of a gate answer nothing until the returned function is
// called; what it was sent meanwhile it has not taken.
func (r *receivers) hold(gate int) (release func()) {
	return r.holdFor(gate, &holding{over: make(chan struct{})})
}

// delay is hold, but for that in the end the server takes what it was sent.
func (r *receivers) delay(gate int) (sent func() int, release func()) {
	h := &holding{over: make(chan struct{}), takes: true}
	sent = func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return h.sent
	}
	return sent, r.holdFor(gate, h)
}

func (r *receivers) holdFor(gate int, h *holding) (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[gate] = h
	var once sync.Once
	release = func() {
		once.Do(func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.held, gate)
			close(h.over)
		})
	}
	r.t.Cleanup(release)
	return release
}

// arrivals returns what arrived so far, in order.
func (r *receivers) arrivals() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]arrival(nil), r.all...)
}

// missing returns which of the acknowledged have not arrived.
func (r *receivers) missing(acked map[int]mail.ID) (list []int) {
	got := map[int]bool{}
	for _, a := range r.arrivals() {
		got[a.number] = true
	}
	for n := range acked {
		if !got[n] {
			list = append(list, n)
		}
	}
	return list
}

// load sends through a gate until it is ended, whatever becomes of the gate.
func (c *world) load(gate, connections int) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			c.mu.Lock()
			base := gate*perGate + c.runs*10_000
			c.runs++
			c.mu.Unlock()
			o := c.gates[gate].Load(9_999, connections)
			o.Number = func(n int) int { return base + n }
			o.Ledger = func(n int, ok bool, reply string) { c.ledger.note(base+n, ok, reply) }
			_, err := loadgen.Run(ctx, o)
			if err != nil {
				c.t.Error(err)
				return
			}
			select { // a gate that is away is asked again soon
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	var once sync.Once
	end = func() {
		once.Do(func() { cancel(); <-done })
	}
	c.t.Cleanup(end)
	return end
}
