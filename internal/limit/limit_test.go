package limit

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/internal/fault"
)

// all are all windows.
const all = Windowed(1<<spanned - 1)

// counted is one thing that the slow model has counted.
type counted struct {
	at     time.Time
	amount int64
}

// model counts exactly, by looking at everything.
type model []counted

// within sums what was counted after from, until to.
func (m model) within(from, to time.Time) (sum int64) {
	for _, c := range m {
		if c.at.After(from) && !c.at.After(to) {
			sum += c.amount
		}
	}
	return sum
}

// TestNeverMore: whatever comes when, no window of any place has more than the limit, and
// what an exact count of a window that is longer by one cell has room for is not refused.
func TestNeverMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limit{Measure: Recipients, Window: Window(rapid.IntRange(0, int(spanned)-1).Draw(t, "window")), Max: rapid.Int64Range(0, 20).Draw(t, "max"), Action: Defer}
		span, cell := l.Window.Span()
		// Around a day on which clocks are put forward, and far from it.
		now := time.Date(2026, 3, 29, 0, 59, 59, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, int64(cell)).Draw(t, "start")))
		c, m := &Counter{}, model{}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(span)/6).Draw(t, "pause")))
			n := rapid.Int64Range(1, 7).Draw(t, "amount")
			level := []Level{{Subject{Account, "a@example.org"}, []Limit{l}, c}}
			d := Decide(level, Amounts{Recipients: n}, 80, now)
			if d.Passes() {
				Count(level, Amounts{Recipients: n}, &d)
				m = append(m, counted{now, n})
				if got := m.within(now.Add(-span), now); got > l.Max {
					t.Fatalf("%d within %v at %v, limit %v", got, span, now, l)
				}
				continue
			}
			if m.within(now.Add(-span-cell), now)+n <= l.Max {
				t.Fatalf("refused %d at %v although no more than %d were sent within %v", n, now, m.within(now.Add(-span-cell), now), span+cell)
			}
			wantRoom(t, c, l, n, now, d.Decisive.Room)
		}
	})
}

// wantRoom fails unless there is room from that moment on, and none before.
func wantRoom(t *rapid.T, c *Counter, l Limit, n int64, now, room time.Time) {
	if n > l.Max {
		if !room.IsZero() {
			t.Fatalf("%d of %v has room at %v", n, l, room)
		}
		return
	}
	if !room.After(now) {
		t.Fatalf("room at %v, which is not after %v", room, now)
	}
	if used := c.Used(l.Window, l.Measure, room); used+n > l.Max {
		t.Fatalf("no room at %v: %d used", room, used)
	}
	if before := room.Add(-time.Second); !before.Before(now) {
		if used := c.Used(l.Window, l.Measure, before); used+n <= l.Max {
			t.Fatalf("room is promised for %v, and is there at %v", room, before)
		}
	}
}

// TestAllOrNothing: one level without room leaves all as they were, and the client is told
// of that which has room last.
func TestAllOrNothing(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 30, 0, time.UTC)
	levels := []Level{
		{Subject{Account, "a@example.org"}, []Limit{{Recipients, Hour, 10, Defer, false, 0, 0, 0, false}, {Recipients, Day, 20, Defer, false, 0, 0, 0, false}}, &Counter{}},
		{Subject{Domain, "example.org"}, []Limit{{Messages, Hour, 2, Defer, false, 0, 0, 0, false}}, &Counter{}},
		{Subject{Customer, "acme"}, []Limit{{Bytes, Month, 1 << 20, Hold, false, 0, 0, 0, false}, {Messages, Minute, 1, Refuse, true, 0, 0, 0, false}}, &Counter{}},
	}
	one := Amounts{Messages: 1, Recipients: 10, Bytes: 1000}
	d := Decide(levels, one, 0, now)
	if !d.Passes() || d.Over != nil {
		t.Fatalf("the first: %+v", d)
	}
	Count(levels, one, &d)
	d = Decide(levels, one, 0, now.Add(2*time.Minute))
	if d.Passes() || len(d.Over) != 1 || d.Decisive.Subject.Kind != Account || d.Decisive.Limit.Window != Hour ||
		d.Decisive.Used != 10 || d.Decisive.Want != 10 || !d.Decisive.Room.Equal(time.Date(2026, 11, 26, 13, 1, 0, 0, time.UTC)) {
		t.Fatalf("the second: %+v", d)
	}
	if used := levels[1].Counter.Used(Hour, Messages, now); used != 1 {
		t.Errorf("a decision has counted: %d", used)
	}
	// Within the same minute one in shadow is over too, which decides nothing.
	d = Decide(levels, Amounts{Messages: 1, Recipients: 1}, 0, now)
	if d.Passes() || len(d.Over) != 2 || d.Decisive.Subject.Kind != Account {
		t.Fatalf("in the same minute: %+v", d)
	}
	if d = Decide(levels, Amounts{Messages: 1}, 0, now); !d.Passes() || d.Decisive != nil || len(d.Over) != 1 || !d.Over[0].Limit.Shadow {
		t.Fatalf("shadow alone: %+v", d)
	}
	// The strictest action decides, and of those the one that never has room.
	d = Decide(levels, Amounts{Messages: 1, Recipients: 21, Bytes: 2 << 20}, 0, now.Add(3*time.Minute))
	if d.Passes() || len(d.Over) != 3 || d.Decisive.Subject.Kind != Account || !d.Decisive.Room.IsZero() {
		t.Fatalf("far too much: %+v", d)
	}
	if d = Decide(levels, Amounts{Bytes: 2 << 20}, 0, now.Add(2*time.Minute)); !d.Passes() || d.Decisive == nil || d.Decisive.Limit.Action != Hold {
		t.Fatalf("held: %+v", d)
	}
	if d = Decide(levels, Amounts{}, 0, now); d.Over != nil {
		t.Errorf("nothing at all is over %+v", d.Over)
	}
}

// TestLargest: sums stay at the largest number.
func TestLargest(t *testing.T) {
	c, now := &Counter{}, time.Unix(0, 0)
	l := Limit{Measure: Bytes, Window: Day, Max: math.MaxInt64}
	for range 3 {
		c.Count(Amounts{Bytes: math.MaxInt64 / 2}, all, now, now)
	}
	if used := c.Used(Day, Bytes, now); used != math.MaxInt64 {
		t.Errorf("%d used", used)
	}
	if d := Decide([]Level{{Subject{}, []Limit{l}, c}}, Amounts{Bytes: 1}, 0, now); d.Decisive == nil {
		t.Error("one more than the largest number passes")
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Limit{
		"recipients/hour=100":             {Recipients, Hour, 100, Defer, false, 0, 0, 0, false},
		"messages/minute=0":               {Messages, Minute, 0, Defer, false, 0, 0, 0, false},
		"bytes/month=3GiB":                {Bytes, Month, 3 << 30, Defer, false, 0, 0, 0, false},
		"failed-recipients/day=9":         {FailedRecipients, Day, 9, Defer, false, 0, 0, 0, false},
		"bytes/day=9223372036854775807":   {Bytes, Day, math.MaxInt64, Defer, false, 0, 0, 0, false},
		"new-recipients/day=1":            {NewRecipients, Day, 1, Defer, false, 0, 0, 0, false},
		"messages/day=007":                {Messages, Day, 7, Defer, false, 0, 0, 0, false},
		"messages/connection=50":          {Messages, PerConnection, 50, Defer, false, 0, 0, 0, false},
		"recipients/connection=500":       {Recipients, PerConnection, 500, Defer, false, 0, 0, 0, false},
		"bytes/connection=1GiB":           {Bytes, PerConnection, 1 << 30, Defer, false, 0, 0, 0, false},
		"bytes/day=10MB":                  {Bytes, Day, 10_000_000, Defer, false, 0, 0, 0, false},
		"bytes/day=1gb":                   {Bytes, Day, 1_000_000_000, Defer, false, 0, 0, 0, false},
		"bytes/day=2mib":                  {Bytes, Day, 2 << 20, Defer, false, 0, 0, 0, false},
		"bytes/month=1TB":                 {Bytes, Month, 1_000_000_000_000, Defer, false, 0, 0, 0, false},
		"bytes/minute=3KB":                {Bytes, Minute, 3000, Defer, false, 0, 0, 0, false},
		"recipients/message=100":          {Recipients, PerMessage, 100, Defer, false, 0, 0, 0, false},
		"bytes/message=25MiB":             {Bytes, PerMessage, 25 << 20, Defer, false, 0, 0, 0, false},
		"recipients/month=10000000000000": {Recipients, Month, 10_000_000_000_000, Defer, false, 0, 0, 0, false},
	} {
		l, err := Parse(text)
		if err != nil || l != want {
			t.Errorf("%s: %+v, %v", text, l, err)
		}
		if again, err := Parse(l.String()); err != nil || again != l {
			t.Errorf("%s becomes %s, which is %+v, %v", text, l, again, err)
		}
	}
	for _, text := range []string{
		"", "=", "/", "messages", "messages/hour", "messages=1", "messages/hour=", "messages/hour=-1", "messages/hour=+1", "messages/hour=1.5",
		"messages/hour=1e3", "messages/hour=9223372036854775808", "bytes/hour=9007199254740992KiB", "messages/hour=1KiB", "bytes/hour=KiB", "bytes/hour=MB", "bytes/hour=+1MB", "bytes/hour=9223373TB", "bytes/hour=1XB", "recipients/hour=1KB", "mail/hour=1",
		"messages/week=1", "messages/hour=1 ", " messages/hour=1", "Messages/hour=1", "messages/hour/day=1", "messages/hour=1=2",
		"messages/message=1", "connections/message=1", "connections/connection=1", "new-recipients/message=1", "failed-recipients/connection=1", "failed-share/connection=1",
		"bytes/message=-1", "bytes/message=9223372036854775808", "bytes/message=8388608TiB", "recipients/message=1MiB", "recipients/messages=1", "messages/at-once=1",
	} {
		if l, err := Parse(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %+v, %v", text, l, err)
		}
	}
	if _, err := Parse("bytes/day=10XB"); !strings.Contains(fault.DetailOf(err, fault.Invalid), `"10XB" in "bytes/day=10XB" is not a number from 0 to 9223372036854775807, with a unit or without: 500MB, 25MiB`) {
		t.Error(err)
	}
	for i, name := range actionNames {
		if a, err := ParseAction(name); err != nil || a != Action(i) || a.String() != name {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
	for i, name := range kindNames {
		if k, err := ParseKind(name); err != nil || k != Kind(i) || k.String() != name {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
	if _, err := ParseAction("drop"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := ParseKind(""); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func BenchmarkDecideAndCount(b *testing.B) {
	c, now := &Counter{}, time.Unix(1_800_000_000, 0)
	levels := []Level{{Subject{}, []Limit{{Recipients, Hour, math.MaxInt64, Defer, false, 0, 0, 0, false}, {Messages, Day, math.MaxInt64, Defer, false, 0, 0, 0, false}}, c}}
	for b.Loop() {
		now = now.Add(7 * time.Second)
		d := Decide(levels, Amounts{1, 1, 4096}, 80, now)
		Count(levels, Amounts{1, 1, 4096}, &d)
	}
}
