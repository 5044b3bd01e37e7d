package postgres

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"countersign/internal/access/list"
	"countersign/internal/access/list/book"
	"countersign/internal/audit"
	"countersign/internal/feed"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

// TestListsAreFeltElsewhere: an entry that one node adds or removes is felt on another within a
// second, also one of which it was not told.
func TestListsAreFeltElsewhere(t *testing.T) {
	k := newBookkeeper(t, feed.Options{})
	b := book.New(nil)
	follower := book.Follow(k.far.Store, b, feed.Options{})
	if err := follower.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	go follower.Run(t.Context())
	felt := func(client string, denied bool, since time.Time) {
		t.Helper()
		q := list.Question{Place: list.Place{Client: netip.MustParseAddr(client)}}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for b.Decide(q).Denied != denied {
			<-tick.C
			if time.Since(since) > 10*time.Second {
				t.Fatalf("%s is never denied = %v", client, denied)
			}
		}
		if took := time.Since(since); took > time.Second {
			t.Errorf("felt after %v", took)
		}
	}
	for n := range 3 {
		now := time.Now().UTC().Truncate(time.Microsecond)
		e := list.Entry{
			ID: mail.ID(fmt.Sprintf("01K%023d", n+1)), What: list.What{Prefix: netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", n))},
			Reason: "x", By: "cli:test", Start: now,
		}
		if err := k.here.AddEntry(t.Context(), e, tenant.Bound{}, e.Event(audit.AccessAdded, now, "cli:test", "x")); err != nil {
			t.Fatal(err)
		}
		client := fmt.Sprintf("10.0.%d.7", n)
		felt(client, true, time.Now())
		if n == 2 {
			k.here.change("UPDATE access_entry SET ends = 1, lifted = 'x', change = change + 1 WHERE id = '" + string(e.ID) + "'") // of which nobody is told
		} else if err := k.here.RemoveEntry(t.Context(), e.ID, now.Add(time.Millisecond), "cli:test", e.Event(audit.AccessRemoved, now, "cli:test", "")); err != nil {
			t.Fatal(err)
		}
		felt(client, false, time.Now())
	}
}
