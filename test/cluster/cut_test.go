package cluster

import (
	"testing"
	"time"

	"countersign/test/harness"
)

// TestGateCutOffFromTheDatabase cuts one gate off from the database for longer than its
// lease, while the others have it. They deliver what it had; it takes nothing, and
// delivers nothing, from then on until it is back under a new lease. What it had
// delivered and could not record is sent again, once, by another.
func TestGateCutOffFromTheDatabase(t *testing.T) {
	tests := []struct {
		name    string
		refuses bool
	}{
		{"silently, and what it said passes late", false},
		{"with all connections ended", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const g = 1
			url := shared.Cluster(t).Database(t)
			way := newCable(t, url)
			c := newWorldWith(t, worldOptions{url: url, through: map[int]string{g: way.url}})
			var stops []func()
			for gate := range c.gates {
				stops = append(stops, c.load(gate, 2))
			}
			c.more(20, 0, 1, 2)
			c.pause(time.Second)
			sent, release := c.receivers.delay(g)
			harness.WaitFor(t, "messages that wait for the answer", func() bool { return sent() >= 2 })
			cut := time.Now()
			way.cut(tt.refuses)
			release()
			harness.WaitFor(t, "the lease to be lost", func() bool { return !c.leased(g) })
			if c.ready(g) {
				t.Error("a gate without a lease says that it is ready")
			}
			lost, taken := cut.Add(lease), c.ledger.count(g)
			harness.WaitFor(t, "the others to take over", func() bool {
				n := c.nodes()[gate(g)]
				return !n.Alive && n.Queued+n.Deferred == 0
			})
			c.more(20, 0, 2)
			harness.WaitFor(t, "a second lease to pass", func() bool { return time.Since(cut) > 2*lease })
			mended, took := time.Now(), c.ledger.count(g)-taken
			way.mend()
			c.more(20, g)
			c.allReady()
			for _, stop := range stops {
				stop()
			}
			if took > 0 {
				t.Errorf("the gate took %d messages that it could not store", took)
			}
			c.wantRepeatsOf([]end{{g, cut, lost}})
			c.judgeCut(g, cut, lost, mended)
		})
	}
}

// judgeCut looks at what a gate delivered while it was cut off and after that.
func (c *world) judgeCut(g int, cut, lost, mended time.Time) {
	c.t.Helper()
	untold, repeated, after := map[int]bool{}, 0, 0
	had := map[int]bool{}
	for _, a := range c.receivers.arrivals() {
		switch {
		case a.gate == g && had[a.number]:
			c.t.Errorf("message %d was delivered again by the gate that was cut off, at %s", a.number, show(a.at))
		case a.gate == g && a.at.After(lost.Add(moment)) && a.at.Before(mended):
			c.t.Errorf("message %d was delivered at %s by the gate, whose lease was lost at %s", a.number, show(a.at), show(lost))
		case a.gate == g && a.at.After(cut) && a.at.Before(mended):
			untold[a.number] = true
		case a.gate == g && a.at.After(mended):
			after++
		case untold[a.number]:
			repeated++
		}
		had[a.number] = true
	}
	if len(untold) == 0 || repeated != len(untold) {
		c.t.Errorf("%d messages were delivered without a record, and %d of these sent again by others", len(untold), repeated)
	}
	if after == 0 {
		c.t.Error("the gate delivers nothing any more")
	}
	c.t.Logf("delivered without a record: %d; delivered after the cut: %d", len(untold), after)
}
