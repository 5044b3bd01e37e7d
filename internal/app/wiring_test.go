package app

import (
	"errors"
	"strings"
	"testing"
	"time"

	"countersign/internal/loadgen"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/sink"
)

// shown is a message whose display name shows an address of somebody else.
const shown = "From: \"x@elsewhere.example\" <" + testLogin + ">\r\n\r\nx\r\n"

// send submits one message.
func (w *world) send(message string) (mail.ID, error) {
	w.t.Helper()
	return loadgen.SendOne(w.t.Context(), w.load(1, 1), []byte(message))
}

// reload takes a configuration with extra at its end.
func (w *world) reload(extra string) {
	w.t.Helper()
	if _, err := w.app.Reload(w.t.Context(), w.configure(extra)); err != nil {
		w.t.Fatal(err)
	}
}

// TestRulesAreThoseOfTheConfiguration: limits and message rules are in force
// from the start, and change with a reload.
func TestRulesAreThoseOfTheConfiguration(t *testing.T) {
	const strict = "[session]\nmax_recipients = 1\n" // addresses in names are checked anyway
	w := newWorld(t, strict, func(sink.Message) error { return nil })
	check := func(when string, wantStrict bool) {
		t.Helper()
		if _, err := w.send(shown); (err != nil) != wantStrict || wantStrict && !strings.HasPrefix(err.Error(), "550 5.7.1 ") {
			t.Errorf("%s: an address in a name: %v", when, err)
		}
		o := w.load(1, 1)
		o.To = []string{"b@example.com", "c@example.com"}
		if res, err := loadgen.Run(t.Context(), o); err != nil || (res.Rejections["452"] != 0) != wantStrict {
			t.Errorf("%s: two recipients: %+v, %v", when, res, err)
		}
	}
	check("at the start", true)
	w.reload("[message]\naddresses_in_names = \"allow\"\n")
	check("after a reload", false)
	w.reload(strict)
	check("after another", true)
}

// TestPasswordsAreHashedAsConfigured looks into the store.
func TestPasswordsAreHashedAsConfigured(t *testing.T) {
	w := newWorld(t, "[auth]\nhash_memory = \"8MiB\"\nhash_iterations = 3\nhash_parallelism = 2\n", func(sink.Message) error { return nil })
	acc, err := w.app.Store().Account(t.Context(), testLogin)
	if err != nil || !strings.Contains(acc.Password().Secret.Hash, "$m=8192,t=3,p=2$") {
		t.Errorf("hashed as %q (%v)", acc.Password().Secret.Hash, err)
	}
}

// TestReloadTakesRoutes: the next message goes the new way.
func TestReloadTakesRoutes(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return errors.New("the old way was taken") })
	arrived := make(chan string, 10)
	other, err := sink.Listen("127.0.0.1:0", func(m sink.Message) error { arrived <- m.From; return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	w.hop = other
	w.reload("")
	if _, err := w.send("From: <" + testLogin + ">\r\n\r\nx\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case from := <-arrived:
		if from != testLogin {
			t.Errorf("arrived from %s", from)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing came the new way")
	}
}

// TestReloadTakesRetryTimes: a delivery that fails waits as the new
// configuration says, and is given up when the new one says.
func TestReloadTakesRetryTimes(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return errors.New("not now") })
	w.reload("[queue]\nretry = [\"7h\"]\nlifetime = \"30d\"\n")
	start := time.Now()
	id, err := w.send("From: <" + testLogin + ">\r\n\r\nx\r\n")
	if err != nil {
		t.Fatal(err)
	}
	items := w.deferred(id)
	wait, life := items[0].Delivery.Next.Sub(start), items[0].Submission.Expires.Sub(start)
	// The schedule may spread a wait by a part of it.
	if wait < 5*time.Hour || wait > 9*time.Hour || life < 30*24*time.Hour-time.Minute || life > 30*24*time.Hour+time.Minute {
		t.Errorf("tried again after %v, given up after %v", wait, life)
	}
}

// deferred waits until a delivery of the submission has failed for now.
func (w *world) deferred(id mail.ID) []queue.Item {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(10 * time.Second)
	for {
		items, err := w.app.Store().List(w.t.Context(), queue.Filter{Submission: id})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(items) == 1 && items[0].Delivery.Attempts > 0 {
			return items
		}
		select {
		case <-tick.C:
		case <-end:
			w.t.Fatalf("no attempt was made: %+v", items)
		}
	}
}
