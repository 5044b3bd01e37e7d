package limit

import "time"

// fails reports whether a measure is of recipients that have failed: a message adds nothing
// to it when it is accepted.
func (m Measure) fails() bool { return m == FailedRecipients || m == FailedShare }

// share is how many of a hundred recipients have failed, rounded up, at most 100.
func (c *Counter) share(w Window, at time.Time) int64 {
	failed, all := c.Used(w, FailedRecipients, at), c.Used(w, Recipients, at)
	if failed == 0 {
		return 0
	}
	// A window sees failures of messages that it does not see any more.
	all = max(all, failed)
	return int64((float64(failed)*100 + float64(all) - 1) / float64(all))
}

// shareOver reports whether too many have failed.
func (c *Counter) shareOver(l Limit, at time.Time) bool {
	return c.Used(l.Window, FailedRecipients, at) >= max(l.Least, 1) && c.share(l.Window, at) > l.Max
}

// shareRoomAt returns from when on not too many have failed, provided that nothing else is
// counted.
func (c *Counter) shareRoomAt(l Limit, at time.Time) time.Time {
	if !c.shareOver(l, at) {
		return at
	}
	for from := range c.counted.Leaving(int(l.Window), at) {
		if !c.shareOver(l, from) {
			return from
		}
	}
	return at // not reached: without all cells nothing has failed
}

// UsedOf returns what is used of a limit: Counter.Used, and of a share of failed recipients
// the share.
func (c *Counter) UsedOf(l Limit, at time.Time) int64 {
	if l.Measure == FailedShare {
		return c.share(l.Window, at)
	}
	return c.Used(l.Window, l.Measure, at)
}

// RoomOf returns from when on there is room for one more within a limit, as RoomAt does.
func (c *Counter) RoomOf(l Limit, at time.Time) (from time.Time, ok bool) {
	if l.Measure == FailedShare {
		return c.shareRoomAt(l, at), true
	}
	if !l.Window.Lasts() {
		return at, l.Max > 0
	}
	return c.RoomAt(l, 1, at)
}
