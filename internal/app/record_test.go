package app

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"countersign/internal/audit"
	"countersign/internal/loadgen"
)

// newest waits for an event of that kind and returns the newest.
func newest(t *testing.T, s Store, kind audit.Kind) (e audit.Event) {
	t.Helper()
	until(t, string(kind), func() bool {
		found, err := s.Search(t.Context(), audit.Query{Kind: kind, Newest: true, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			e = found[0]
		}
		return len(found) > 0
	})
	return e
}

// reader opens the store of a gate once more, to look at it when the gate has gone.
func (w *world) reader(t *testing.T) Store {
	t.Helper()
	s, err := OpenStore(t.Context(), w.app.cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestTheRecordNamesTheNode: where gates share a database, the record tells which of
// them did what, that it lost its lease too, and the log says on which store it runs.
func TestTheRecordNamesTheNode(t *testing.T) {
	cluster := shared.Cluster(t)
	url := cluster.Database(t)
	log := &lines{}
	w := startWorldTo(t, log, onPostgres(url, "gate-1"))
	w.seed()
	if res, err := loadgen.Run(t.Context(), w.load(1, 1)); err != nil || res.Accepted != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	s := w.reader(t)
	newest(t, s, audit.DeliveryDelivered)
	if _, err := w.app.Reload(t.Context(), w.configure(onPostgres(url, "gate-1")+"[session]\nmax_recipients = 7\n")); err != nil {
		t.Fatal(err)
	}
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), "UPDATE node SET lease_until = 1"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if e := newest(t, s, audit.NodeLost); e.Text == "" {
		t.Error("nobody is told why the lease was lost")
	}
	if err := w.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []audit.Kind{
		audit.ServerStarted, audit.SessionOpened, audit.DeliveryDelivered, audit.ServerReloaded, audit.NodeLost, audit.ServerStopped,
	} {
		if e := newest(t, s, kind); e.Data["node"] != "gate-1" {
			t.Errorf("%s does not name the node: %v", kind, e.Data)
		}
	}
	if e := newest(t, s, audit.ServerStarted); e.Data["store"] != url {
		t.Errorf("the start was on %q, want %q", e.Data["store"], url)
	}
	if text := log.String(); !strings.Contains(text, "store="+url+" node=gate-1 ") && !strings.Contains(text, `store="`+url+`" node=gate-1 `) {
		t.Errorf("the log does not say which store and node:\n%s", text)
	}
}

// TestTheRecordOfOneGate: a gate on a file names that, and no node.
func TestTheRecordOfOneGate(t *testing.T) {
	log := &lines{}
	w := startWorldTo(t, log, "")
	path := filepath.Join(w.dir, "data", "countersign.db")
	e := newest(t, w.app.Store(), audit.ServerStarted)
	if _, has := e.Data["node"]; has || e.Data["store"] != path {
		t.Errorf("the start has %v", e.Data)
	}
	if text := log.String(); !strings.Contains(text, " store="+path+" ") || strings.Contains(text, " node=") {
		t.Errorf("the log has\n%s", text)
	}
}
