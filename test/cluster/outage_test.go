package cluster

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/internal/testkit/pgcluster"
	"countersign/test/harness"
)

// awayFor is how long the database is away: all leases are over long before.
const awayFor = 2 * lease

// TestDatabaseAwayForLongerThanALease takes the database away while each gate waits for
// the answer of a receiving server, which comes when nobody can record it any more, and
// brings it back when no gate has a lease. Nothing is lost or sent twice. Where a gate was
// killed meanwhile, exactly what it had delivered since the database went away, and
// could tell nobody, is sent again.
func TestDatabaseAwayForLongerThanALease(t *testing.T) {
	tests := []struct {
		name       string
		away, back func(*pgcluster.Cluster, testing.TB)
		kill       bool
	}{
		{"stopped", func(c *pgcluster.Cluster, t testing.TB) { c.Stop(t, pgcluster.Immediate) }, (*pgcluster.Cluster).Start, false},
		{"hanging", (*pgcluster.Cluster).Pause, (*pgcluster.Cluster).Continue, false},
		{"stopped, and a gate killed", func(c *pgcluster.Cluster, t testing.TB) { c.Stop(t, pgcluster.Fast) }, (*pgcluster.Cluster).Start, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
			c := newWorld(t, cluster.Database(t))
			var ends []func()
			for g := range c.gates {
				ends = append(ends, c.load(g, 2))
			}
			c.more(20, 0, 1, 2)
			c.pause(time.Second)
			o := c.outage(func() { tt.away(cluster, t) })
			victim := -1
			if tt.kill {
				victim = c.random.IntN(len(c.gates))
				c.gates[victim].Kill(syscall.SIGKILL)
			}
			o.last(c, victim)
			tt.back(cluster, t)
			for g := range c.gates {
				if g != victim {
					c.more(20, g)
				}
			}
			if tt.kill {
				harness.WaitFor(t, "the others to take over", func() bool { n := c.nodes()[gate(victim)]; return n.Queued+n.Deferred == 0 })
				c.gates[victim].Start()
			}
			c.allReady()
			for _, end := range ends {
				end()
			}
			o.judge(c, c.verdict(), victim)
		})
	}
}

// outage is a time without the database.
type outage struct {
	began time.Time
	// untold is what the gates delivered and could not report: the numbers, with
	// the gate of each.
	untold map[int]int
}

// outage takes the database away while each gate waits for answers of its receiving
// server, lets them come, and waits until they have.
func (c *world) outage(fault func()) *outage {
	c.t.Helper()
	o := &outage{untold: map[int]int{}}
	var releases []func()
	for g := range c.gates {
		sent, release := c.receivers.delay(g)
		releases = append(releases, release)
		harness.WaitFor(c.t, "messages that wait for the answer", func() bool { return sent() >= 2 })
	}
	before := len(c.receivers.arrivals())
	fault()
	o.began = time.Now()
	for _, release := range releases {
		release()
	}
	harness.WaitFor(c.t, "answers for each gate", func() bool {
		each := map[int]bool{}
		for _, a := range c.receivers.arrivals()[before:] {
			each[a.gate] = true
		}
		return len(each) == len(c.gates)
	})
	return o
}

// last waits until the database was away for long enough and no gate but the victim, which
// is gone, believes that it has a lease, and notes what was delivered.
func (o *outage) last(c *world, victim int) {
	c.t.Helper()
	harness.WaitFor(c.t, "all leases to be lost", func() bool {
		for g := range c.gates {
			if g != victim && c.leased(g) {
				return false
			}
		}
		return time.Since(o.began) > awayFor
	})
	for _, a := range c.receivers.arrivals() {
		if a.at.After(o.began) {
			o.untold[a.number] = a.gate
		}
	}
}

// judge compares the repeats with what could not be reported.
func (o *outage) judge(c *world, repeats []arrival, victim int) {
	c.t.Helper()
	repeated, untold := map[int]bool{}, map[int]int{}
	for _, a := range repeats {
		first, known := o.untold[a.number]
		if repeated[a.number] || !known || first != victim {
			c.t.Errorf("message %d was sent again by gate %d", a.number, a.gate)
		}
		repeated[a.number] = true
	}
	for n, g := range o.untold {
		untold[g]++
		if g == victim && !repeated[n] {
			c.t.Errorf("nobody knew that message %d was delivered, and yet it was not sent again", n)
		}
	}
	for g := range c.gates {
		if untold[g] == 0 {
			c.t.Errorf("gate %d delivered nothing while the database was away: the test shows nothing", g)
		}
	}
	c.t.Logf("delivered without a record, by gate: %v; sent again: %d", untold, len(repeated))
}

// leased reports whether a gate believes that it has a lease.
func (c *world) leased(g int) bool {
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
	return strings.Contains(string(text), "\ncountersign_node_lease_held 1\n")
}
