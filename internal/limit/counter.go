package limit

import (
	"time"

	"countersign/internal/limit/cells"
)

// Counter is what was counted of one subject, as far as some window still sees it, or will
// see it: what goes later is counted at the time at which it goes. The zero value has
// counted nothing. It is used by one goroutine at a time.
type Counter struct{ counted cells.Counted }

// Decode reads what AppendBinary has written; nothing is a counter that has counted
// nothing. Errors are fault.Corrupt.
func Decode(b []byte) (*Counter, error) {
	c := &Counter{}
	if err := c.counted.Decode(b); err != nil {
		return nil, err
	}
	return c, nil
}

// AppendBinary appends the stored form.
func (c *Counter) AppendBinary(b []byte) []byte { return c.counted.AppendBinary(b) }

// Count counts amounts at a moment in some windows, and forgets what no window sees any
// more that ends now or later.
func (c *Counter) Count(amounts Amounts, in Windowed, at, now time.Time) {
	c.Forget(now)
	if amounts == (Amounts{}) {
		return
	}
	for w := range spanned {
		if in.Has(w) {
			c.counted.Add(int(w), cells.Amounts(amounts), at)
		}
	}
}

// Forget forgets what no window sees any more that ends at that moment or later.
func (c *Counter) Forget(at time.Time) { c.counted.Forget(at) }

// Empty reports whether there is nothing that any window sees.
func (c *Counter) Empty() bool { return c.counted.Empty() }

// Ends is from when on no window sees anything of what was counted.
func (c *Counter) Ends() time.Time { return c.counted.Ends() }

// Bury forgets holders that are there no more.
func (c *Counter) Bury(alive func(string) bool) { c.counted.Bury(alive) }

// Hold notes that a process holds so many more, or fewer where by is negative.
func (c *Counter) Hold(name string, by int64, at time.Time) { c.counted.Hold(name, by, at) }

// Occupy notes that a process holds so many, none where n is negative.
func (c *Counter) Occupy(name string, n int64, at time.Time) { c.counted.Occupy(name, n, at) }

// warn reports whether somebody is to be told that a window is nearly used up, which is
// done once in a window.
func (c *Counter) warn(l Limit, at time.Time) bool {
	return !c.counted.Told(int(l.Window), int(l.Measure), at)
}

// warned notes that they were told.
func (c *Counter) warned(l Limit, at time.Time) {
	c.counted.Tell(int(l.Window), int(l.Measure), at)
}

// Used returns the most of a measure that any window has seen, or will see, that contains a
// moment: where nothing lies ahead, that is the one which ends then. AtOnce it is what is held; of
// a window that is Passing, nothing.
func (c *Counter) Used(w Window, m Measure, at time.Time) int64 {
	switch {
	case w == AtOnce:
		return c.counted.Held()
	case !w.Lasts():
		return 0
	}
	return c.counted.Most(int(w), int(m), at)
}

// below reports whether all that any window sees is no more than most: so it is of nearly all limits, and
// then no window need be looked at. False says nothing.
func (c *Counter) below(w Window, m Measure, most int64) bool {
	return w.Lasts() && c.counted.Sum(int(w), int(m)) <= most
}

// far reports whether there is room for so much more within a limit, as below does.
func (c *Counter) far(l Limit, more int64) bool {
	switch l.Measure {
	case FailedShare:
		return c.below(l.Window, FailedRecipients, max(l.Least, 1)-1)
	case FailedRecipients:
		return c.below(l.Window, l.Measure, max(l.Max, 1)-1)
	}
	return c.below(l.Window, l.Measure, l.Max-more)
}

// RoomAt returns from when on a limit has room for so much of its measure, provided that
// nothing else is counted: at itself where it has now, ok false where it never has. Of what does
// not last nobody knows: at itself.
func (c *Counter) RoomAt(l Limit, want int64, at time.Time) (from time.Time, ok bool) {
	if want > l.Max {
		return time.Time{}, false
	}
	if !l.Window.Lasts() {
		return at, true // nobody knows when somebody goes
	}
	room := func(at time.Time) bool { return c.Used(l.Window, l.Measure, at) <= l.Max-want }
	if room(at) {
		return at, true
	}
	for from, amounts := range c.counted.Leaving(int(l.Window), at) {
		if amounts[l.Measure] > 0 && room(from) {
			return from, true
		}
	}
	return time.Time{}, false // not reached: without all cells nothing is used
}
