package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/loadgen"
	"countersign/internal/node"
	"countersign/internal/sink"
)

// onPostgres is the configuration of a gate on a database.
func onPostgres(url, id string) string {
	return fmt.Sprintf("[store]\nurl = %q\n[node]\nid = %q\nlease = \"3s\"\n", url, id)
}

// answerOf gets a page, whatever its status.
func answerOf(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestDrainedGateStaysUp: a gate that is asked to drain finishes, closes its
// listeners, says so, and ends without a complaint.
func TestDrainedGateStaysUp(t *testing.T) {
	cluster := shared.Cluster(t)
	w := newWorld(t, onPostgres(cluster.Database(t), "gate-1"), func(sink.Message) error { return nil })
	if res, err := loadgen.Run(t.Context(), w.load(2, 1)); err != nil || res.Accepted != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	base := "http://" + w.app.Addresses()["metrics"]
	if status, body := answerOf(t, base+"/readyz"); status != http.StatusOK || !strings.Contains(body, `"node": "ok"`) {
		t.Errorf("ready: %d %s", status, body)
	}
	if body := get(t, base+"/metrics"); !strings.Contains(body, "\ncountersign_node_lease_held 1\n") {
		t.Error("the metrics do not say that the lease is held")
	}
	list, err := w.app.Store().Nodes(t.Context())
	if err != nil || len(list) != 1 || !list[0].Alive || list[0].Until.Sub(list[0].Seen).Round(time.Millisecond) != 3*time.Second {
		t.Errorf("the lease is not as configured: %+v, %v", list, err)
	}
	e := audit.Event{At: time.Now(), Kind: audit.AdminChanged, Actor: "test", Object: "node gate-1"}
	if err := w.app.Store().Drain(t.Context(), "gate-1", true, e); err != nil {
		t.Fatal(err)
	}
	var only node.Node
	until(t, "the node to be drained", func() bool {
		list, err := w.app.Store().Nodes(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		only = list[0]
		return only.State == node.Drained
	})
	if only.Alive || only.Version != "test" || only.Address != "gate.example.org" || only.Queued != 0 {
		t.Errorf("got %+v", only)
	}
	if status, body := answerOf(t, base+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "drained") {
		t.Errorf("a drained node is ready: %d %s", status, body)
	}
	if status, _ := answerOf(t, base+"/healthz"); status != http.StatusOK {
		t.Errorf("a drained node is not healthy: %d", status)
	}
	if c, err := net.Dial("tcp", w.app.Addresses()["submissions"]); err == nil {
		c.Close()
		t.Error("a drained node still accepts")
	}
	if err := w.app.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestClockOfANode: a gate whose clock is far from the database's says so, one
// whose clock is farther does not start and leaves nothing behind.
func TestClockOfANode(t *testing.T) {
	cluster := shared.Cluster(t)
	url := cluster.Database(t)
	gate := func(id string, off time.Duration) (*App, *lines) {
		log := &lines{}
		w := &world{t: t, dir: t.TempDir()}
		w.path = w.dir + "/countersign.toml"
		hop, err := sink.Listen("127.0.0.1:0", func(sink.Message) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { hop.Close() })
		w.hop = hop
		a, err := New(w.configure(onPostgres(url, id)), Options{Version: "test", Stderr: log, Now: func() time.Time { return time.Now().Add(off) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Stop(context.Background()) })
		return a, log
	}
	wrong, _ := gate("wrong", -75*time.Second)
	err := wrong.Start(t.Context())
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "behind the database's") {
		t.Errorf("a gate whose clock is 75 s late starts: %v", err)
	}
	odd, log := gate("odd", 5*time.Second)
	if err := odd.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "ahead of the database's") {
		t.Error("the log does not say that the clock is off")
	}
	until(t, "the others to know", func() bool {
		list, err := odd.Store().Nodes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range list {
			if n.ID == "wrong" {
				t.Fatalf("the gate that did not start is listed: %+v", n)
			}
			if n.ID == "odd" && n.Skew > 4*time.Second {
				return true
			}
		}
		return false
	})
}
