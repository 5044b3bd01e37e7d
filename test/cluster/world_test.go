package cluster

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/queue"
	"countersign/internal/store/postgres"
	"countersign/internal/testkit/pgcluster"
	"countersign/test/harness"
)

// lease is that of the gates: the shortest there is.
const lease = 3 * time.Second

// shared is the server of the tests that do nothing to it. Its databases have the schema already.
var shared = pgcluster.Shared{Options: pgcluster.Options{NoSync: true, Prepare: prepare}}

// prepare makes the schema.
func prepare(ctx context.Context, url string) error {
	s, err := postgres.Open(ctx, postgres.Options{URL: url})
	if err != nil {
		return err
	}
	return s.Close()
}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// world is three gates on one database, each with a receiving server of its own.
type world struct {
	t         *testing.T
	gates     []*harness.Gate
	receivers *receivers
	ledger    *ledger
	db        *postgres.Store
	random    *rand.Rand

	mu   sync.Mutex // guards runs
	runs int        // how many runs of load were begun
}

// newWorld starts the gates.
func newWorld(t *testing.T, url string) *world {
	t.Helper()
	return newWorldWith(t, worldOptions{url: url})
}

// worldOptions say how the gates reach their database.
type worldOptions struct {
	url string
	// through has another URL for some of the gates.
	through map[int]string
	// passwordFile is store.password_file, "" for none.
	passwordFile string
	// more is what else stands in the file of a gate; nil for nothing.
	more func(g int) string
}

// newWorldWith is newWorld for databases that are reached in another way.
func newWorldWith(t *testing.T, how worldOptions) *world {
	t.Helper()
	const n = 3
	c := &world{t: t, receivers: newReceivers(t, n), ledger: newLedger(t)}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CLUSTER_SEED"); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = given
	}
	t.Logf("seed %d", seed)
	c.random = rand.New(rand.NewPCG(seed, 0))
	key := filepath.Join(t.TempDir(), "seal.key")
	for i := range n {
		extra := fmt.Sprintf("[store]\nurl = %q\npassword_file = %q\n[node]\nid = \"gate-%d\"\nlease = %q\n[dkim]\nkey_file = %q\n[delivery]\nworkers = %d\n",
			cmp.Or(how.through[i], how.url), how.passwordFile, i, lease, key, deliveryWorkers)
		if how.more != nil {
			extra += how.more(i)
		}
		start := harness.Join
		if i == 0 {
			start = harness.Serve
		}
		c.gates = append(c.gates, start(t, c.receivers.hops[i].Addr(), extra))
	}
	password := ""
	if how.passwordFile != "" {
		text, err := os.ReadFile(how.passwordFile)
		if err != nil {
			t.Fatal(err)
		}
		password = strings.TrimSpace(string(text))
	}
	db, err := postgres.Open(t.Context(), postgres.Options{URL: how.url, Password: password, Patience: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c.db = db
	t.Cleanup(func() { db.Close() })
	return c
}

// gate returns the id of a gate.
func gate(g int) string { return fmt.Sprint("gate-", g) }

// pause waits for a random while: the moment of a fault is to be any.
func (c *world) pause(most time.Duration) {
	timer := time.NewTimer(time.Duration(c.random.Int64N(int64(most))))
	defer timer.Stop()
	<-timer.C
}

// nodes lists the nodes by id.
func (c *world) nodes() map[string]node.Node {
	c.t.Helper()
	list, err := c.db.Nodes(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	all := map[string]node.Node{}
	for _, n := range list {
		all[n.ID] = n
	}
	return all
}

// ready reports whether a gate says that it is.
func (c *world) ready(gate int) bool {
	resp, err := http.Get("http://" + c.gates[gate].Metrics + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// allReady waits until all gates are.
func (c *world) allReady() {
	c.t.Helper()
	harness.WaitFor(c.t, "all gates to be ready", func() bool { return c.ready(0) && c.ready(1) && c.ready(2) })
}

// more waits until each of these gates has acknowledged n more.
func (c *world) more(n int, gates ...int) {
	c.t.Helper()
	before := map[int]int{}
	for _, g := range gates {
		before[g] = c.ledger.count(g)
	}
	harness.WaitFor(c.t, fmt.Sprintf("%d more messages through gates %v", n, gates), func() bool {
		for _, g := range gates {
			if c.ledger.count(g) < before[g]+n {
				return false
			}
		}
		return true
	})
}

// verdict compares the three records at the end, when nothing is sent any more:
// what was acknowledged has arrived and left the queue, the record has each of it
// as delivered exactly once, and what arrived more often is what had arrived
// without being recorded. It returns the repeats.
func (c *world) verdict() (repeats []arrival) {
	c.t.Helper()
	acked := c.ledger.acknowledged(c.t)
	harness.WaitFor(c.t, "everything acknowledged to arrive", func() bool { return len(c.receivers.missing(acked)) == 0 })
	harness.WaitFor(c.t, "an empty queue", func() bool {
		items, err := c.db.List(context.Background(), queue.Filter{Limit: 1})
		return err == nil && len(items) == 0
	})
	c.gates[0].Admin("", "store", "check") // which fails unless it is sound
	recorded := c.recorded()
	for n, id := range acked {
		if len(recorded[id]) != 1 {
			c.t.Errorf("message %d (%s) is recorded as delivered %d times", n, id, len(recorded[id]))
		}
	}
	seen := map[int]bool{}
	for _, a := range c.receivers.arrivals() {
		if seen[a.number] {
			repeats = append(repeats, a)
		}
		seen[a.number] = true
	}
	c.t.Logf("%d acknowledged, %d arrived, %d repeats", len(acked), len(seen), len(repeats))
	return repeats
}

// recorded returns when the recorded deliveries of each submission were made.
func (c *world) recorded() map[mail.ID][]time.Time {
	c.t.Helper()
	all, after := map[mail.ID][]time.Time{}, int64(0)
	for {
		page, err := c.db.Search(context.Background(), audit.Query{Kind: audit.DeliveryDelivered, AfterSeq: after, Limit: 1000})
		if err != nil {
			c.t.Fatal(err)
		}
		for _, e := range page {
			all[e.Submission] = append(all[e.Submission], e.At)
			after = e.Seq
		}
		if len(page) == 0 {
			return all
		}
	}
}
