// Package onenode holds what an engine must do about the one node "1" that an Opener's store
// is. What several nodes do to each other is a matter of engines that can have them. It is a
// part of the suite of package storetest, which an engine runs beside it.
//
// Main function: Run.
package onenode

import (
	"slices"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/node"
	"countersign/internal/queue"
	"countersign/internal/store/storetest"
	"countersign/internal/store/storetest/expect"
)

// Run runs the cases. Each gets a store of its own.
func Run(t *testing.T, open storetest.Opener) {
	for name, run := range map[string]func(*testing.T, storetest.Store){
		"a lease is taken, renewed and left": leaseIsKept,
		"the clock is that of the leases":    clockOfLeases,
		"an earlier lease is refused":        earlierLeaseIsRefused,
		"who has left completes the record":  leftCompletesRecord,
		"the one node is listed":             nodeIsListed,
		"the one node adopts nothing":        nothingToAdopt,
		"the one node stays":                 nodeStays,
		"draining is felt, or refused":       drainIsFelt,
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

// self is the node that the store is.
func self() node.Node { return node.Node{ID: "1", Address: "gate.example", Version: "1.2"} }

func leaseIsKept(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	joined := expect.Got(s.Join(ctx, self(), time.Minute))(t)
	if joined.Node != "1" || joined.Epoch == 0 || joined.State != node.Active || time.Since(joined.Now).Abs() > time.Minute {
		t.Errorf("got %+v", joined)
	}
	renewed := expect.Got(s.Renew(ctx, joined.Lease, time.Minute, node.Condition{}))(t)
	if renewed.Lease != joined.Lease || renewed.State != node.Active || renewed.Now.Before(joined.Now) {
		t.Errorf("renewed %+v to %+v", joined, renewed)
	}
	expect.Must(t, s.Leave(ctx, joined.Lease, false))
	_, err := s.Renew(ctx, joined.Lease, time.Minute, node.Condition{})
	expect.Kind(t, err, fault.Fenced)
	expect.Kind(t, s.Leave(ctx, joined.Lease, false), fault.Fenced)
	again := expect.Got(s.Join(ctx, self(), time.Minute))(t)
	if again.Epoch <= joined.Epoch {
		t.Errorf("epoch %d follows %d", again.Epoch, joined.Epoch)
	}
}

func clockOfLeases(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	before := expect.Got(s.Clock(ctx))(t)
	joined := expect.Got(s.Join(ctx, self(), time.Minute))(t)
	between := expect.Got(s.Clock(ctx))(t)
	renewed := expect.Got(s.Renew(ctx, joined.Lease, time.Minute, node.Condition{}))(t) // which no look at the clock ends
	if joined.Now.Before(before) || between.Before(joined.Now) || renewed.Now.Before(between) || renewed.Now.Sub(before) > time.Minute {
		t.Errorf("the clock shows %v, %v when it joined, %v, and %v when it renewed", before, joined.Now, between, renewed.Now)
	}
}

func earlierLeaseIsRefused(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	first := expect.Got(s.Join(ctx, self(), time.Minute))(t)
	second := expect.Got(s.Join(ctx, self(), time.Minute))(t)
	_, err := s.Renew(ctx, first.Lease, time.Minute, node.Condition{})
	expect.Kind(t, err, fault.Fenced)
	_, err = s.Adopt(ctx, first.Lease, 10, true)
	expect.Kind(t, err, fault.Fenced)
	expect.Kind(t, s.Leave(ctx, first.Lease, true), fault.Fenced)
	expect.Got(s.Renew(ctx, second.Lease, time.Minute, node.Condition{}))(t)
	expect.Must(t, s.Accept(ctx, storetest.Message(1, "a"))) // under the second
	expect.Must(t, s.Report(ctx, storetest.Outcome(storetest.ID("SUB", 1), 1, queue.Delivered)))
	another := self()
	another.ID = "2"
	_, err = s.Join(ctx, another, time.Minute)
	expect.Kind(t, err, fault.Conflict)
}

func leftCompletesRecord(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	joined := expect.Got(s.Join(ctx, self(), time.Minute))(t)
	expect.Must(t, s.Accept(ctx, storetest.Message(1, "a", "b")))
	expect.Must(t, s.Leave(ctx, joined.Lease, false))
	before := len(expect.Got(s.Search(ctx, audit.Query{}))(t))
	// All at once, as what is refused must not take what is taken with it.
	var accepted, reported, appended error
	storetest.Together(3, func(i int) {
		switch i {
		case 0:
			accepted = s.Accept(ctx, storetest.Message(2, "a"))
		case 1:
			reported = s.Report(ctx, storetest.Outcome(storetest.ID("SUB", 1), 1, queue.Delivered))
		case 2:
			appended = s.Append(ctx, []audit.Event{{At: storetest.Start(), Kind: audit.ServerStopped}})
		}
	})
	expect.Kind(t, accepted, fault.Fenced)
	expect.Kind(t, reported, fault.Fenced)
	expect.Must(t, appended)
	if now := len(expect.Got(s.Search(ctx, audit.Query{}))(t)); now != before+1 {
		t.Errorf("%d events were added", now-before)
	}
	storetest.WantStats(t, s, 2, 0, 0)
	expect.Got(s.Join(ctx, self(), time.Minute))(t)
	expect.Must(t, s.Report(ctx, storetest.Outcome(storetest.ID("SUB", 1), 1, queue.Delivered)))
	expect.Must(t, s.Accept(ctx, storetest.Message(2, "a")))
	storetest.WantStats(t, s, 2, 0, 0)
}

func nodeIsListed(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	joined := expect.Got(s.Join(ctx, self(), time.Minute))(t)
	expect.Must(t, s.Accept(ctx, storetest.Message(2, "a", "b", "c")))
	m := storetest.Message(5, "d")
	m.Deliveries[0].State = queue.Held
	expect.Must(t, s.Accept(ctx, m))
	expect.Must(t, s.Report(ctx, storetest.Outcome(storetest.ID("SUB", 2), 2, queue.Deferred)))
	expect.Got(s.Renew(ctx, joined.Lease, time.Minute, node.Condition{Skew: 1500 * time.Millisecond, Keys: []string{"00ff", "a1"}}))(t)
	list := expect.Got(s.Nodes(ctx))(t)
	if len(list) != 1 {
		t.Fatalf("%d nodes", len(list))
	}
	n := list[0]
	if n.ID != "1" || n.Address != "gate.example" || n.Version != "1.2" || n.State != node.Active || !n.Alive || n.Skew != 1500*time.Millisecond || !slices.Equal(n.Keys, []string{"00ff", "a1"}) {
		t.Errorf("got %+v", n)
	}
	if n.Queued != 2 || n.Deferred != 1 || n.Held != 1 || !n.Oldest.Equal(storetest.Start().Add(2*time.Second)) {
		t.Errorf("got %+v", n)
	}
	if n.Schema < 1 {
		t.Errorf("it knows schema version %d", n.Schema)
	}
	expect.Got(s.Renew(ctx, joined.Lease, time.Minute, node.Condition{}))(t)
	if keys := expect.Got(s.Nodes(ctx))(t)[0].Keys; keys != nil {
		t.Errorf("it has the keys %v after all were gone", keys)
	}
	if n.Started.IsZero() {
		t.Error("nobody knows since when it runs")
	}
	if !n.Up || n.Standing() != "active" || n.Silent < 0 || n.Silent > time.Minute {
		t.Errorf("while it serves mail it is %q: %+v", n.Standing(), n)
	}
	expect.Must(t, s.Leave(ctx, joined.Lease, false))
	if n := expect.Got(s.Nodes(ctx))(t)[0]; n.Alive || n.State != node.Stopped || n.Standing() != "stopped" {
		t.Errorf("after it has left it is %q: %+v", n.Standing(), n)
	}
}

func nothingToAdopt(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	joined := expect.Got(s.Join(ctx, self(), time.Minute))(t)
	expect.Must(t, s.Accept(ctx, storetest.Message(1, "a", "b")))
	if shares := expect.Got(s.Adopt(ctx, joined.Lease, 10, true))(t); len(shares) != 0 {
		t.Errorf("adopted %+v of its own", shares)
	}
	for _, kind := range []audit.Kind{audit.NodeDead, audit.NodeAdopted} {
		if found := expect.Got(s.Search(ctx, audit.Query{Kind: kind}))(t); len(found) != 0 {
			t.Errorf("the record has %+v", found)
		}
	}
}

func nodeStays(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	expect.Got(s.Join(ctx, self(), time.Minute))(t)
	expect.Kind(t, s.Remove(ctx, "1", storetest.Event("node 1")), fault.Conflict)
	expect.Kind(t, s.Drain(ctx, "1", false, storetest.Event("node 1")), fault.Conflict)
	if state := expect.Got(s.Nodes(ctx))(t)[0].State; state != node.Active {
		t.Errorf("a refused drain makes it %s", state)
	}
	if n := len(expect.Got(s.Nodes(ctx))(t)); n != 1 {
		t.Errorf("%d nodes are left", n)
	}
}

// drainIsFelt: an engine that can have other nodes tells a node that it is to drain,
// and records who asked for that; another refuses and leaves it as it is.
func drainIsFelt(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	joined := expect.Got(s.Join(ctx, self(), time.Minute))(t)
	if err := s.Drain(ctx, "2", true, storetest.Event("node 2")); !fault.Is(err, fault.NotFound) {
		expect.Kind(t, err, fault.Conflict)
	}
	err := s.Drain(ctx, "1", true, storetest.Event("node 1"))
	state, events, after := node.Draining, 1, node.Drained
	if err != nil {
		expect.Kind(t, err, fault.Conflict)
		state, events, after = node.Active, 0, node.Stopped
	}
	if r := expect.Got(s.Renew(ctx, joined.Lease, time.Minute, node.Condition{}))(t); r.State != state || r.Lease != joined.Lease {
		t.Errorf("it is told %+v, want %s", r, state)
	}
	expect.Equal(t, "its state", expect.Got(s.Nodes(ctx))(t)[0].State, state)
	if n := len(expect.Got(s.Search(ctx, audit.Query{Kind: audit.AdminChanged}))(t)); n != events {
		t.Errorf("%d events tell of it, want %d", n, events)
	}
	expect.Must(t, s.Accept(ctx, storetest.Message(1, "a"))) // what is under way ends
	expect.Must(t, s.Report(ctx, storetest.Outcome(storetest.ID("SUB", 1), 1, queue.Delivered)))
	expect.Must(t, s.Leave(ctx, joined.Lease, err == nil))
	expect.Equal(t, "its state at the end", expect.Got(s.Nodes(ctx))(t)[0].State, after)
}
