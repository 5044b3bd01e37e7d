package cluster

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/testkit/pgcluster"
	"countersign/test/harness"
)

// kills is how often a gate is killed: twenty times, where nothing else is said.
func kills(t *testing.T) int {
	text := os.Getenv("CLUSTER_KILLS")
	if text == "" {
		return 20
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// adoptedWithin is how long after the end of a dead gate's lease its deliveries may
// wait: for the next renewal of another gate, and its next look at the queue. The
// rest is for a busy machine.
const adoptedWithin = lease/5 + time.Second + 1500*time.Millisecond

// TestKilledNode kills gates under load at random moments. Nothing acknowledged is
// lost, what is repeated had arrived without being recorded, and the others
// go on with what waited as soon as the lease is over, and no sooner. In every second
// round the gate comes back before that.
func TestKilledNode(t *testing.T) {
	c := newWorld(t, shared.Cluster(t).Database(t))
	var stops []func()
	for g := range c.gates {
		stops = append(stops, c.load(g, 2))
	}
	var ends []end
	for round := range kills(t) {
		g := c.random.IntN(len(c.gates))
		c.more(5, 0, 1, 2)
		if round%2 == 0 {
			ends = append(ends, c.killForGood(round, g))
		} else {
			c.pause(500 * time.Millisecond)
			ends = append(ends, c.kill(g))
		}
		c.gates[g].Start()
	}
	for _, stop := range stops {
		stop()
	}
	c.wantRepeatsOf(ends)
}

// kill kills a gate.
func (c *world) kill(g int) end {
	now := time.Now()
	c.gates[g].Kill(syscall.SIGKILL)
	return end{g, now, now}
}

// killForGood kills a gate for which messages wait, and looks when others go on with
// them.
func (c *world) killForGood(round, g int) end {
	c.t.Helper()
	release := c.receivers.hold(g) // so that something waits when it is killed
	c.more(5, g)
	c.pause(500 * time.Millisecond)
	e := c.kill(g)
	before := len(c.receivers.arrivals())
	until := c.nodes()[gate(g)].Until // of the same clock, as the database is here
	release()
	var first arrival
	harness.WaitFor(c.t, "the others to deliver what it had", func() bool {
		for _, a := range c.receivers.arrivals()[before:] {
			if a.number/perGate == g && a.gate != g {
				first = a
				return true
			}
		}
		return false
	})
	took := first.at.Sub(until)
	if took < 0 || took > adoptedWithin {
		c.t.Errorf("round %d: the others began %v after the end of the lease, want at most %v", round, took, adoptedWithin)
	}
	c.t.Logf("round %d: gate %d was killed %v before the end of its lease, gate %d began %v after that", round, g, until.Sub(e.at), first.gate, took)
	return e
}

// TestSleepingNode stops a gate until others have its deliveries and lets it wake
// up: it delivers nothing that they have delivered, and goes on under a new lease.
func TestSleepingNode(t *testing.T) {
	c := newWorld(t, shared.Cluster(t).Database(t))
	const g = 1
	end := c.load(g, 2)
	c.more(20, g)
	release := c.receivers.hold(g)
	c.more(50, g)
	c.pause(300 * time.Millisecond)
	c.gates[g].Signal(syscall.SIGSTOP)
	owned := func() int { n := c.nodes()["gate-1"]; return n.Queued + n.Deferred }
	harness.WaitFor(t, "the others to take over", func() bool { return owned() == 0 })
	harness.WaitFor(t, "the others to deliver", func() bool {
		others := 0
		for _, a := range c.receivers.arrivals() {
			if a.number/perGate == g && a.gate != g {
				others++
			}
		}
		return others >= 40
	})
	woken := time.Now()
	release()
	c.gates[g].Signal(syscall.SIGCONT)
	c.more(50, g)
	harness.WaitFor(t, "the gate to be ready again", func() bool { return c.ready(g) })
	end()
	delivered := false
	for _, r := range c.verdict() {
		if r.at.After(woken) && r.gate == g {
			t.Errorf("message %d was delivered again by the gate that slept", r.number)
		}
	}
	for _, a := range c.receivers.arrivals() {
		delivered = delivered || a.at.After(woken) && a.gate == g
	}
	if !delivered {
		t.Error("the gate that slept delivers nothing any more")
	}
}

// TestDatabaseRestart restarts the database under load without any care. The gates
// lose nothing and go on by themselves.
func TestDatabaseRestart(t *testing.T) {
	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
	c := newWorld(t, cluster.Database(t))
	var ends []func()
	for g := range c.gates {
		ends = append(ends, c.load(g, 2))
	}
	for range 2 {
		c.more(20, 0, 1, 2)
		c.pause(300 * time.Millisecond)
		c.without(func() { cluster.Restart(t, pgcluster.Immediate) })
	}
	c.more(20, 0, 1, 2)
	c.allReady()
	for _, end := range ends {
		end()
	}
	c.noRepeats()
	for id, n := range c.nodes() {
		if !n.Alive {
			t.Errorf("node %s is not alive after the restarts: %+v", id, n)
		}
	}
}

// TestPromotedStandby kills the primary under load and promotes its synchronous
// standby; the gates find it by the list of hosts.
func TestPromotedStandby(t *testing.T) {
	primary := pgcluster.Start(t, pgcluster.Options{NoSync: true})
	first := primary.Database(t)
	standby := primary.Standby(t)
	c := newWorld(t, bothHosts(t, first, standby.On(first)))
	var ends []func()
	for g := range c.gates {
		ends = append(ends, c.load(g, 2))
	}
	c.more(20, 0, 1, 2)
	c.pause(300 * time.Millisecond)
	c.without(func() {
		primary.Kill(t)
		standby.Promote(t)
	})
	c.more(20, 0, 1, 2)
	c.allReady()
	for _, end := range ends {
		end()
	}
	c.noRepeats()
}

// without does something that takes the database away, and waits until all gates
// take messages again.
func (c *world) without(fault func()) {
	c.t.Helper()
	began := time.Now()
	fault()
	c.more(1, 0, 1, 2)
	c.t.Logf("the database was away for %v", time.Since(began))
}

// noRepeats gives the verdict where no gate was gone.
func (c *world) noRepeats() {
	c.t.Helper()
	if repeats := c.verdict(); len(repeats) > 0 {
		c.t.Errorf("no gate was gone, and yet there are repeats: %+v", repeats)
	}
}

// bothHosts makes one URL of two.
func bothHosts(t *testing.T, a, b string) string {
	t.Helper()
	first, err := url.Parse(a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := url.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	q := first.Query()
	for _, key := range []string{"host", "port"} {
		q.Set(key, q.Get(key)+","+second.Query().Get(key))
	}
	q.Set("target_session_attrs", "read-write")
	first.RawQuery = q.Encode()
	return first.String()
}

// TestSuspensionIsFeltEverywhere suspends an account on one gate and measures until
// when another still takes its mail.
func TestSuspensionIsFeltEverywhere(t *testing.T) {
	c := newWorld(t, shared.Cluster(t).Database(t))
	end := c.load(1, 2)
	c.more(20, 1)
	c.gates[0].Admin("", "account", "suspend", harness.Login)
	found, err := c.db.Search(t.Context(), audit.Query{Kind: audit.AdminSuspended})
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	refused := audit.Query{Kind: "*.*", Login: harness.Login, Since: found[0].At, Limit: 1000}
	harness.WaitFor(t, "the other gate to refuse again and again", func() bool {
		events, err := c.db.Search(t.Context(), refused)
		if err != nil {
			t.Fatal(err)
		}
		refusals := 0
		for _, e := range events {
			if e.Kind == audit.AuthFailed || e.Kind == audit.CommandRefused {
				refusals++
			}
		}
		return refusals >= 5
	})
	end()
	late := c.ledger.lastAcknowledged().Sub(found[0].At)
	t.Logf("the last message was taken %v after the suspension", late)
	if late > time.Second {
		t.Errorf("a suspension is felt after %v on another gate", late)
	}
}

// TestDrainedNode drains a gate under load by the command: the others deliver what
// it had left, it is listed as drained, and can be removed.
func TestDrainedNode(t *testing.T) {
	c := newWorld(t, shared.Cluster(t).Database(t))
	const g = 2
	end := c.load(g, 2)
	c.more(30, g)
	c.gates[0].Admin("", "node", "drain", fmt.Sprint("gate-", g))
	harness.WaitFor(t, "the gate to be drained", func() bool {
		return strings.Contains(c.gates[0].Admin("", "node", "list"), "drained")
	})
	if c.ready(g) {
		t.Error("a drained gate says that it is ready")
	}
	end()
	if repeats := c.verdict(); len(repeats) > 0 {
		t.Errorf("a gate that was drained repeats: %+v", repeats)
	}
	c.gates[0].Admin("", "node", "remove", fmt.Sprint("gate-", g))
	if list := c.gates[0].Admin("", "node", "list", "--json"); strings.Contains(list, "gate-2") || !strings.Contains(list, `"id": "gate-1"`) {
		t.Errorf("after the removal the list is %s", list)
	}
}
