package cluster

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/test/harness"
)

// opening is what a gate said first, and when it was asked.
type opening struct {
	asked time.Time
	said  string
}

// open connects to the plain listener of a gate and reads what it says first.
func (c *world) open(g int) opening {
	c.t.Helper()
	o := opening{asked: time.Now()}
	conn, err := net.DialTimeout("tcp", c.gates[g].Submission, 10*time.Second)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	o.said, err = bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		c.t.Fatalf("gate %d says %q: %v", g, o.said, err)
	}
	return o
}

// felt connects to a gate until it answers with that code, and wants no connection that
// begins a second after the event of the change to be answered otherwise.
func (c *world) felt(g int, kind audit.Kind, code string) {
	c.t.Helper()
	found, err := c.db.Search(c.t.Context(), audit.Query{Kind: kind, Newest: true, Limit: 1})
	if err != nil || len(found) != 1 {
		c.t.Fatalf("%+v, %v", found, err)
	}
	at := found[0].At
	pause := time.NewTicker(2 * time.Millisecond) // the gates need the processor as well
	defer pause.Stop()
	for ; ; <-pause.C {
		o := c.open(g)
		if strings.HasPrefix(o.said, code) {
			c.t.Logf("%s: gate %d answers %s to a connection %v after it", kind, g, code, o.asked.Sub(at).Round(time.Millisecond))
			return
		}
		if o.asked.Sub(at) > time.Second {
			c.t.Fatalf("%s: gate %d says %q to a connection %v after it", kind, g, o.said, o.asked.Sub(at))
		}
	}
}

// TestBanIsFeltEverywhere sets and lifts bans at one gate while clients connect to the
// others: those refuse, and greet again, within a second; what a login is refused for is
// felt likewise, and one that is lifted is gone everywhere.
func TestBanIsFeltEverywhere(t *testing.T) {
	c := newWorld(t, shared.Cluster(t).Database(t))
	for round := range 5 {
		for g := range c.gates {
			if o := c.open(g); !strings.HasPrefix(o.said, "220 ") {
				t.Fatalf("round %d: gate %d says %q", round, g, o.said)
			}
		}
		c.gates[0].Admin("", "ban", "add", "127.0.0.1", "--because", "guessing passwords", "--for", "1h", "--force")
		for _, g := range []int{1, 2, 0} {
			c.felt(g, audit.BanAdded, "554 5.7.1 Connections from your network are refused here (guessing passwords);")
		}
		c.gates[1].Admin("", "ban", "lift", "127.0.0.1")
		for _, g := range []int{2, 0, 1} {
			c.felt(g, audit.BanLifted, "220 ")
		}
	}
	c.gates[0].Admin("", "ban", "add", "127.0.0.1", "--login", harness.Login, "--because", "guessing passwords", "--force")
	found, err := c.db.Search(t.Context(), audit.Query{Kind: audit.BanAdded, Newest: true, Limit: 1})
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	for g := range c.gates {
		for {
			began, err := c.login(g, harness.Password)
			if err != nil && (strings.Contains(err.Error(), "535 5.7.8") || strings.Contains(err.Error(), "421 4.7.0")) {
				break
			}
			if err != nil || began.Sub(found[0].At) > time.Second {
				t.Fatalf("gate %d answers a login %v after the ban with %v", g, began.Sub(found[0].At), err)
			}
		}
	}
}
