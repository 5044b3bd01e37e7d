package cells

import (
	"slices"
	"testing"
	"time"

	"countersign/internal/fault"
)

// The places of what is counted here.
const (
	messages = iota
	recipients
	octets
	failed = 4
)

// The windows.
const (
	minute = iota
	hour
)

// count counts in all windows, and forgets what is seen no more.
func count(c *Counted, a Amounts, at time.Time) {
	c.Forget(at)
	for w := range Windows {
		c.Add(w, a, at)
	}
}

// used is what a window has of each measure.
func used(c *Counted, w int, at time.Time) (a Amounts) {
	for m := range a {
		a[m] = c.Most(w, m, at)
	}
	return a
}

// TestStored: what was written and read is the same, forgets, and does not grow beyond what
// windows see.
func TestStored(t *testing.T) {
	c, now := &Counted{}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	most := 0
	for i := range 5000 {
		now = now.Add(time.Duration(1+i%37) * time.Second)
		if i%1000 == 999 {
			now = now.Add(40 * time.Hour)
		}
		count(c, Amounts{messages: 1, recipients: int64(i % 3), octets: int64(i) << 10, failed: int64(i % 5 / 4)}, now)
		b := c.AppendBinary(nil)
		most = max(most, len(b))
		again := &Counted{}
		if err := again.Decode(b); err != nil {
			t.Fatal(err)
		}
		for w := range Windows {
			if used(again, w, now) != used(c, w, now) || !slices.Equal(again.rows[w].cells, c.rows[w].cells) {
				t.Fatalf("window %d: %v was written, %v read", w, c.rows[w], again.rows[w])
			}
		}
	}
	t.Logf("at most %d octets", most)
	if most > 5<<10 {
		t.Errorf("what was counted takes %d octets", most)
	}
	now = now.Add(30*24*time.Hour + 6*time.Hour)
	c.Forget(now)
	if !c.Empty() || len(c.AppendBinary(nil)) > 16 {
		t.Errorf("after a month there is left %v", c.rows)
	}
}

// TestClockPutBack: what is counted by a clock that was put back is not lost, nor counted
// out of order.
func TestClockPutBack(t *testing.T) {
	c, now := &Counted{}, time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	count(c, Amounts{messages: 1}, now)
	count(c, Amounts{messages: 1}, now.Add(-10*time.Minute))
	if used := c.Most(hour, messages, now); used != 2 {
		t.Errorf("%d counted, want 2", used)
	}
	if used := c.Most(hour, messages, now.Add(-10*time.Minute)); used != 2 {
		t.Errorf("%d counted by the clock that was put back, want 2", used)
	}
	if err := new(Counted).Decode(c.AppendBinary(nil)); err != nil {
		t.Error(err)
	}
}

// TestManyAhead: cells stay bounded when very much lies ahead, and never undercount.
func TestManyAhead(t *testing.T) {
	c, noon := &Counted{}, time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for i := range 10_000 {
		c.Forget(noon)
		for w := range Windows {
			c.Add(w, Amounts{messages: 1}, noon.Add(time.Duration(i*7919%86_400)*time.Second))
		}
	}
	if sum := c.Sum(minute, messages); sum != 10_000 {
		t.Errorf("%d are counted", sum)
	}
	for w, r := range c.rows {
		if len(r.cells) > maxCells {
			t.Errorf("window %d has %d cells", w, len(r.cells))
		}
	}
	again := &Counted{}
	if err := again.Decode(c.AppendBinary(nil)); err != nil || again.Most(minute, messages, noon) != c.Most(minute, messages, noon) {
		t.Errorf("it is read as another one: %v", err)
	}
}

// TestLeaving: each cell leaves when a window has gone by since its end, and what one has that
// was told of is told once in a window.
func TestLeaving(t *testing.T) {
	c, noon := &Counted{}, time.Date(2026, 11, 26, 12, 0, 30, 0, time.UTC)
	c.Add(hour, Amounts{messages: 1}, noon.Add(-2*time.Hour))
	c.Add(hour, Amounts{messages: 2}, noon)
	c.Add(hour, Amounts{recipients: 3}, noon.Add(5*time.Minute))
	var got []int64
	for at, amounts := range c.Leaving(hour, noon) {
		if left := c.Most(hour, messages, at); left != 0 || c.Most(hour, messages, at.Add(-time.Second)) != 2 && len(got) == 0 {
			t.Errorf("at %v there are %d", at, left)
		}
		got = append(got, at.Unix()-noon.Unix(), amounts[messages], amounts[recipients])
	}
	if want := []int64{3630, 2, 0, 3930, 0, 3}; !slices.Equal(got, want) {
		t.Errorf("left is %v, want %v", got, want)
	}
	c.Tell(hour, messages, noon)
	if !c.Told(hour, messages, noon.Add(time.Hour-time.Second)) || c.Told(hour, messages, noon.Add(time.Hour)) || c.Told(hour, recipients, noon) || c.Told(minute, messages, noon) {
		t.Error("who was told is not who was told")
	}
}

// TestHolders: what is held is counted by holder, stored and read, and forgotten of those that
// are not alive.
func TestHolders(t *testing.T) {
	c, at := &Counted{}, time.Unix(1_800_000_000, 0).UTC()
	c.Hold("1#1", 3, at)
	c.Hold("2#7", 2, at)
	c.Hold("1#1", -1, at)
	c.Hold("3#1", -1, at)
	read := &Counted{}
	if err := read.Decode(c.AppendBinary(nil)); err != nil || read.Held() != 4 || read.Empty() || !read.Ends().After(at.Add(24*time.Hour)) {
		t.Fatalf("read is %+v (%v)", read, err)
	}
	read.Bury(func(name string) bool { return name != "1#1" })
	if n := read.Held(); n != 2 {
		t.Errorf("%d are held", n)
	}
	read.Hold("2#7", -5, at)
	if !read.Empty() || len(read.holders) != 0 {
		t.Errorf("left is %+v", read.holders)
	}
}

// FuzzDecode: what is read is what would be written, and nothing panics.
func FuzzDecode(f *testing.F) {
	c := &Counted{}
	count(c, Amounts{messages: 1, octets: 1 << 40}, time.Unix(1_800_000_000, 0))
	count(c, Amounts{messages: 3, recipients: 4}, time.Unix(1_800_004_000, 0))
	f.Add(c.AppendBinary(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, again := &Counted{}, &Counted{}
		if err := c.Decode(b); err != nil {
			if !fault.Is(err, fault.Corrupt) {
				t.Fatal(err)
			}
			return
		}
		if err := again.Decode(c.AppendBinary(nil)); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		for w := range Windows {
			if !slices.Equal(c.rows[w].cells, again.rows[w].cells) {
				t.Fatalf("%v became %v", c.rows[w], again.rows[w])
			}
		}
		count(c, Amounts{messages: 1}, time.Unix(1_800_000_000, 0))
	})
}
