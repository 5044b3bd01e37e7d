package app

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/loadgen"
	"countersign/internal/mail"
	"countersign/internal/sink"
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
