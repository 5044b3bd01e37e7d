package cells

import (
	"iter"
	"math"
	"slices"
	"time"
)

// Windows is how many windows there are, and Measures how many numbers are counted in each.
const (
	Windows  = 4
	Measures = 7
)

// Span is how long a window is, and how long each of its cells, in seconds; the one is a
// multiple of the other.
type Span struct{ Window, Cell int64 }

// spans are those of a minute, an hour, a day and a month.
var spans = [Windows]Span{
	{60, 1},
	{60 * 60, 60},
	{24 * 60 * 60, 15 * 60},
	{30 * 24 * 60 * 60, 6 * 60 * 60},
}

// SpanOf returns that of a window.
func SpanOf(w int) Span { return spans[w] }

// indexOf returns the cell that a moment is in.
func (s Span) indexOf(at time.Time) int64 { return Floor(at.Unix(), s.Cell) }

// firstOf returns the oldest cell that a window which ends at that moment sees: the one
// in which it begins counts as a whole.
func (s Span) firstOf(at time.Time) int64 { return Floor(at.Unix()-s.Window, s.Cell) }

// leaves returns when no window sees a cell any more: when it begins behind the end of that.
func (s Span) leaves(index int64) int64 { return (index+1)*s.Cell + s.Window }

// Floor divides downwards.
func Floor(a, b int64) int64 {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

// Amounts has a number for each measure; none is negative.
type Amounts [Measures]int64

// Add returns the sum, which stays below the largest number.
func (a Amounts) Add(b Amounts) Amounts {
	for i := range a {
		a[i] = Plus(a[i], b[i])
	}
	return a
}

// Plus adds what is not negative, up to the largest number.
func Plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Counted is what was counted of one subject, as far as some window still sees it, or will
// see it. The zero value has counted nothing. It is used by one goroutine at a time.
type Counted struct {
	rows [Windows]row
	// holders have something at once.
	holders []holder
}

// row has the cells of one window, the oldest first, and their sum.
type row struct {
	cells []cell
	sum   Amounts
	// told is until when nobody is told again of a measure, in seconds since 1970.
	told Amounts
}

// cell is what was counted in the seconds from index times the window's cell on.
type cell struct {
	index   int64
	amounts Amounts
}

// since returns the sum of the cells from first on.
func (r *row) since(first int64) Amounts {
	if len(r.cells) == 0 || r.cells[0].index >= first {
		return r.sum
	}
	return total(r.cells, first)
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
func (r *row) fullest(measure int, first, last, behind int64) (most int64) {
	var sum int64
	from := 0
	for to := range r.cells {
		end := &r.cells[to]
		if end.index < first {
			from = to + 1
			continue
		}
		if end.index > last+behind {
			break
		}
		sum = Plus(sum, end.amounts[measure])
		for r.cells[from].index < end.index-behind {
			if sum == math.MaxInt64 { // what a sum is above the largest number it does not say
				return sum
			}
			sum -= r.cells[from].amounts[measure]
			from++
		}
		most = max(most, sum)
	}
	return most
}

// add adds a cell, or to one that is there. Where there are too many, the last two become
// one, which counts both for longer than they would.
func (r *row) add(k cell) {
	r.sum = r.sum.Add(k.amounts)
	at := len(r.cells)
	for at > 0 && r.cells[at-1].index >= k.index {
		at--
	}
	if at < len(r.cells) && r.cells[at].index == k.index {
		r.cells[at].amounts = r.cells[at].amounts.Add(k.amounts)
		return
	}
	r.cells = slices.Insert(r.cells, at, k)
	if last := len(r.cells) - 1; last >= maxCells {
		r.cells[last].amounts = r.cells[last].amounts.Add(r.cells[last-1].amounts)
		r.cells = slices.Delete(r.cells, last-1, last)
	}
}

// Add counts amounts in a window, at a moment.
func (c *Counted) Add(w int, amounts Amounts, at time.Time) {
	c.rows[w].add(cell{spans[w].indexOf(at), amounts})
}

// Forget forgets what no window sees any more that ends at that moment or later.
func (c *Counted) Forget(at time.Time) {
	for w := range c.rows {
		r, first := &c.rows[w], spans[w].firstOf(at)
		gone := 0
		for gone < len(r.cells) && r.cells[gone].index < first {
			gone++
		}
		if gone > 0 {
			r.sum = r.since(first)
			r.cells = slices.Delete(r.cells, 0, gone)
		}
	}
}

// Empty reports whether there is nothing that any window sees, and nothing held.
func (c *Counted) Empty() bool {
	return len(c.holders) == 0 && !slices.ContainsFunc(c.rows[:], func(r row) bool { return len(r.cells) > 0 })
}

// Ends is from when on no window sees anything of what was counted.
func (c *Counted) Ends() time.Time {
	last := int64(0)
	for w, r := range c.rows {
		if n := len(r.cells); n > 0 {
			last = max(last, spans[w].leaves(r.cells[n-1].index))
		}
	}
	for _, h := range c.holders {
		last = max(last, h.at+int64(keepHolders.Seconds()))
	}
	return time.Unix(last, 0).UTC()
}

// Most returns the most of a measure that any window has seen, or will see, that contains a
// moment: where nothing lies ahead, that is the one which ends then.
func (c *Counted) Most(w, measure int, at time.Time) int64 {
	s := spans[w]
	return c.rows[w].fullest(measure, s.firstOf(at), s.indexOf(at), s.Window/s.Cell)
}

// Sum returns all of a measure that is in the cells of a window, which is no less than Most.
func (c *Counted) Sum(w, measure int) int64 { return c.rows[w].sum[measure] }

// Leaving goes through the cells that a window sees which ends at a moment, or later: when
// each is seen no more, and what is in it.
func (c *Counted) Leaving(w int, at time.Time) iter.Seq2[time.Time, Amounts] {
	s := spans[w]
	first := s.firstOf(at)
	return func(yield func(time.Time, Amounts) bool) {
		for _, k := range c.rows[w].cells {
			if k.index >= first && !yield(time.Unix(s.leaves(k.index), 0).UTC(), k.amounts) {
				return
			}
		}
	}
}

// Told reports whether somebody was told of a measure within a window that ends at a moment.
func (c *Counted) Told(w, measure int, at time.Time) bool { return c.rows[w].told[measure] > at.Unix() }

// Tell notes that somebody is told at a moment, which is done once in a window.
func (c *Counted) Tell(w, measure int, at time.Time) {
	c.rows[w].told[measure] = at.Unix() + spans[w].Window
}
