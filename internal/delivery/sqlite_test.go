package delivery

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/delivery/route"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite"
	"countersign/internal/testkit"
)

// TestWithSQLite delivers over real sockets from the real store: inline and
// large bodies, a failure with its report, and what a restart finds.
func TestWithSQLite(t *testing.T) {
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "queue.db"), Server: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	b := newBench(t)
	m := &testkit.MX{Extensions: testkit.AllExtensions(), Script: func(s testkit.Step) testkit.Action {
		if s.At == "RCPT" && strings.Contains(s.Line, "nobody") {
			return testkit.Action{Say: "550 5.1.1 who"}
		}
		return testkit.Action{}
	}}
	address := mustAddrPort(m.Listen(t))
	b.opt.Store, b.opt.Dial = store, nil
	b.opt.Routes = []route.Route{{Domain: "*", Host: address.Addr().String(), Port: address.Port()}}
	put := func(a *queue.Acceptance, offer bool) {
		t.Helper()
		if err := store.Accept(context.Background(), a); err != nil {
			t.Fatal(err)
		}
		if offer {
			b.d.Offer(a)
		}
	}
	const before, after = 30, 200
	for range before { // as a crash leaves them
		put(b.letter("left@example.org"), false)
	}
	stop := b.start()
	for i := range after {
		put(b.letter(fmt.Sprintf("b%d@example.org", i)), true)
	}
	large := b.letter("large@example.org", "nobody@example.org")
	file, err := store.NewBody(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat(".a large body\r\n", 10_000)
	if _, err := file.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := file.Seal(); err != nil {
		t.Fatal(err)
	}
	large.Content.Body, large.Content.Large = nil, file
	large.Submission.Size += int64(len(text))
	large.Submission.Envelope.Return = mail.ReturnFull
	put(large, true)

	got := m.Wait(t, before+after+2)
	deadline, tick := time.NewTimer(10*time.Second), time.NewTicker(10*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		stats, err := store.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if stats.Queued+stats.Deferred == 0 {
			break
		}
		select {
		case <-deadline.C:
			t.Fatalf("left in the queue: %+v", stats)
		case <-tick.C:
		}
	}
	stop()
	if len(m.Received()) != before+after+2 {
		t.Errorf("%d messages, want %d", len(m.Received()), before+after+2)
	}
	if all, _ := m.Connections(); all > 20 {
		t.Errorf("%d connections", all)
	}
	whole, bounced := 0, 0
	for _, r := range got {
		if strings.HasSuffix(r.Data, "\r\n\r\n"+text) {
			whole++
		}
		if strings.Contains(r.Data, "Action: failed") && strings.Contains(r.Data, text) {
			bounced++
		}
	}
	if whole != 1 || bounced != 1 {
		t.Errorf("large message %d times, its report %d times; want each once", whole, bounced)
	}
}
