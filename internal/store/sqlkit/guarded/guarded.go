// Package guarded keeps what the guard has counted: it is guard.Store in the SQL that the
// engines share.
//
// As with bans, each change gets a number, one above the highest in the table, in a
// transaction that is alone with these records; whoever follows asks for what is above
// the last one seen.
//
// Main types: Marks.
package guarded

import (
	"context"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"countersign/internal/access/familiar"
	"countersign/internal/access/guard"
	"countersign/internal/access/guard/tried"
	"countersign/internal/audit"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/numbered"
)

// Marks implements guard.Store. It is safe for concurrent use.
type Marks struct{ base sqlkit.Base }

// New returns the records of a database. b has a Change that is alone with them.
func New(b sqlkit.Base) *Marks { return &Marks{b} }

const (
	fields  = "network, login, missing, secrets, unseen, unseen_from, unseen_at, known, banned, sprayed, closed_from, closed_until, opened, ends, devices"
	columns = "SELECT " + fields + ", change FROM guard_record"
)

// Statements, exported for the test that reads the plans of queries.
const (
	// SinceSQL finds those that changed.
	SinceSQL = columns + " WHERE change > ? ORDER BY change LIMIT ?"
	// NumberSQL reads the highest number.
	NumberSQL = "SELECT coalesce(max(change), 0) FROM guard_record"
	// EndedSQL finds those of no use any more.
	EndedSQL = "SELECT network, login FROM guard_record WHERE ends < ? AND change < ? ORDER BY ends LIMIT ?"
	// FailedSQL counts those of nobody who is known, and SurplusSQL finds the first of them.
	FailedSQL  = "SELECT count(*) FROM guard_record WHERE known = 0"
	SurplusSQL = "SELECT network, login FROM guard_record WHERE known = 0 AND change < ? ORDER BY change LIMIT ?"
)

// OfSQL finds those of logins of n customers, which the test of plans reads, too.
func OfSQL(n int) string {
	return columns + " WHERE " + numbered.LoginOfSQL("guard_record", "network, login", n) + " ORDER BY change DESC LIMIT ?"
}

// together is how many records a statement has.
const together = 50

// FoundSQL finds n records by network and login.
func FoundSQL(n int) string {
	return columns + " WHERE (network, login) IN (VALUES " + strings.TrimSuffix(strings.Repeat("(?, ?), ", n), ", ") + ")"
}

// putSQL stores n records in place of those that are there.
func putSQL(n int) string {
	names := strings.Split(fields+", change", ", ")
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ") + ")"
	var b strings.Builder
	b.WriteString("INSERT INTO guard_record (" + fields + ", change) VALUES " + row)
	for range n - 1 {
		b.WriteString(", " + row)
	}
	b.WriteString(" ON CONFLICT (network, login) DO UPDATE SET ")
	for i, name := range names[2:] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name + " = excluded." + name)
	}
	return b.String()
}

// stored is a record with its number.
type stored struct {
	guard.Kept
	change int64
}

// KeepRecords implements guard.Store.
func (m *Marks) KeepRecords(ctx context.Context, list []guard.Kept, events []audit.Event) error {
	for i := range list {
		if err := list[i].Check(); err != nil {
			return err
		}
	}
	return m.base.Change(ctx, "guard.keep", func(t sqlkit.Writer) error {
		number, _, err := t.Number(NumberSQL, nil)
		if err != nil {
			return err
		}
		for _, part := range portions(once(list)) {
			if number, err = put(t, part, number); err != nil {
				return err
			}
		}
		if len(events) == 0 {
			return nil
		}
		return m.base.Record(t, events)
	})
}

// name is what a record is found by.
type name struct{ network, login string }

func nameOf(r *guard.Record) name {
	if !r.Network.IsValid() {
		return name{"", r.Login}
	}
	return name{r.Network.String(), r.Login}
}

// once puts those of the same name together.
func once(list []guard.Kept) []guard.Kept {
	var out []guard.Kept
	at := map[name]int{}
	for _, k := range list {
		i, twice := at[nameOf(&k.Record)]
		if twice {
			out[i] = merge(out[i], k)
			continue
		}
		at[nameOf(&k.Record)] = len(out)
		out = append(out, k)
	}
	return out
}

func merge(a, b guard.Kept) guard.Kept {
	out := guard.Kept{Record: guard.Merge(a.Record, b.Record), End: a.End}
	if b.End.After(a.End) {
		out.End = b.End
	}
	return out
}

// portions cuts a list into what goes together.
func portions(list []guard.Kept) (parts [][]guard.Kept) {
	for len(list) > 0 {
		n := min(together, len(list))
		parts, list = append(parts, list[:n]), list[n:]
	}
	return parts
}

// put stores a portion, and returns the highest number.
func put(t sqlkit.Writer, part []guard.Kept, number int64) (int64, error) {
	var keys []any
	for i := range part {
		n := nameOf(&part[i].Record)
		keys = append(keys, n.network, n.login)
	}
	have := map[name]guard.Kept{}
	err := t.Query(FoundSQL(len(part)), sqlkit.Bind(keys...), func(r *sqlkit.Row) error {
		k := scan(r).Kept
		have[nameOf(&k.Record)] = k
		return nil
	})
	if err != nil {
		return 0, err
	}
	var args []any
	rows := 0
	known, err := admit(t, part, have, number)
	if err != nil {
		return 0, err
	}
	for _, k := range part {
		before, found := have[nameOf(&k.Record)]
		if fresh(&k, have) {
			if room, err := known.room(k.Login, k.Known); err != nil {
				return 0, err
			} else if !room {
				k.Known, k.Devices = time.Time{}, nil
			}
			if k.Empty() {
				continue
			}
		}
		if found {
			k = merge(before, k)
		}
		if found && reflect.DeepEqual(k, before) {
			continue
		}
		number++
		rows++
		args = append(args, values(&k, number)...)
	}
	if rows == 0 {
		return number, nil
	}
	return number, t.Exec(putSQL(rows), sqlkit.Bind(args...))
}

// values are the columns of a record.
func values(k *guard.Kept, number int64) []any {
	n := nameOf(&k.Record)
	var secrets, devices any
	if len(k.Secrets) > 0 {
		secrets = k.Secrets.Pack()
	}
	if len(k.Devices) > 0 {
		devices = familiar.PackUses(k.Devices)
	}
	return []any{
		n.network, n.login, k.Missing, secrets, k.Unseen, k.UnseenFrom, k.UnseenAt, k.Known, k.Banned, k.Sprayed,
		k.ClosedFrom, k.ClosedUntil, k.Opened, k.End, devices, number,
	}
}

// RecordsSince implements guard.Store. Where nothing has changed it is one short question, for
// all who follow something together. What
// comes between two questions has a higher number than what the second one finds, or is in it.
func (m *Marks) RecordsSince(ctx context.Context, since uint64, limit int) (changed []guard.Record, number uint64, err error) {
	last, err := m.base.Number(ctx, "guard.since", NumberSQL)
	if number = uint64(last); err != nil || number <= since {
		return nil, number, err
	}
	err = m.base.Read(ctx, "guard.since", func(c sqlkit.Reader) error {
		changed, number = nil, uint64(last)
		list, err := sqlkit.All(ctx, c, SinceSQL, sqlkit.Bind(int64(since), limit), scan)
		for _, s := range list {
			changed, number = append(changed, s.Record), uint64(s.change)
		}
		return err
	})
	return changed, number, err
}

// Records implements guard.Store.
func (m *Marks) Records(ctx context.Context, q guard.Query, limit int) (found []guard.Record, err error) {
	var w sqlkit.Where
	w.Add(q.Network.IsValid(), "network = ?", q.Network.String())
	w.Add(q.Login != "", "login = ?", q.Login)
	numbered.LoginOf(&w, "guard_record", "network, login", q.Customers)
	err = m.base.Read(ctx, "guard.list", func(c sqlkit.Reader) error {
		list, err := sqlkit.All(ctx, c, columns+w.Text()+" ORDER BY change DESC LIMIT ?", w.Bind(limit), scan)
		found = nil
		for _, s := range list {
			found = append(found, s.Record)
		}
		return err
	})
	return found, err
}

// PruneRecords implements guard.Store.
func (m *Marks) PruneRecords(ctx context.Context, before time.Time, most, limit int) (removed int, err error) {
	err = m.base.Change(ctx, "guard.prune", func(t sqlkit.Writer) error {
		removed = 0
		last, _, err := t.Number(NumberSQL, nil)
		if err != nil {
			return err
		}
		if removed, err = remove(t, EndedSQL, sqlkit.Bind(before, last, limit)); err != nil {
			return err
		}
		failed, _, err := t.Number(FailedSQL, nil)
		if err != nil || int(failed) <= most {
			return err
		}
		n, err := remove(t, SurplusSQL, sqlkit.Bind(last, min(int(failed)-most, limit)))
		removed += n
		return err
	})
	return removed, err
}

// remove removes what a query finds.
func remove(t sqlkit.Writer, query string, args sqlkit.Values) (int, error) {
	n, _, err := t.Number("SELECT count(*) FROM ("+query+") x", args)
	if err != nil || n == 0 {
		return 0, err
	}
	return int(n), t.Exec("DELETE FROM guard_record WHERE (network, login) IN ("+query+")", args)
}

// scan reads a record; a network that is none, and digests that are none, are damage.
func scan(r *sqlkit.Row) (s stored) {
	if text := r.Text(); text != "" {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			r.Fail(err)
		}
		s.Network = p
	}
	s.Login, s.Missing = r.Text(), r.Bool()
	list, err := tried.Unpack(r.Blob())
	if err != nil {
		r.Fail(err)
	}
	s.Secrets, s.Unseen, s.UnseenFrom, s.UnseenAt = list, r.Int(), r.Time(), r.Time()
	s.Known, s.Banned, s.Sprayed = r.Time(), r.Time(), r.Time()
	s.ClosedFrom, s.ClosedUntil, s.Opened = r.Time(), r.Time(), r.Time()
	s.End = r.Time()
	if s.Devices, err = familiar.UnpackUses(r.Blob()); err != nil {
		r.Fail(err)
	}
	s.change = r.Int64()
	return s
}
