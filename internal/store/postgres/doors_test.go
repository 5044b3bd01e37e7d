package postgres

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/limit"
)

// TestConnectionsOnThreeNodes: of many that come at three nodes at once exactly as many are let in as
// the limits say; who goes at one node makes room at another, and so does a node whose lease
// runs out.
func TestConnectionsOnThreeNodes(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	var nodes []*Store
	for n := range 3 {
		lease := time.Hour
		if n == 2 {
			lease = 3 * time.Second // which nobody renews
		}
		s, err := Open(t.Context(), Options{URL: url, Server: true, Node: fmt.Sprint(n + 1), Lease: lease})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		nodes = append(nodes, s)
	}
	all := limit.Subject{Kind: limit.Everything}
	const room = 30
	connect := func(n int) bool {
		q := limit.Connects([]limit.Level{{Subject: all, Limits: []limit.Limit{
			{Measure: limit.Connections, Window: limit.AtOnce, Max: room, Action: limit.Defer}, {Measure: limit.Connections, Window: limit.Minute, Max: 1000, Action: limit.Defer},
		}}})
		d, err := nodes[n].Connect(t.Context(), q)
		return err == nil && d.Passes()
	}
	var passed [3]atomic.Int64
	var coming sync.WaitGroup
	for n := range 15 { // so that each has some
		if connect(n % 3) {
			passed[n%3].Add(1)
		}
	}
	for n := range 60 {
		coming.Go(func() {
			if connect(n % 3) {
				passed[n%3].Add(1)
			}
		})
	}
	coming.Wait()
	if sum := passed[0].Load() + passed[1].Load() + passed[2].Load(); sum != room {
		t.Fatalf("%d were let in, want %d", sum, room)
	}
	if _, gates := nodes[0].Holder(); gates != 3 {
		t.Errorf("%d gates are known", gates)
	}
	lost := passed[2].Load()
	if lost == 0 || passed[0].Load() == 0 {
		t.Fatalf("only some nodes let anybody in")
	}
	if err := nodes[0].Occupy(t.Context(), map[limit.Subject]int64{limit.ApartOf(all): passed[0].Load() - 1}); err != nil {
		t.Fatal(err)
	}
	if !connect(1) {
		t.Error("who has gone at another node has made no room")
	}
	if connect(1) {
		t.Error("one is let in too many")
	}
	came := int64(0)
	for end := time.Now().Add(30 * time.Second); came < lost && time.Now().Before(end); {
		if connect(0) {
			came++
		}
	}
	if came != lost || connect(0) {
		t.Errorf("after a lease that is over %d come, want %d and no more", came, lost)
	}
}
