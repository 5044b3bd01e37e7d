package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/queue"
	"countersign/internal/store/postgres/hot"
	"countersign/internal/store/postgres/server"
)

// member is one of several nodes on a database.
type member struct {
	*Store
	t     *testing.T
	lease node.Lease
}

// joinAs opens a database as a node of that id.
func joinAs(t *testing.T, url, id string) *member {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: url, Server: true, Node: id})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &member{Store: s, t: t}
	m.join()
	return m
}

func (m *member) join() {
	m.t.Helper()
	r, err := m.Join(m.t.Context(), node.Node{ID: m.opt.Node, Address: m.opt.Node + ".example"}, time.Hour)
	if err != nil {
		m.t.Fatal(err)
	}
	m.lease = r.Lease
}

// expire lets the lease of a node run out, as the database sees it.
func (m *member) expire() {
	m.t.Helper()
	m.change("UPDATE node SET lease_until = 1 WHERE id = $1", m.opt.Node)
}

func (m *member) change(text string, args ...any) {
	m.t.Helper()
	err := m.db.Change(m.t.Context(), "test", func(t *server.Tx) error {
		_, err := t.Raw(text, args...)
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// adopt adopts in portions until nothing is left, and returns how many.
func (m *member) adopt(portion int) int {
	m.t.Helper()
	total := 0
	for {
		shares, err := m.Adopt(m.t.Context(), m.lease, portion, true)
		if err != nil {
			m.t.Fatal(err)
		}
		n := sum(shares)
		if n > portion {
			m.t.Fatalf("adopted %d, at most %d were asked for", n, portion)
		}
		total += n
		if n == 0 {
			return total
		}
	}
}

// sum counts what was given away.
func sum(shares []node.Share) (total int) {
	for _, s := range shares {
		total += s.Deliveries
	}
	return total
}

// accept takes n messages with a number of recipients each.
func (m *member) accept(from, n, recipients int) {
	m.t.Helper()
	var all sync.WaitGroup
	for i := from; i < from+n; i++ {
		all.Go(func() {
			if err := m.Accept(context.Background(), letterTo(i, recipients)); err != nil {
				m.t.Error(err)
			}
		})
	}
	all.Wait()
}

func subOf(n int) mail.ID { return mail.ID(fmt.Sprintf("01SUB%021d", n)) }

// letterTo makes the n-th message.
func letterTo(n, recipients int) *queue.Acceptance {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	a := &queue.Acceptance{
		Submission: queue.Submission{ID: subOf(n), Session: "S", At: at.Add(time.Duration(n) * time.Second), Expires: at.Add(100 * time.Hour)},
		Content:    queue.Content{Head: []byte("A: b\r\n\r\n"), Body: []byte("c\r\n")},
		Events:     []audit.Event{{At: at, Kind: audit.Accepted, Submission: subOf(n)}},
	}
	for i := range recipients {
		a.Deliveries = append(a.Deliveries, queue.Delivery{
			Submission: subOf(n), N: i + 1, State: queue.Queued, Next: at,
			Recipient: mail.Recipient{To: mail.Address{Local: "b", Domain: "there.example"}},
		})
	}
	return a
}

// arrived reports that a message was delivered.
func arrived(n int) *queue.Report {
	return &queue.Report{
		Submission: subOf(n),
		Outcomes:   []queue.Outcome{{N: 1, State: queue.Delivered, Result: queue.Result{At: time.Unix(1, 0), Code: 250}}},
		Events:     []audit.Event{{At: time.Unix(1, 0), Kind: audit.DeliveryDelivered, Submission: subOf(n), Delivery: 1}},
	}
}

// nodes lists the nodes by id.
func (m *member) nodes() map[string]node.Node {
	m.t.Helper()
	list, err := m.Nodes(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	all := map[string]node.Node{}
	for _, n := range list {
		all[n.ID] = n
	}
	return all
}

// due counts what a node may deliver.
func (m *member) due() int {
	m.t.Helper()
	items, err := m.Due(m.t.Context(), time.Now(), queue.Position{}, 100_000)
	if err != nil {
		m.t.Fatal(err)
	}
	return len(items)
}

func wantFault(t *testing.T, err error, kind fault.Kind, words ...string) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Fatalf("got %v, want what means %v", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// TestAdoptionIsEven: what a dead node has left is shared out among three living
// ones, each submission to one of them, by whoever is first.
func TestAdoptionIsEven(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	dead := joinAs(t, url, "dead")
	living := []*member{joinAs(t, url, "a"), joinAs(t, url, "b"), joinAs(t, url, "c")}
	dead.accept(0, 1500, 2)
	dead.change("UPDATE delivery SET state = 3 WHERE submission < $1", string(subOf(300)))
	if n := living[0].adopt(100); n != 0 {
		t.Fatalf("%d deliveries of a living node were adopted", n)
	}
	dead.expire()
	if _, err := living[0].Adopt(t.Context(), living[0].lease, 100, true); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, m := range living {
		all.Go(func() { m.adopt(100) })
	}
	all.Wait()
	living[0].adopt(100) // what two looked at, none may have taken
	list, held := living[0].nodes(), 0
	for _, m := range living {
		n := list[m.opt.Node]
		held += n.Held
		if total := n.Queued + n.Held; total < 800 || total > 1200 {
			t.Errorf("node %s got %d of 3000", n.ID, total)
		}
		if m.due() != n.Queued {
			t.Errorf("node %s owns %d, and %d are due", n.ID, n.Queued, m.due())
		}
	}
	if n := list["dead"]; n.Queued+n.Held != 0 || n.Alive || held != 600 {
		t.Errorf("the dead one has %+v; %d are held", n, held)
	}
	apart := 0
	err := dead.db.Change(t.Context(), "test", func(tx *server.Tx) error {
		n, _, err := tx.Number("SELECT count(*) FROM (SELECT 1 FROM delivery GROUP BY submission HAVING count(DISTINCT node) > 1) x", nil)
		apart = int(n)
		return err
	})
	if err != nil || apart != 0 {
		t.Errorf("%d submissions were torn apart, %v", apart, err)
	}
}

// TestLostLeaseStoresNothing: under a lease that is over nothing is accepted and
// no outcome taken, before and after others have adopted, and a new lease makes no
// old delivery one's own.
func TestLostLeaseStoresNothing(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	a, b := joinAs(t, url, "a"), joinAs(t, url, "b")
	a.accept(0, 2, 1)
	refused := func(when string) {
		t.Helper()
		for what, err := range map[string]error{
			"accept": a.Accept(t.Context(), letterTo(5, 1)),
			"report": a.Report(t.Context(), arrived(0)),
			"append": a.Append(t.Context(), []audit.Event{{At: time.Unix(1, 0), Kind: audit.ServerStarted}}),
		} {
			if !fault.Is(err, fault.Fenced) || !errors.Is(err, hot.ErrFenced) {
				t.Errorf("%s, %s: %v", when, what, err)
			}
		}
		_, err := a.Renew(t.Context(), a.lease, time.Hour, node.Condition{})
		wantFault(t, err, fault.Fenced)
		_, err = a.Adopt(t.Context(), a.lease, 10, true)
		wantFault(t, err, fault.Fenced)
	}
	a.expire()
	refused("after the end")
	if n := b.adopt(100); n != 2 {
		t.Fatalf("adopted %d", n)
	}
	refused("after the adoption")
	if stats, err := b.Stats(t.Context()); err != nil || stats.Queued != 2 {
		t.Errorf("%+v, %v", stats, err)
	}
	a.join()
	if err := a.Report(t.Context(), arrived(0)); err != nil {
		t.Fatal(err)
	}
	late := arrived(0)
	late.Again = true
	wantFault(t, a.Report(t.Context(), late), fault.NotFound)
	if a.due() != 0 || b.due() != 2 {
		t.Errorf("%d and %d are due; another's delivery was reported", a.due(), b.due())
	}
	found, err := b.Search(t.Context(), audit.Query{Kind: audit.DeliveryDelivered})
	if err != nil || len(found) != 1 { // of the report that was not made again
		t.Errorf("the record has %+v, %v", found, err)
	}
	waiting, err := a.Waiting(t.Context(), []queue.Key{{Submission: subOf(1), N: 1}})
	if err != nil || waiting[0] {
		t.Errorf("what was adopted still waits for its former node: %v, %v", waiting, err)
	}
	if err := b.Report(t.Context(), arrived(0)); err != nil {
		t.Fatal(err)
	}
	a.accept(10, 1, 1)
	if a.due() != 1 || b.due() != 1 {
		t.Errorf("%d and %d are due", a.due(), b.due())
	}
}

// TestWhoMayBeJudged: who has left is adopted at once; whose lease ran out, only where
// that was asked for, and only by a node whose own lease is not old: then the server
// may have stood still.
func TestWhoMayBeJudged(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	left, dead, judge := joinAs(t, url, "left"), joinAs(t, url, "dead"), joinAs(t, url, "judge")
	left.accept(0, 2, 1)
	dead.accept(10, 3, 1)
	if err := left.Leave(t.Context(), left.lease, false); err != nil {
		t.Fatal(err)
	}
	dead.expire()
	want := func(what string, n int, ask bool) {
		t.Helper()
		shares, err := judge.Adopt(t.Context(), judge.lease, 100, ask)
		if err != nil || sum(shares) != n {
			t.Errorf("%s: adopted %+v, %v; want %d", what, shares, err, n)
		}
		for _, s := range shares {
			if s.Dead != (s.Node == "dead") {
				t.Errorf("%s: %+v", what, s)
			}
		}
	}
	want("those that have left", 2, false)
	age := func(part string) {
		judge.change("UPDATE node SET heartbeat = heartbeat - l, lease_until = lease_until - l FROM (SELECT "+part+
			"::bigint AS l FROM node WHERE id = $1) x WHERE id = $1", "judge")
	}
	age("(lease_until - heartbeat) * 6 / 10")
	want("under an old lease", 0, true)
	age("-(lease_until - heartbeat) * 2 / 10")
	want("under a fresh one", 3, true)
	wantEvents(t, judge, "node.*", "node.adopted node left 2 by judge", "node.dead node dead  by judge", "node.adopted node dead 3 by judge")
	list := judge.nodes()
	if was := list["left"].Standing() + " " + list["dead"].Standing(); was != "stopped dead" {
		t.Errorf("they are %s", was)
	}
}

// wantEvents wants these of a kind in the record, in this order.
func wantEvents(t *testing.T, m *member, kind audit.Kind, want ...string) {
	t.Helper()
	found, err := m.Search(t.Context(), audit.Query{Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range found {
		got = append(got, fmt.Sprintf("%s %s %s by %s", e.Kind, e.Object, e.Data["deliveries"], e.Data["node"]))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the record has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestDeadWithoutDeliveries: of a dead node that owned nothing people are told too,
// once.
func TestDeadWithoutDeliveries(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	dead, judge := joinAs(t, url, "dead"), joinAs(t, url, "judge")
	dead.expire()
	for _, want := range [][]node.Share{{{Node: "dead", Dead: true}}, nil} {
		shares, err := judge.Adopt(t.Context(), judge.lease, 100, true)
		if err != nil || !slices.Equal(shares, want) {
			t.Errorf("got %+v, %v; want %+v", shares, err, want)
		}
	}
	wantEvents(t, judge, "node.*", "node.dead node dead  by judge")
}

// TestDrainOfTheLast: the only active node is drained by force alone; one that is
// dead or drains already is none.
func TestDrainOfTheLast(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	a, b, c := joinAs(t, url, "a"), joinAs(t, url, "b"), joinAs(t, url, "c")
	e := audit.Event{At: time.Unix(1, 0), Kind: audit.AdminChanged, Object: "node"}
	drain := func(id string, force bool) error { return a.Drain(t.Context(), id, force, e) }
	for _, id := range []string{"c", "b"} {
		if id == "c" {
			c.expire()
		}
		if err := drain(id, false); err != nil {
			t.Fatalf("drain of %s: %v", id, err)
		}
	}
	wantFault(t, drain("a", false), fault.Conflict, `node "a"`, "only active", "--force", "restart")
	if n := a.nodes()["a"]; n.State != node.Active {
		t.Fatalf("a refused drain makes it %s", n.State)
	}
	if err := drain("a", true); err != nil {
		t.Fatal(err)
	}
	if n := b.nodes()["a"]; n.State != node.Draining {
		t.Errorf("got %+v", n)
	}
	if err := drain("a", false); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// TestIsItsProcessUp: of a drained node the list says whether its process is there.
func TestIsItsProcessUp(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	a, b := joinAs(t, url, "a"), joinAs(t, url, "b")
	want := func(standing string, up bool) {
		t.Helper()
		if n := b.nodes()["a"]; n.Standing() != standing || n.Up != up {
			t.Errorf("it is %s, its process up: %v; want %s, %v", n.Standing(), n.Up, standing, up)
		}
	}
	want("active", true)
	b.change("UPDATE node SET heartbeat = heartbeat - 12000000 WHERE id = 'a'")
	if silent := b.nodes()["a"].Silent; silent < 12*time.Second || silent > time.Minute {
		t.Errorf("it was seen %v ago", silent)
	}
	if err := a.Leave(t.Context(), a.lease, true); err != nil {
		t.Fatal(err)
	}
	want("drained", true)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	want("stopped", false)
}

// TestJoiningKeepsItsOwn: a node that comes back before anybody adopted goes on
// with what it had.
func TestJoiningKeepsItsOwn(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	a, b := joinAs(t, url, "a"), joinAs(t, url, "b")
	a.accept(0, 3, 1)
	a.expire()
	a.join()
	if n := b.adopt(10); n != 0 || a.due() != 3 {
		t.Errorf("adopted %d, %d are left", n, a.due())
	}
}

// TestOneNodeOneProcess: a second process of the same id is refused while the
// first is alive, let in at once when that is gone, and also when it hangs.
func TestOneNodeOneProcess(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	first := joinAs(t, url, "a")
	second := func() (*Store, error) { return Open(t.Context(), Options{URL: url, Server: true, Node: "a"}) }
	_, err := second()
	wantFault(t, err, fault.Conflict, "another process (at a.example)", `node "a"`, "node.id")
	if _, err := first.Renew(t.Context(), first.lease, time.Hour, node.Condition{}); err != nil {
		t.Errorf("the first was harmed: %v", err)
	}
	first.expire() // it hangs, its connection stays
	other, err := second()
	if err != nil {
		t.Fatal(err)
	}
	_, err = first.Renew(t.Context(), first.lease, time.Hour, node.Condition{})
	wantFault(t, err, fault.Fenced)
	_, err = first.Join(t.Context(), node.Node{ID: "a"}, time.Hour)
	wantFault(t, err, fault.Conflict, "another process")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := second() // long before the lease ends
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLeavingGivesAtOnce: who leaves is not waited for, and may still complete the
// record.
func TestLeavingGivesAtOnce(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	a, b := joinAs(t, url, "a"), joinAs(t, url, "b")
	a.accept(0, 4, 1)
	if err := a.Leave(t.Context(), a.lease, false); err != nil {
		t.Fatal(err)
	}
	if n := b.adopt(10); n != 4 {
		t.Errorf("adopted %d", n)
	}
	if err := a.Append(t.Context(), []audit.Event{{At: time.Unix(1, 0), Kind: audit.ServerStopped}}); err != nil {
		t.Error(err)
	}
	if n := b.nodes()["a"]; n.Alive || n.State != node.Stopped {
		t.Errorf("got %+v", n)
	}
}

// TestDrain: a node that is asked to drain is told so at its next renewal, gets
// nothing more, gives everything when it has left, and is active after a restart.
func TestDrain(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	a, b, c := joinAs(t, url, "a"), joinAs(t, url, "b"), joinAs(t, url, "c")
	a.accept(0, 20, 1)
	e := audit.Event{At: time.Unix(1, 0), Kind: audit.AdminChanged, Actor: "cli:me", Object: "node a", Text: "drain"}
	wantFault(t, b.Drain(t.Context(), "x", false, e), fault.NotFound, "node list")
	if err := b.Drain(t.Context(), "a", false, e); err != nil {
		t.Fatal(err)
	}
	r, err := a.Renew(t.Context(), a.lease, time.Hour, node.Condition{})
	if err != nil || r.State != node.Draining {
		t.Fatalf("%+v, %v", r, err)
	}
	c.accept(100, 20, 1)
	c.expire()
	if n := b.adopt(100); n != 20 || a.due() != 20 || b.due() != 20 {
		t.Errorf("adopted %d; the draining node has %d", n, a.due())
	}
	a.join() // after a lost lease it still drains
	if n := b.nodes()["a"]; n.State != node.Draining {
		t.Errorf("after joining again it is %s", n.State)
	}
	if err := a.Leave(t.Context(), a.lease, true); err != nil {
		t.Fatal(err)
	}
	if n := b.adopt(100); n != 20 || b.due() != 40 {
		t.Errorf("adopted %d, have %d", n, b.due())
	}
	if n := b.nodes()["a"]; n.State != node.Drained || n.Alive {
		t.Errorf("got %+v", n)
	}
	found, err := b.Search(t.Context(), audit.Query{Kind: audit.AdminChanged})
	if err != nil || len(found) != 1 || found[0].Object != "node a" {
		t.Errorf("the record has %+v, %v", found, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	joinAs(t, url, "a")
	if n := b.nodes()["a"]; n.State != node.Active || !n.Alive {
		t.Errorf("after a restart: %+v", n)
	}
	if err := b.Drain(t.Context(), "c", false, e); err != nil {
		t.Fatal(err)
	}
	if n := b.nodes()["c"]; n.State != node.Drained {
		t.Errorf("a dead node that is to drain is %s", n.State)
	}
}

// TestRemove: only who is neither alive nor owns anything is forgotten, and what
// it counted is not.
func TestRemove(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	a, b := joinAs(t, url, "a"), joinAs(t, url, "b")
	a.accept(0, 3, 1)
	a.change("UPDATE delivery SET state = 3 WHERE submission = $1", string(subOf(1)))
	e := audit.Event{At: time.Unix(1, 0), Kind: audit.AdminRemoved, Actor: "cli:me", Object: "node a"}
	wantFault(t, b.Remove(t.Context(), "x", e), fault.NotFound)
	wantFault(t, b.Remove(t.Context(), "a", e), fault.Conflict, "alive")
	a.expire()
	wantFault(t, b.Remove(t.Context(), "a", e), fault.Conflict, "owns")
	a.change("DELETE FROM delivery WHERE state < 3")
	wantFault(t, b.Remove(t.Context(), "a", e), fault.Conflict, "owns")
	b.adopt(10)
	before, err := b.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), "a", e); err != nil {
		t.Fatal(err)
	}
	after, err := b.Stats(t.Context())
	if err != nil || before != after {
		t.Errorf("the totals were %+v and are %+v, %v", before, after, err)
	}
	if all := b.nodes(); len(all) != 1 {
		t.Errorf("%+v are left", all)
	}
	wantFault(t, a.Accept(t.Context(), letterTo(9, 1)), fault.Fenced)
	epoch := a.lease.Epoch
	a.join()
	if a.lease.Epoch <= epoch {
		t.Errorf("epoch %d was given again after %d", a.lease.Epoch, epoch)
	}
}
