package cells

import (
	"slices"
	"time"
)

// maxHolders bounds who holds something of one subject: gates, and those that were there
// before them.
const maxHolders = 256

// keepHolders is for how long a subject is kept of which somebody holds something: longer
// than any connection lasts.
const keepHolders = 7 * 24 * time.Hour

// holder is a process that holds so many, since that second.
type holder struct {
	name  string
	n, at int64
}

// Held is how many are held.
func (c *Counted) Held() (n int64) {
	for _, h := range c.holders {
		n = Plus(n, h.n)
	}
	return n
}

// Bury forgets holders that are there no more.
func (c *Counted) Bury(alive func(string) bool) {
	c.holders = slices.DeleteFunc(c.holders, func(h holder) bool { return !alive(h.name) })
}

// Hold notes that a process holds so many more, or fewer where by is negative.
func (c *Counted) Hold(name string, by int64, at time.Time) {
	if i := c.holder(name); i >= 0 {
		by += c.holders[i].n
	}
	c.Occupy(name, by, at)
}

// Occupy notes that a process holds so many, none where n is negative.
func (c *Counted) Occupy(name string, n int64, at time.Time) {
	i := c.holder(name)
	switch {
	case i >= 0 && n <= 0:
		c.holders = slices.Delete(c.holders, i, i+1)
	case i >= 0:
		c.holders[i].n, c.holders[i].at = n, at.Unix()
	case n > 0:
		c.holders = append(c.holders, holder{name, n, at.Unix()})
	}
}

// holder finds one; -1 for none.
func (c *Counted) holder(name string) int {
	return slices.IndexFunc(c.holders, func(h holder) bool { return h.name == name })
}
