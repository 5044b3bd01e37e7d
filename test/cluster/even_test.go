package cluster

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"countersign/internal/loadgen"
	"countersign/test/harness"
)

// balancer passes each connection to the gate that has the fewest, as the one of
// docs/ops/nodes.md does, and to another where that takes none.
type balancer struct {
	address string
	gates   []*harness.Gate

	mu   sync.Mutex // guards what follows
	open []int      // connections of each gate
	made int
}

func (c *world) balance() *balancer {
	c.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	b := &balancer{address: l.Addr().String(), gates: c.gates, open: make([]int, len(c.gates))}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { b.pass(client) })
		}
	})
	c.t.Cleanup(func() { l.Close(); all.Wait() })
	return b
}

// pass carries one connection to its end.
func (b *balancer) pass(client net.Conn) {
	defer client.Close()
	tried := map[int]bool{}
	for len(tried) < len(b.gates) {
		g := b.choose(tried)
		server, err := net.Dial("tcp", b.gates[g].Submissions)
		if err != nil {
			tried[g] = true
			b.leave(g)
			continue
		}
		go func() {
			io.Copy(server, client)
			server.Close()
		}()
		io.Copy(client, server)
		b.leave(g)
		return
	}
}

// choose takes the gate with the fewest connections; of several, each in turn.
func (b *balancer) choose(tried map[int]bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made++
	best := -1
	for i := range b.gates {
		g := (b.made + i) % len(b.gates)
		if !tried[g] && (best < 0 || b.open[g] < b.open[best]) {
			best = g
		}
	}
	b.open[best]++
	return best
}

func (b *balancer) leave(g int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[g]--
}

// through describes a load on a balancer, whose messages have numbers of their own.
func (c *world) through(b *balancer, messages, run int) loadgen.Options {
	c.t.Helper()
	o := c.gates[0].Load(messages, 12)
	o.Address, o.PerConnection = b.address, 5
	o.TLS.RootCAs = x509.NewCertPool()
	for _, g := range c.gates {
		text, err := os.ReadFile(g.CAFile)
		if err != nil || !o.TLS.RootCAs.AppendCertsFromPEM(text) {
			c.t.Fatalf("%s: %v", g.CAFile, err)
		}
	}
	base := run * perGate
	o.Number = func(n int) int { return base + n }
	o.Ledger = func(n int, ok bool, reply string) { c.ledger.note(base+n, ok, reply) }
	return o
}

// figure reads a figure of a gate.
func (c *world) figure(g int, name string) int {
	c.t.Helper()
	resp, err := http.Get("http://" + c.gates[g].Metrics + "/metrics")
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(text)
	if found == nil {
		return 0 // a counter that nothing has counted
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		c.t.Fatal(err)
	}
	return int(n)
}

// count is what gates did so far, in messages.
type count struct{ accepted, delivered, arrived []int }

func (c *world) counts() (n count) {
	c.t.Helper()
	n.arrived = make([]int, len(c.gates))
	for _, a := range c.receivers.arrivals() {
		n.arrived[a.gate]++
	}
	for g := range c.gates {
		n.accepted = append(n.accepted, c.figure(g, "countersign_submission_accepted_total"))
		n.delivered = append(n.delivered, c.figure(g, `countersign_delivery_outcomes_total{state="delivered"}`))
	}
	return n
}

// even wants of n messages that each of some gates took the same part, within a
// fifth of it. The balancer hands out connections of five messages, 40 to each of
// three gates and 60 to each of two, and always to the gate with the fewest. The gates
// are the same, so one gets more only while the machine happens to run it first: runs
// on two cores were 6 % off at most. A gate that takes no mail for a quarter of the
// time, or half as fast as the others, is beyond a fifth.
func (c *world) even(what string, n int, got []int, gates ...int) {
	c.t.Helper()
	part := n / len(gates)
	total := 0
	for _, g := range gates {
		total += got[g]
		if got[g] < part*4/5 || got[g] > part*6/5 {
			c.t.Errorf("%s: gate %d has %d of %d, want %d within a fifth", what, g, got[g], n, part)
		}
	}
	if total != n {
		c.t.Errorf("%s: gates %v have %d in all, want %d", what, gates, total, n)
	}
}

func minus(a, b []int) []int {
	d := make([]int, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

// TestThreeNodesShareTheLoad puts a load on three gates behind a balancer: each accepts a
// third and delivers what it accepted. One is drained under load: then the other two
// carry it, half each.
func TestThreeNodesShareTheLoad(t *testing.T) {
	const n = 600
	c := newWorld(t, shared.Cluster(t).Database(t))
	b := c.balance()
	send := func(run int) {
		t.Helper()
		if r, err := loadgen.Run(t.Context(), c.through(b, n, run)); err != nil || r.Accepted != n {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	settled := func() count {
		if repeats := c.verdict(); len(repeats) > 0 {
			t.Errorf("repeated: %+v", repeats)
		}
		return c.counts()
	}
	send(0)
	three := settled()
	t.Logf("three gates: %+v", three)
	c.even("accepted by three", n, three.accepted, 0, 1, 2)
	for g := range c.gates { // nothing was adopted: each delivers what it accepted
		if three.delivered[g] != three.accepted[g] || three.arrived[g] != three.accepted[g] {
			t.Errorf("gate %d accepted %d, delivered %d, and its server has %d", g, three.accepted[g], three.delivered[g], three.arrived[g])
		}
	}

	const drained = 2
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o := c.through(b, perGate-1, 1)
		loadgen.Run(ctx, o)
	}()
	harness.WaitFor(t, "a load", func() bool { return c.ledger.count(1) > 100 })
	c.gates[0].Admin("", "node", "drain", gate(drained))
	harness.WaitFor(t, "the gate to be drained", func() bool { return c.nodes()[gate(drained)].State == "drained" })
	harness.WaitFor(t, "a load on the others", func() bool { return c.ledger.count(1) > 300 })
	cancel()
	<-done
	before := settled()
	send(2)
	two := settled()
	accepted, delivered := minus(two.accepted, before.accepted), minus(two.delivered, before.delivered)
	t.Logf("two gates: accepted %v, delivered %v, arrived %v", accepted, delivered, minus(two.arrived, before.arrived))
	c.even("accepted by two", n, accepted, 0, 1)
	if fmt.Sprint(accepted) != fmt.Sprint(delivered) || fmt.Sprint(accepted) != fmt.Sprint(minus(two.arrived, before.arrived)) {
		t.Errorf("accepted %v, delivered %v, arrived %v", accepted, delivered, minus(two.arrived, before.arrived))
	}
}
