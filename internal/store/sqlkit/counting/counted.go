package counting

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit"
)

// Counted is what a transaction has read of counters and contacts, and what of it it has
// changed. It implements limit.Ledger, is ready for use, and is used by one goroutine.
type Counted struct{ ledger *ledger }

// ledger is what the copies of a Counted share.
type ledger struct {
	counters map[limit.Subject]*limit.Counter
	changed  map[limit.Subject]bool
	met, now map[limit.Contact]int64 // as it was read, and is to be written
}

func (c *Counted) open() *ledger {
	if c.ledger == nil {
		c.ledger = &ledger{
			counters: map[limit.Subject]*limit.Counter{}, changed: map[limit.Subject]bool{},
			met: map[limit.Contact]int64{}, now: map[limit.Contact]int64{},
		}
	}
	return c.ledger
}

// Have reports whether the counter of a subject was read.
func (c *Counted) Have(s limit.Subject) bool { return c.open().counters[s] != nil }

// Put takes what is stored of a subject, nothing for no row. Errors are fault.Corrupt.
func (c *Counted) Put(s limit.Subject, data []byte) error {
	counter, err := limit.Decode(data)
	if err == nil {
		c.open().counters[s] = counter
	}
	return err
}

// Use takes the counter of a subject from who keeps it, who hears from Changed which are to
// be written.
func (c *Counted) Use(s limit.Subject, counter *limit.Counter) {
	c.open().counters[s] = counter
}

// Counter implements limit.Ledger, for subjects that were read.
func (c *Counted) Counter(s limit.Subject) *limit.Counter { return c.open().counters[s] }

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
		l.changed[q.Key(i)] = true
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
		l.counters[s].Occupy(self, n, at)
		l.changed[s] = true
	}
}

// Changed returns whose counters were changed, in no order.
func (c *Counted) Changed() (list []limit.Subject) {
	if c.ledger == nil {
		return nil
	}
	for s := range c.ledger.changed {
		list = append(list, s)
	}
	return list
}

// Row is a counter that is to be written.
type Row struct {
	Key  string
	Data []byte
	Ends int64
}

// Rows returns the counters that were changed, by key.
func (c *Counted) Rows() []Row {
	if c.ledger == nil {
		return nil
	}
	rows := make([]Row, 0, len(c.ledger.changed))
	for s := range c.ledger.changed {
		k := c.ledger.counters[s]
		rows = append(rows, Row{KeyOf(s), k.AppendBinary(nil), EndsOf(k)})
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Key, b.Key) })
	return rows
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
