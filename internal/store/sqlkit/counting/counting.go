// Package counting keeps what limits count: one row for each subject, in the form of
// limit.Counter. A row is read, changed and written in the transaction that accepts a
// message, which is an engine's; the rest is here.
//
// Main types: Counts, Counted.
package counting

import (
	"bytes"
	"context"
	"strings"
	"time"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit"
)

// Statements of counting.
const (
	// ReadSQL reads the counter of a subject, and its end.
	ReadSQL = "SELECT data, ends FROM counter WHERE subject = ?"
	// KeepSQL stores one whose end stays, which no index then has to follow.
	KeepSQL = "UPDATE counter SET data = ? WHERE subject = ?"
	// WriteSQL stores any other, which may be new.
	WriteSQL = "INSERT INTO counter (subject, data, ends) VALUES (?, ?, ?) ON CONFLICT (subject) DO UPDATE SET data = excluded.data, ends = excluded.ends"
	// PruneSQL removes those of which no window sees anything, and of which that still is so
	// when nobody else is at them any more.
	PruneSQL = "DELETE FROM counter WHERE ends < ? AND subject IN (SELECT subject FROM counter WHERE ends < ? ORDER BY subject LIMIT ?)"
	// PrunedSQL counts what PruneSQL would remove.
	PrunedSQL = "SELECT count(*) FROM (SELECT subject FROM counter WHERE ends < ? ORDER BY subject LIMIT ?) x"

	// MetSQL reads on which day an account wrote to a recipient last.
	MetSQL = "SELECT day FROM contact WHERE login = ? AND recipient = ?"
	// MeetSQL stores it.
	MeetSQL = "INSERT INTO contact (login, recipient, day) VALUES (?, ?, ?) ON CONFLICT (login, recipient) DO UPDATE SET day = excluded.day"
	// PruneContactsSQL and PrunedContactsSQL are as those of counters.
	PruneContactsSQL = `DELETE FROM contact WHERE day < ?
    AND (login, recipient) IN (SELECT login, recipient FROM contact WHERE day < ? ORDER BY day, login, recipient LIMIT ?)`
	PrunedContactsSQL = "SELECT count(*) FROM (SELECT login FROM contact WHERE day < ? ORDER BY day, login, recipient LIMIT ?) x"
)

// KeyOf is under what the counter of a subject is stored. The accounts of a domain follow it, so
// that what one message counts mostly lies together. Each subject has a key of its own.
func KeyOf(s limit.Subject) string {
	switch s.Kind {
	case limit.Domain:
		return "domain " + s.Name
	case limit.Account:
		at := strings.LastIndexByte(s.Name, '@')
		return "domain " + s.Name[at+1:] + " " + s.Name[:max(at, 0)]
	}
	return s.String()
}

// day is to what the end of a counter is rounded up, so that the index of ends seldom changes.
const day = 24 * time.Hour

// EndsOf is what column ends has of a counter.
func EndsOf(c *limit.Counter) int64 { return c.Ends().Truncate(day).Add(day).UnixMicro() }

// Options are what Counts work with. All but Look are needed.
type Options struct {
	// Base has a Change that need not keep anybody else out.
	Base sqlkit.Base
	// Clock returns the time by which messages are counted.
	Clock func(ctx context.Context, c sqlkit.Reader) (time.Time, error)
	// Look finds what is stored of subjects elsewhere than in their rows, and counts in place
	// of these; nil for nothing.
	Look func(ctx context.Context, c sqlkit.Reader, subjects []limit.Subject) (map[limit.Subject][]byte, error)
}

// Counts implements limit.Counts. It is safe for concurrent use.
type Counts struct{ opt Options }

// New returns the counters of a database.
func New(opt Options) *Counts { return &Counts{opt} }

// Counted implements limit.Counts.
func (k *Counts) Counted(ctx context.Context, subjects []limit.Subject) (list []*limit.Counter, at time.Time, err error) {
	err = k.opt.Base.Snapshot(ctx, "limit.counted", func(c sqlkit.Reader) error {
		if at, err = k.opt.Clock(ctx, c); err != nil {
			return err
		}
		var newer map[limit.Subject][]byte
		if k.opt.Look != nil {
			if newer, err = k.opt.Look(ctx, c, subjects); err != nil {
				return err
			}
		}
		list = make([]*limit.Counter, len(subjects))
		for i, s := range subjects {
			if list[i], err = counterOf(ctx, c, s, newer); err != nil {
				return err
			}
		}
		return nil
	})
	return list, at, err
}

// Met implements limit.Counts.
func (k *Counts) Met(ctx context.Context, contacts []limit.Contact) (days []int64, err error) {
	err = k.opt.Base.Snapshot(ctx, "limit.met", func(c sqlkit.Reader) error {
		days = make([]int64, len(contacts))
		for i, contact := range contacts {
			err := c.Query(ctx, MetSQL, sqlkit.Bind(contact.Login, contact.Recipient), func(r *sqlkit.Row) error {
				days[i] = r.Int64()
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return days, err
}

// counterOf reads a counter, unless there is a newer state of it.
func counterOf(ctx context.Context, c sqlkit.Reader, s limit.Subject, newer map[limit.Subject][]byte) (*limit.Counter, error) {
	data, found := newer[s]
	if !found {
		err := c.Query(ctx, ReadSQL, sqlkit.Bind(KeyOf(s)), func(r *sqlkit.Row) error {
			data = bytes.Clone(r.Blob())
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return limit.Decode(data)
}

// PruneCounts implements limit.Counts.
func (k *Counts) PruneCounts(ctx context.Context, before time.Time, most int) (removed int, err error) {
	return k.prune(ctx, PrunedSQL, sqlkit.Bind(before, most), PruneSQL, sqlkit.Bind(before, before, most))
}

// PruneContacts implements limit.Counts.
func (k *Counts) PruneContacts(ctx context.Context, before time.Time, most int) (removed int, err error) {
	day := limit.DayOf(before)
	return k.prune(ctx, PrunedContactsSQL, sqlkit.Bind(day, most), PruneContactsSQL, sqlkit.Bind(day, day, most))
}

// prune counts what is to be removed, and removes it.
func (k *Counts) prune(ctx context.Context, count string, counted sqlkit.Values, remove string, removing sqlkit.Values) (removed int, err error) {
	err = k.opt.Base.Change(ctx, "limit.prune", func(t sqlkit.Writer) error {
		n, _, err := t.Number(count, counted)
		removed = int(n)
		if err != nil || n == 0 {
			return err
		}
		return t.Exec(remove, removing)
	})
	return removed, err
}
