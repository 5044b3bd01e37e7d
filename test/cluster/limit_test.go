package cluster

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/testkit/pgcluster"
	"countersign/test/harness"
)

// accepted counts the messages that the record has as accepted.
func (c *world) accepted() (n int) {
	c.t.Helper()
	after := int64(0)
	for {
		page, err := c.db.Search(context.Background(), audit.Query{Kind: audit.Accepted, AfterSeq: after, Limit: 1000})
		if err != nil {
			c.t.Fatal(err)
		}
		n += len(page)
		if len(page) == 0 {
			return n
		}
		after = page[len(page)-1].Seq
	}
}

// TestLimitOverThreeGates: fifty connections at three gates try to send far more than a
// limit of all of them lets pass, while the database restarts and a gate is killed. Exactly so
// many are accepted, and all of them arrive. What is allowed on top is felt within a second by
// every gate, and is exact too.
func TestLimitOverThreeGates(t *testing.T) {
	const room, more = 400, 150
	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
	c := newWorld(t, cluster.Database(t))
	domain := limit.Subject{Kind: limit.Domain, Name: harness.Login[strings.IndexByte(harness.Login, '@')+1:]}
	c.gates[0].Admin("", "limit", "set", "--domain", domain.Name, fmt.Sprintf("messages/day=%d", room))
	for g := range c.gates {
		harness.WaitFor(t, "a gate to know the limit", func() bool { return c.figure(g, "countersign_limit_rules") == 1 })
	}
	ends := make([]func(), len(c.gates))
	for g := range c.gates {
		ends[g] = c.load(g, 17)
	}
	c.more(20, 0, 1, 2)
	cluster.Restart(t, pgcluster.Immediate)
	c.more(20, 0, 1, 2)
	c.gates[2].Kill(syscall.SIGKILL)
	c.gates[2].Start()
	used := func(want int64) func() bool {
		return func() bool {
			counters, at, err := c.db.Counted(context.Background(), []limit.Subject{domain})
			return err == nil && counters[0].Used(limit.Day, limit.Messages, at) >= want
		}
	}
	harness.WaitFor(t, "the limit to be used up", used(room))
	if n := c.accepted(); n != room {
		t.Errorf("%d messages were accepted, %d are allowed", n, room)
	}
	c.gates[1].Admin("", "limit", "allow", "--domain", domain.Name, fmt.Sprintf("messages/day=+%d", more), "--until", "2h", "--because", "testing")
	began := time.Now()
	for g := range c.gates {
		harness.WaitFor(t, "a gate to know what is allowed", func() bool { return c.figure(g, "countersign_limit_rules") == 2 })
		t.Logf("gate %d knows it %v after the command", g, time.Since(began))
	}
	harness.WaitFor(t, "what is allowed on top to be used up", used(room+more))
	for _, end := range ends {
		end()
	}
	if n := c.accepted(); n != room+more {
		t.Errorf("%d messages were accepted, %d are allowed", n, room+more)
	}
	if !used(room+more)() || used(room+more+1)() {
		t.Error("what is counted is not what was accepted")
	}
	if n := len(c.ledger.acknowledged(t)); n > room+more || n < room/2 {
		t.Errorf("%d messages were acknowledged", n)
	}
	c.verdict()
}
