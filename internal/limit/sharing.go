package limit

import "time"

// plenty is one half of a limit, rounded up. While less is used, an account is not held to its share, and
// may have as much of it.
func (l Limit) plenty() int64 { return l.Max - l.Max/2 }

// short reports whether so much of a limit with a share is used that no account may have more than
// that, and until when, if nothing else is counted. Of what does not last nobody knows: at itself.
func (c *Counter) short(l Limit, at time.Time) (until time.Time, is bool) {
	l.Max = l.plenty() - 1
	if c.below(l.Window, l.Measure, l.Max) || c.Used(l.Window, l.Measure, at) <= l.Max {
		return at, false
	}
	until, _ = c.RoomAt(l, 0, at)
	return until, true
}

// RoomOfShare tells how an account stands to its share of a limit, as RoomOf does of a whole one: how
// many more it may send one by one until it is held to the share, and from when on it may send
// one. own is the account's counter, whole that of whom the limit bounds.
func (l Limit) RoomOfShare(own, whole *Counter, at time.Time) (left int64, from time.Time, ok bool) {
	part := l.Part()
	used := own.UsedOf(part, at)
	left = max(part.Max-used, l.plenty()-max(used, whole.UsedOf(l, at)), 0)
	from, ok = own.RoomOf(part, at)
	until, _ := whole.short(l, at)
	// Also while there is plenty an account has no more than half.
	half := part
	half.Max = l.plenty()
	alone, ever := own.RoomOf(half, at)
	if alone.After(until) {
		until = alone
	}
	if ever && (!ok || until.Before(from)) {
		from, ok = until, true
	}
	return left, from, ok
}
