package limit

import (
	"strings"
	"testing"
	"time"
)

// TestFailedShare: a message passes while few have failed, or a small part, and again when the
// failures have left the window; what it brings itself does not matter.
func TestFailedShare(t *testing.T) {
	c, at := &Counter{}, time.Unix(1_800_000_000, 0).UTC()
	l := Limit{Measure: FailedShare, Window: Hour, Max: 20, Least: 3, Action: Defer}
	levels := []Level{{Subject: Subject{Account, "a@example.org"}, Limits: []Limit{l}, Counter: c}}
	want := Amounts{Messages: 1, Recipients: 1}
	fail := func(n int64) { c.Count(Amounts{FailedRecipients: n}, Windowed(0).And(Hour), at, at) }
	passes := func(in bool) *Breach {
		t.Helper()
		d := Decide(levels, want, 80, at)
		if d.Passes() != in {
			t.Fatalf("with %d failed it passes: %v", c.Used(Hour, FailedRecipients, at), !in)
		}
		return d.Decisive
	}
	c.Count(Amounts{Messages: 1, Recipients: 10}, Windowed(0).And(Hour), at, at)
	passes(true)
	fail(2) // a fifth, and too few
	passes(true)
	at = at.Add(10 * time.Minute)
	fail(1)
	b := passes(false)
	if text := b.Describe(); b.Used != 30 || !strings.HasPrefix(text, "20 percent of recipients failed in an hour for account a@example.org, 30 percent are, room from ") {
		t.Errorf("used %d: %s", b.Used, text)
	}
	c.Count(Amounts{Messages: 1, Recipients: 5}, Windowed(0).And(Hour), at, at)
	passes(true) // three of fifteen
	fail(1)
	b = passes(false)
	at = b.Room
	passes(true)
	if at = b.Room.Add(-2 * time.Second); c.share(Hour, at) <= 20 {
		t.Error("there was room before")
	}
	if got := Failing([]Level{{Limits: []Limit{l, {Measure: Messages}, {Measure: FailedRecipients}}}, {Limits: []Limit{{Measure: Bytes}}}}); len(got) != 1 || len(got[0].Limits) != 2 {
		t.Errorf("failing are %+v", got)
	}
}

// TestShareOfFailures: recipients that fail are counted for an account, which has no limit of its own
// of them, as it has a share of its domain's; not where that has none.
func TestShareOfFailures(t *testing.T) {
	at := time.Unix(1_800_000_000, 0).UTC()
	for share, fails := range map[int]bool{0: true, 25: false} {
		l := Limit{Measure: FailedRecipients, Window: Hour, Max: 8, Share: share, Action: Defer}
		levels := []Level{
			{Subject: Subject{Account, "a@example.org"}, Limits: []Limit{{Measure: Messages, Window: Hour, Max: 100}}, Counter: &Counter{}},
			{Subject: Subject{Domain, "example.org"}, Limits: []Limit{l}, Counter: &Counter{}},
		}
		failing := Failing(levels)
		if counted := len(failing) == 2; counted != (share > 0) || len(failing[0].Limits) > 1 {
			t.Errorf("with a share of %d failures count for %+v", share, failing)
		}
		for i := range failing {
			failing[i].Counter.Count(Amounts{FailedRecipients: 5}, Windowed(0).And(Hour), at, at)
		}
		if d := Decide(levels, Amounts{Messages: 1, Recipients: 1}, 80, at); d.Passes() != fails {
			t.Errorf("with a share of %d five failures of eight: %+v", share, d.Decisive)
		}
	}
}

func TestOfStore(t *testing.T) {
	account, domain := Subject{Account, "a@example.org"}, Subject{Domain, "example.org"}
	mixed := []Limit{{Measure: Connections}, {Measure: Messages, Share: 5}}
	got := OfStore([]Level{{Subject: account, Limits: []Limit{{Measure: Connections}}}, {Subject: domain, Limits: mixed}})
	if len(got) != 2 || len(got[0].Limits) != 0 || len(got[1].Limits) != 1 || len(mixed) != 2 || mixed[0].Measure != Connections {
		t.Errorf("got %+v", got) // the account stays for its share
	}
	if got := OfStore([]Level{{Subject: account, Limits: []Limit{{Measure: Connections}}}}); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	passing := []Limit{{Measure: Bytes, Window: PerMessage}, {Measure: Messages, Window: PerConnection}}
	levels := []Level{{Subject: account, Limits: passing}, {Subject: domain, Limits: append([]Limit{{Measure: Messages}}, passing...)}}
	if got := OfStore(levels); len(got) != 1 || got[0].Subject != domain || len(got[0].Limits) != 1 || got[0].Limits[0].Window != Minute {
		t.Errorf("for the store there are %+v", got)
	}
	if got := OfPassing(levels); len(got) != 2 || len(got[0].Limits) != 2 || len(got[1].Limits) != 2 {
		t.Errorf("for the session there are %+v", got)
	}
}
