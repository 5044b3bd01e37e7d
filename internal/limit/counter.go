package limit

import (
	"math"
	"slices"
	"time"
)

// Counter is what was counted of one subject, as far as some window still sees it, or will
// see it: what goes later is counted at the time at which it goes. The zero value has
// counted nothing. It is used by one goroutine at a time.
type Counter struct {
	series [spanned]series
	// holders have something at once.
	holders []holder
}

// series has the cells of one window, the oldest first, and their sum.
type series struct {
	cells []cell
	sum   Amounts
	// warned is until when nobody is warned again of a measure, in seconds since 1970.
	warned [measures]int64
}

// cell is what was counted in the seconds from index times the window's cell on.
type cell struct {
	index   int64
	amounts Amounts
}

// since returns the sum of the cells from first on.
func (s *series) since(first int64) Amounts {
	if len(s.cells) == 0 || s.cells[0].index >= first {
		return s.sum
	}
	return total(s.cells, first)
}

// total adds up the cells from first on.
func total(cells []cell, first int64) (sum Amounts) {
	for _, k := range cells {
		if k.index >= first {
			sum = sum.Add(k.amounts)
		}
	}
	return sum
}

// fullest returns the most of a measure that any window has that begins in one of the cells
// from first to last, each with so many cells behind that one. What lies ahead is in some of
// them and not in others.
func (s *series) fullest(m Measure, first, last, behind int64) (most int64) {
	var sum int64
	from := 0
	for to := range s.cells {
		end := &s.cells[to]
		if end.index < first {
			from = to + 1
			continue
		}
		if end.index > last+behind {
			break
		}
		sum = plus(sum, end.amounts[m])
		for s.cells[from].index < end.index-behind {
			if sum == math.MaxInt64 { // what a sum is above the largest number it does not say
				return sum
			}
			sum -= s.cells[from].amounts[m]
			from++
		}
		most = max(most, sum)
	}
	return most
}

// indexOf returns the cell of a window that a moment is in.
func indexOf(w Window, at time.Time) int64 { return floor(at.Unix(), spans[w].cell) }

// floor divides downwards.
func floor(a, b int64) int64 {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

// firstOf returns the oldest cell that a window which ends at that moment sees: the one
// in which it begins counts as a whole.
func firstOf(w Window, at time.Time) int64 { return floor(at.Unix()-spans[w].window, spans[w].cell) }

// Count counts amounts at a moment in some windows, and forgets what no window sees any
// more that ends now or later.
func (c *Counter) Count(amounts Amounts, in Windowed, at, now time.Time) {
	c.Forget(now)
	if amounts == (Amounts{}) {
		return
	}
	for w := range spanned {
		if in.Has(w) {
			c.series[w].add(cell{indexOf(w, at), amounts})
		}
	}
}

// add adds a cell, or to one that is there. Where there are too many, the last two become
// one, which counts both for longer than they would.
func (s *series) add(k cell) {
	s.sum = s.sum.Add(k.amounts)
	at := len(s.cells)
	for at > 0 && s.cells[at-1].index >= k.index {
		at--
	}
	if at < len(s.cells) && s.cells[at].index == k.index {
		s.cells[at].amounts = s.cells[at].amounts.Add(k.amounts)
		return
	}
	s.cells = slices.Insert(s.cells, at, k)
	if last := len(s.cells) - 1; last >= maxCells {
		s.cells[last].amounts = s.cells[last].amounts.Add(s.cells[last-1].amounts)
		s.cells = slices.Delete(s.cells, last-1, last)
	}
}

// Forget forgets what no window sees any more that ends at that moment or later.
func (c *Counter) Forget(at time.Time) {
	for w := range spanned {
		s, first := &c.series[w], firstOf(w, at)
		gone := 0
		for gone < len(s.cells) && s.cells[gone].index < first {
			gone++
		}
		if gone > 0 {
			s.sum = s.since(first)
			s.cells = slices.Delete(s.cells, 0, gone)
		}
	}
}

// Empty reports whether there is nothing that any window sees.
func (c *Counter) Empty() bool {
	return len(c.holders) == 0 && !slices.ContainsFunc(c.series[:], func(s series) bool { return len(s.cells) > 0 })
}

// Ends is from when on no window sees anything of what was counted.
func (c *Counter) Ends() time.Time {
	last := int64(0)
	for w, s := range c.series {
		if n := len(s.cells); n > 0 {
			last = max(last, (s.cells[n-1].index+1)*spans[w].cell+spans[w].window)
		}
	}
	for _, h := range c.holders {
		last = max(last, h.at+int64(keepHolders.Seconds()))
	}
	return time.Unix(last, 0).UTC()
}

// warn reports whether somebody is to be told that a window is nearly used up, which is
// done once in a window.
func (c *Counter) warn(l Limit, at time.Time) bool {
	return c.series[l.Window].warned[l.Measure] <= at.Unix()
}

// warned notes that they were told.
func (c *Counter) warned(l Limit, at time.Time) {
	c.series[l.Window].warned[l.Measure] = at.Unix() + spans[l.Window].window
}

// Used returns the most of a measure that any window has seen, or will see, that contains a
// moment: where nothing lies ahead, that is the one which ends then. AtOnce it is what is held; of
// a window that is Passing, nothing.
func (c *Counter) Used(w Window, m Measure, at time.Time) int64 {
	switch {
	case w == AtOnce:
		return c.held()
	case !w.Lasts():
		return 0
	}
	return c.series[w].fullest(m, firstOf(w, at), indexOf(w, at), spans[w].window/spans[w].cell)
}

// below reports whether all that any window sees is no more than most: so it is of nearly all limits, and
// then no window need be looked at. False says nothing.
func (c *Counter) below(w Window, m Measure, most int64) bool {
	return w.Lasts() && c.series[w].sum[m] <= most
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
	first, span := firstOf(l.Window, at), spans[l.Window]
	for _, k := range c.series[l.Window].cells {
		if k.index < first || k.amounts[l.Measure] == 0 {
			continue
		}
		// It leaves when the window begins behind its end.
		if from = time.Unix((k.index+1)*span.cell+span.window, 0).UTC(); room(from) {
			return from, true
		}
	}
	return time.Time{}, false // not reached: without all cells nothing is used
}
