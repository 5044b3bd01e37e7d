package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/queue"
	"countersign/internal/sink"
	"countersign/internal/testkit"
)

// TestAlignmentOfAGate: what the configuration says of mail that will fail DMARC is done,
// and changes with a reload.
func TestAlignmentOfAGate(t *testing.T) {
	d := testkit.NewDNS(t)
	d.Add(`_dmarc.` + string(testkit.Domain) + `. 60 IN TXT "v=DMARC1\; p=quarantine"`)
	extra := func(alignment string) string {
		return fmt.Sprintf("[dns]\nservers = [%q]\n[delivery]\nenabled = false\n[alignment]\naddresses = [\"192.0.2.1\"]\nwait = \"10s\"\n%s\n", d.Addr(), alignment)
	}
	w := newWorld(t, extra(`action = "refuse"`), func(sink.Message) error { return nil })
	message := "From: <" + testLogin + ">\r\n\r\nx\r\n"
	_, err := w.send(message)
	if err == nil || !strings.HasPrefix(err.Error(), "550 5.7.26 ") || !strings.Contains(err.Error(), " p=MII") {
		t.Errorf("%v, want 550 5.7.26 whose last line is the key to publish", err)
	}
	w.reload(extra("action = \"refuse\"\nhold_for = [\"" + string(testkit.Domain) + "\"]"))
	id, err := w.send(message)
	if err != nil {
		t.Fatal(err)
	}
	items, err := w.app.Store().List(t.Context(), queue.Filter{Submission: id})
	if err != nil || len(items) != 1 || items[0].Delivery.State != queue.Held || items[0].Delivery.HoldReason != queue.HoldAlignment {
		t.Errorf("%+v, %v: want it held", items, err)
	}
	events, err := w.app.Store().Search(t.Context(), audit.Query{Submission: id})
	if err != nil || !slices.ContainsFunc(events, func(e audit.Event) bool { return e.Kind == audit.Unaligned && e.Data["action"] == "hold" }) {
		t.Errorf("%+v, %v: want a warning", events, err)
	}
	w.reload(extra(`action = "off"`))
	if id, err = w.send(message); err != nil {
		t.Fatal(err)
	}
	if items, err = w.app.Store().List(t.Context(), queue.Filter{Submission: id}); err != nil || items[0].Delivery.State != queue.Queued {
		t.Errorf("%+v, %v: want it queued", items, err)
	}
	by := admin.New(admin.Options{Store: w.app.store, Actor: "test"})
	for _, set := range []account.Alignment{account.AlignmentRefuse, ""} {
		if err := by.SetDomainAlignment(t.Context(), testkit.Domain, set); err != nil {
			t.Fatal(err)
		}
		w.until("what is set for the domain to be felt", func() bool {
			_, err := w.send(message)
			return set == "" && err == nil || set != "" && err != nil && strings.HasPrefix(err.Error(), "550 5.7.26 ")
		})
	}
}

// TestAlignmentWithoutAddresses: a domain without an SPF record and without its key passes from
// nowhere, so that its mail is refused also where it is not configured where mail comes from.
func TestAlignmentWithoutAddresses(t *testing.T) {
	d := testkit.NewDNS(t)
	d.Add(`_dmarc.` + string(testkit.Domain) + `. 60 IN TXT "v=DMARC1\; p=reject"`)
	extra := fmt.Sprintf("[dns]\nservers = [%q]\n[delivery]\nenabled = false\n[alignment]\naction = \"refuse\"\nwait = \"10s\"\n", d.Addr())
	w := newWorld(t, extra, func(sink.Message) error { return nil })
	_, err := w.send("From: <" + testLogin + ">\r\n\r\nx\r\n")
	if err == nil || !strings.HasPrefix(err.Error(), "550 5.7.26 ") {
		t.Errorf("%v, want 550 5.7.26", err)
	}
}
