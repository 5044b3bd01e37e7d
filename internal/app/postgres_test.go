package app

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"countersign/internal/audit"
	"countersign/internal/loadgen"
	"countersign/internal/mail"
	"countersign/internal/sink"
	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
)

// TestGateOnPostgres runs a gate whose store is a PostgreSQL database that wants
// a password: mail is accepted and delivered, a suspension is felt, everything
// stands in the record, and the gate survives a restart of the database.
func TestGateOnPostgres(t *testing.T) {
	const secret = "of the gate"
	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true, Password: secret})
	password := filepath.Join(t.TempDir(), "store.password")
	if err := os.WriteFile(password, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := strings.Replace(cluster.Database(t), pgcluster.Role+":of%20the%20gate@", pgcluster.Role+"@", 1)
	arrived := make(chan struct{}, 20)
	w := newWorld(t, fmt.Sprintf("[store]\nurl = %q\npassword_file = %q\n", url, password),
		func(sink.Message) error { arrived <- struct{}{}; return nil })
	send := func(want int) {
		t.Helper()
		res, err := loadgen.Run(t.Context(), w.load(3, 1))
		if err != nil || res.Accepted != want {
			t.Fatalf("%+v, %v", res, err)
		}
		for range want {
			<-arrived
		}
	}
	send(3)

	if metrics := get(t, "http://"+w.app.Addresses()["metrics"]+"/metrics"); !strings.Contains(metrics, `countersign_store_dead_rows{table="delivery"}`) {
		t.Error("the dead rows of the queue are not counted")
	}
	ready := "http://" + w.app.Addresses()["metrics"] + "/readyz"
	get(t, ready)
	cluster.Stop(t, pgcluster.Immediate)
	resp, err := http.Get(ready)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without its database the gate is ready: %s", resp.Status)
	}
	cluster.Start(t)
	get(t, ready)
	send(3)

	address, err := mail.ParseAddress(testLogin)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.app.Admin("test").SuspendAccount(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	if res, err := loadgen.Run(t.Context(), w.load(1, 1)); err == nil && res.Accepted > 0 {
		t.Errorf("a suspended account sends: %+v", res)
	}
	var delivered []audit.Event
	deadline := time.Now().Add(time.Minute)
	for len(delivered) < 6 && time.Now().Before(deadline) { // reported after the answer to the other side
		delivered, err = w.app.Store().Search(t.Context(), audit.Query{Kind: audit.DeliveryDelivered})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(delivered) != 6 {
		t.Fatalf("the record has %d deliveries", len(delivered))
	}
	story, err := w.app.Store().Search(t.Context(), audit.Query{Submission: delivered[0].Submission})
	if err != nil || len(story) != 2 || story[0].Kind != audit.Accepted {
		t.Errorf("the story of a message is %+v, %v", story, err)
	}
}

// BenchmarkAcceptOnPostgres is BenchmarkAccept with a PostgreSQL database on a
// server of its own, which is as durable as one is by default.
func BenchmarkAcceptOnPostgres(b *testing.B) {
	cluster := pgcluster.Start(b, pgcluster.Options{Settings: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB"}})
	benchAccept(b, fmt.Sprintf("[store]\nurl = %q\n", cluster.Database(b)))
}

// TestStoreOptionsReachTheDatabase opens a store with two connections and a patience of
// a second: many questions at once have no more, and a database that is away is
// given up after that time.
func TestStoreOptionsReachTheDatabase(t *testing.T) {
	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
	url := cluster.Database(t)
	w := &world{t: t, dir: t.TempDir()}
	w.path = filepath.Join(w.dir, "countersign.toml")
	hop, err := sink.Listen("127.0.0.1:0", func(sink.Message) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	w.hop = hop
	s, err := OpenStore(t.Context(), w.configure(fmt.Sprintf("[store]\nurl = %q\nconnections = 2\npatience = \"1s\"\n", url)), false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	watcher, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	// connections asks many questions at once, of a kind that does not share one answer, and
	// says how many connections there are then. Where the first is quick, it may have
	// answered all before there is a second.
	connections := func() (open int) {
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 20 {
					if _, err := s.Uses(t.Context(), "nobody@example.org", 1); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		const text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'countersign'"
		if err := watcher.QueryRow(t.Context(), text).Scan(&open); err != nil {
			t.Fatal(err)
		}
		return open
	}
	testkit.Until(t, "there are two connections", func() bool { return connections() >= 2 })
	for range 5 {
		if open := connections(); open != 2 {
			t.Errorf("%d connections", open)
		}
	}
	if err := watcher.Close(t.Context()); err != nil {
		t.Error(err)
	}
	cluster.Stop(t, pgcluster.Immediate)
	began := time.Now()
	_, err = s.Generation(t.Context())
	if took := time.Since(began); err == nil || took < time.Second || took >= 5*time.Second { // which it is without the option
		t.Errorf("given up after %v: %v", took, err)
	}
}
