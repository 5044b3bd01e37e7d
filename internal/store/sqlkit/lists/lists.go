// Package lists keeps the entries of access lists: it is list.Store in the SQL that the
// engines share.
//
// Their changes are numbered, and an entry ends with what it is for (package numbered), so
// changes of entries keep accounts as they are.
//
// Main types: Register.
package lists

import (
	"cmp"
	"context"
	"slices"
	"time"

	"countersign/internal/access/list"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/numbered"
	"countersign/internal/tenant"
)

// Options are what a Register works with. Base is needed.
type Options struct {
	// Base has a Change that is alone with entries and keeps accounts as they are, and a
	// Signal for entries.
	Base sqlkit.Base
	// Tell is a statement that lets other processes know of a change; "" where the engine
	// cannot.
	Tell string
}

// Register implements list.Store. It is safe for concurrent use.
type Register struct{ table numbered.Owned[list.Entry] }

// New returns the entries of a database.
func New(opt Options) *Register { return &Register{Table(opt)} }

// Table is that of entries.
func Table(opt Options) numbered.Owned[list.Entry] {
	return numbered.Owned[list.Entry]{
		Table: numbered.Table[list.Entry]{
			Base: opt.Base, Tell: opt.Tell, Name: "access_entry",
			Columns: "id, kind, name, what, effect, shadow, reason, actor, began, ends, lifted", Scan: scan,
		},
		ID: func(e *list.Entry) mail.ID { return e.ID },
		Ended: func(e *list.Entry, at time.Time, because audit.Event) audit.Event {
			e.End = at
			return e.Event(audit.AccessRemoved, because.At, because.Actor, "it ended with what it was for")
		},
	}
}

// Ender ends entries with what they are for.
func (s *Register) Ender() numbered.Ender { return &s.table }

const insertSQL = `INSERT INTO access_entry (id, kind, name, what, effect, shadow, reason, actor, began, ends, lifted, change)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?)`

// scan reads an entry; a word that means nothing is damage.
func scan(r *sqlkit.Row) list.Entry {
	e := list.Entry{ID: r.ID()}
	var errs [3]error
	e.For.Kind, errs[0] = list.ParseKind(r.Text())
	e.For.Name = r.Text()
	e.What, errs[1] = list.ParseWhat(r.Text())
	e.Effect, errs[2] = list.ParseEffect(r.Text())
	for _, err := range errs {
		if err != nil {
			r.Fail(err)
		}
	}
	e.Shadow, e.Reason, e.By, e.Start, e.End, e.Lifted = r.Bool(), r.Text(), r.Text(), r.Time(), r.Time(), r.Text()
	return e
}

// AddEntry implements list.Store.
func (s *Register) AddEntry(ctx context.Context, e list.Entry, within tenant.Bound, event audit.Event) error {
	const op = "access.add"
	if err := e.Check(); err != nil {
		return err
	}
	growth, whose := numbered.Growth{Bound: within, What: "entries of access lists", At: e.Start, More: 1}, s.table.Whose()
	held, err := s.table.Held(ctx, op, growth, whose, 0)
	if err != nil {
		return err
	}
	return s.table.Change(ctx, op, []audit.Event{event}, func(t sqlkit.Writer, number int64) error {
		exists, err := numbered.Owner{Kind: e.For.Kind.String(), Name: e.For.Name}.Exists(t)
		if err == nil && !exists {
			err = fault.New(op, fault.NotFound, "%s does not exist", e.For)
		}
		if err != nil {
			return err
		}
		if err := s.unique(t, op, &e); err != nil {
			return err
		}
		if err := s.table.Bounded(t, op, growth, whose, held); err != nil {
			return err
		}
		return t.Exec(insertSQL, sqlkit.Bind(e.ID, e.For.Kind.String(), e.For.Name, e.What.String(), e.Effect.String(), e.Shadow, e.Reason, e.By, e.Start, e.End, number))
	})
}

// unique refuses an entry whose id there is, or that says what another one says.
func (s *Register) unique(t sqlkit.Writer, op string, e *list.Entry) error {
	known, err := t.Exists("SELECT 1 FROM access_entry WHERE id = ?", sqlkit.Bind(e.ID))
	if err == nil && known {
		err = fault.New(op, fault.Conflict, "there is an entry %s already", e.ID)
	}
	if err != nil {
		return err
	}
	others, err := s.table.Find(t, numbered.HoldingOf+" AND what = ?", sqlkit.Bind(e.For.Kind.String(), e.For.Name, e.Start, e.What.String()))
	for i := range others {
		if o := &others[i]; o.Same(e) {
			until := "without an end"
			if !o.End.IsZero() {
				until = "until " + o.End.Format(time.RFC3339)
			}
			return fault.New(op, fault.Conflict, "%s says entry %s already, %s: remove that first to change it", e.Object(), o.ID, until)
		}
	}
	return err
}

// RemoveEntry implements list.Store.
func (s *Register) RemoveEntry(ctx context.Context, id mail.ID, at time.Time, by string, event audit.Event) error {
	const op = "access.remove"
	return s.table.Change(ctx, op, []audit.Event{event}, func(t sqlkit.Writer, number int64) error {
		found, err := s.table.Find(t, " WHERE id = ?", sqlkit.Bind(id))
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return fault.New(op, fault.NotFound, "there is no entry %s", id)
		case !found[0].Holds(at):
			return fault.New(op, fault.Conflict, "entry %s ended at %s", id, found[0].End.Format(time.RFC3339))
		}
		return t.Exec(s.table.LiftSQL(), sqlkit.Bind(at, by, number, id))
	})
}

// Entries implements list.Store.
func (s *Register) Entries(ctx context.Context, q list.Query) ([]list.Entry, error) {
	var w sqlkit.Where
	w.Add(q.ID != "", "id = ?", q.ID)
	if q.For != nil {
		w.Add(true, "kind = ? AND name = ?", q.For.Kind.String(), q.For.Name)
	}
	w.Add(!q.Holding.IsZero(), "(ends = 0 OR ends > ?)", q.Holding)
	behind, args := s.table.Paged(&w, q.Page, q.Holding.IsZero())
	found, err := s.table.List(ctx, "access.list", w.Text()+behind, args)
	if q.Page.Limit > 0 {
		return found, err
	}
	slices.SortFunc(found, func(a, b list.Entry) int {
		return cmp.Or(cmp.Compare(a.For.Kind, b.For.Kind), cmp.Compare(a.For.Name, b.For.Name), a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID))
	})
	return found, err
}

// EntriesSince implements list.Feed.
func (s *Register) EntriesSince(ctx context.Context, since uint64) (changed []list.Entry, number uint64, err error) {
	return s.table.Since(ctx, "access.since", since)
}

// EntriesChanged implements list.Feed.
func (s *Register) EntriesChanged() (changed <-chan struct{}, told bool) {
	return s.table.Base.Signal.Changed()
}

// PruneEntries implements list.Store.
func (s *Register) PruneEntries(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	return s.table.Prune(ctx, "access.prune", before, limit)
}
