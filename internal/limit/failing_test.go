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

// TestHolders: what is held is counted by holder, stored and read, and forgotten of those that
// are not alive.
func TestHolders(t *testing.T) {
	c, at := &Counter{}, time.Unix(1_800_000_000, 0).UTC()
	c.Hold("1#1", 3, at)
	c.Hold("2#7", 2, at)
	c.Hold("1#1", -1, at)
	c.Hold("3#1", -1, at)
	read, err := Decode(c.AppendBinary(nil))
	if err != nil || read.Used(AtOnce, Connections, at) != 4 || read.Empty() || !read.Ends().After(at.Add(24*time.Hour)) {
		t.Fatalf("read is %+v (%v)", read, err)
	}
	read.Bury(func(name string) bool { return name != "1#1" })
	if n := read.Used(AtOnce, Connections, at); n != 2 {
		t.Errorf("%d are held", n)
	}
	read.Hold("2#7", -5, at)
	if !read.Empty() || len(read.holders) != 0 {
		t.Errorf("left is %+v", read.holders)
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
