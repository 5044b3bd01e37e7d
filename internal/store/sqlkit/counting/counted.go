package counting

import (
	"time"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit"
)

// Counted is what a transaction has read of counters and contacts, and what of it it has
// changed. It implements limit.Ledger, is ready for use, and is used by one goroutine.
type Counted struct{ ledger *ledger }

// Entry is a counter in a transaction.
type Entry struct {
	// Counter is nil until it was read.
	Counter *limit.Counter
	// Changed says that it is to be written.
	Changed bool
}

// ledger is what the copies of a Counted share.
type ledger struct {
	entries  map[limit.Subject]*Entry
	met, now map[limit.Contact]int64 // as it was read, and is to be written
}

func (c *Counted) open() *ledger {
	if c.ledger == nil {
		c.ledger = &ledger{entries: map[limit.Subject]*Entry{}, met: map[limit.Contact]int64{}, now: map[limit.Contact]int64{}}
	}
	return c.ledger
}

// Entry returns the entry of a subject, and whether it is new. Whoever asks has to read its counter
// where there is none.
func (c *Counted) Entry(s limit.Subject) (e *Entry, isNew bool) {
	l := c.open()
	e = l.entries[s]
	if e != nil {
		return e, false
	}
	e = &Entry{}
	l.entries[s] = e
	return e, true
}

// Put takes what is stored of a subject, nothing for no row. Errors are fault.Corrupt.
func (e *Entry) Put(data []byte) (err error) {
	e.Counter, err = limit.Decode(data)
	return err
}

// Counter implements limit.Ledger, for subjects that were read.
func (c *Counted) Counter(s limit.Subject) *limit.Counter {
	if e := c.open().entries[s]; e != nil {
		return e.Counter
	}
	return nil
}

// Meet takes what MetSQL found, 0 for no row.
func (c *Counted) Meet(k limit.Contact, day int64) { c.open().met[k] = day }

// Read reports whether a contact was asked for.
func (c *Counted) Read(k limit.Contact) bool {
	_, found := c.open().met[k]
	return found
}

// Met implements limit.Ledger, for contacts that were read.
func (c *Counted) Met(k limit.Contact) int64 {
	if day := c.open().now[k]; day != 0 {
		return day
	}
	return c.open().met[k]
}

// Count counts what passed, and notes what is to be written.
func (c *Counted) Count(q *limit.Question, d *limit.Decision) {
	q.Count(d)
	l := c.open()
	for i := range q.Levels {
		l.entries[q.Key(i)].Changed = true
	}
	day := limit.DayOf(d.At)
	for _, k := range q.Contacts.All() {
		if l.met[k] != day {
			l.now[k] = day
		}
	}
}

// Occupy notes what a process holds of counters that were read.
func (c *Counted) Occupy(self string, held map[limit.Subject]int64, at time.Time) {
	l := c.open()
	for s, n := range held {
		e := l.entries[s]
		e.Counter.Occupy(self, n, at)
		e.Changed = true
	}
}

// Changed returns whose counters were changed, in no order.
func (c *Counted) Changed() (list []limit.Subject) {
	if c.ledger == nil {
		return nil
	}
	for s, e := range c.ledger.entries {
		if e.Changed {
			list = append(list, s)
		}
	}
	return list
}

// Contacts returns the arguments of MeetSQL, in no order.
func (c *Counted) Contacts() (rows []sqlkit.Values) {
	if c.ledger == nil {
		return nil
	}
	for k, day := range c.ledger.now {
		rows = append(rows, sqlkit.Bind(k.Login, k.Recipient, day))
	}
	return rows
}
