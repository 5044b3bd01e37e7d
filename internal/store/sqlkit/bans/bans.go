// Package bans keeps bans: it is access.Store in the SQL that the engines share.
//
// Each change gets a number, one above the highest in the table, in a transaction that is
// alone with bans; whoever follows asks for what is above the last one seen. The account
// generation stays as it is: bans come often.
//
// Main types: Keeper.
package bans

import (
	"context"
	"net/netip"
	"time"

	"countersign/internal/access"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
)

// Options are what a Keeper works with. All but Tell are needed.
type Options struct {
	// Base has a Change that is alone with bans, and a Signal for them.
	Base sqlkit.Base
	// Tell is a statement that lets other processes know of a change; "" where the engine
	// cannot.
	Tell string
}

// Keeper implements access.Store. It is safe for concurrent use.
type Keeper struct{ opt Options }

// New returns the bans of a database.
func New(opt Options) *Keeper { return &Keeper{opt} }

const columns = "SELECT id, network, login, reason, actor, began, ends, lifted FROM ban"

// Statements, exported for the test that reads the plans of queries.
const (
	// HoldingSQL finds those that hold.
	HoldingSQL = columns + " WHERE ends = 0 OR ends > ? ORDER BY change"
	// SinceSQL finds those that changed.
	SinceSQL = columns + " WHERE change > ? ORDER BY change"
	// NumberSQL reads the highest number.
	NumberSQL = "SELECT coalesce(max(change), 0) FROM ban"
	// SameSQL finds one of the same network and login that holds.
	SameSQL = columns + " WHERE network = ? AND login = ? AND (ends = 0 OR ends > ?)"
	// PruneSQL removes those that ended.
	PruneSQL = `DELETE FROM ban WHERE id IN (SELECT id FROM ban WHERE ends > 0 AND ends < ? AND change < ? ORDER BY ends LIMIT ?)`
	// PrunedSQL counts what PruneSQL would remove.
	PrunedSQL = `SELECT count(*) FROM (SELECT id FROM ban WHERE ends > 0 AND ends < ? AND change < ? ORDER BY ends LIMIT ?) x`

	insertSQL = "INSERT INTO ban (id, network, login, reason, actor, began, ends, lifted, change) VALUES (?, ?, ?, ?, ?, ?, ?, '', ?)"
	liftSQL   = "UPDATE ban SET ends = ?, lifted = ?, change = ? WHERE id = ?"
)

// AddBan implements access.Store.
func (s *Keeper) AddBan(ctx context.Context, b access.Ban, e audit.Event) error {
	const op = "ban.add"
	if err := b.Check(); err != nil {
		return err
	}
	return s.change(ctx, op, e, func(t sqlkit.Writer, number int64) error {
		same, err := inside(t, SameSQL, sqlkit.Bind(b.Prefix.String(), b.Login, b.Start))
		if err == nil && len(same) > 0 {
			err = fault.New(op, fault.Conflict, "%s is banned already, by %s %s: lift that first to change it", b.Object(), same[0].ID, until(&same[0]))
		}
		if err != nil {
			return err
		}
		known, err := t.Exists("SELECT 1 FROM ban WHERE id = ?", sqlkit.Bind(b.ID))
		if err == nil && known {
			err = fault.New(op, fault.Conflict, "there is a ban %s already", b.ID)
		}
		if err != nil {
			return err
		}
		return t.Exec(insertSQL, sqlkit.Bind(b.ID, b.Prefix.String(), b.Login, b.Reason, b.By, b.Start, b.End, number))
	})
}

// until says how long a ban holds.
func until(b *access.Ban) string {
	if b.End.IsZero() {
		return "without an end"
	}
	return "until " + b.End.Format(time.RFC3339)
}

// LiftBan implements access.Store.
func (s *Keeper) LiftBan(ctx context.Context, id mail.ID, at time.Time, by string, e audit.Event) error {
	const op = "ban.lift"
	return s.change(ctx, op, e, func(t sqlkit.Writer, number int64) error {
		found, err := inside(t, columns+" WHERE id = ?", sqlkit.Bind(id))
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return fault.New(op, fault.NotFound, "there is no ban %s", id)
		case !found[0].Holds(at):
			return fault.New(op, fault.Conflict, "ban %s ended at %s", id, found[0].End.Format(time.RFC3339))
		}
		return t.Exec(liftSQL, sqlkit.Bind(at, by, number, id))
	})
}

// change makes one change with its event, and lets all who follow know.
func (s *Keeper) change(ctx context.Context, op string, e audit.Event, do func(t sqlkit.Writer, number int64) error) error {
	err := s.opt.Base.Change(ctx, op, func(t sqlkit.Writer) error {
		number, _, err := t.Number(NumberSQL, nil)
		if err != nil {
			return err
		}
		if err := do(t, number+1); err != nil {
			return err
		}
		if s.opt.Tell != "" {
			if err := t.Exec(s.opt.Tell, nil); err != nil {
				return err
			}
		}
		return s.opt.Base.Record(t, []audit.Event{e})
	})
	s.opt.Base.Signal.Raise() // also where it failed: the change may have been made
	return err
}

// Bans implements access.Store.
func (s *Keeper) Bans(ctx context.Context, q access.Query) (list []access.Ban, err error) {
	var w sqlkit.Where
	w.Add(q.ID != "", "id = ?", q.ID)
	w.Add(q.Prefix.IsValid(), "network = ?", q.Prefix.String())
	w.Add(!q.Holding.IsZero(), "(ends = 0 OR ends > ?)", q.Holding)
	err = s.opt.Base.Read(ctx, "ban.list", func(c sqlkit.Reader) error {
		list, err = sqlkit.All(ctx, c, columns+w.Text()+" ORDER BY began, id", w.Bind(), scan)
		return err
	})
	return list, err
}

// BansSince implements access.Feed.
func (s *Keeper) BansSince(ctx context.Context, since uint64) (changed []access.Ban, number uint64, err error) {
	text, args := SinceSQL, sqlkit.Bind(int64(since))
	if since == 0 {
		text, args = HoldingSQL, sqlkit.Bind(s.opt.Base.Now())
	}
	err = s.opt.Base.Snapshot(ctx, "ban.since", func(c sqlkit.Reader) error {
		n, _, err := c.Number(ctx, NumberSQL, nil)
		number, changed = uint64(n), nil
		if err != nil || number <= since {
			return err
		}
		changed, err = sqlkit.All(ctx, c, text, args, scan)
		return err
	})
	return changed, number, err
}

// BansChanged implements access.Feed.
func (s *Keeper) BansChanged() (changed <-chan struct{}, told bool) {
	return s.opt.Base.Signal.Changed()
}

// PruneBans implements access.Store.
func (s *Keeper) PruneBans(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	err = s.opt.Base.Change(ctx, "ban.prune", func(t sqlkit.Writer) error {
		removed = 0
		last, _, err := t.Number(NumberSQL, nil)
		if err != nil {
			return err
		}
		args := sqlkit.Bind(before, last, limit)
		n, _, err := t.Number(PrunedSQL, args)
		if err != nil || n == 0 {
			return err
		}
		removed = int(n)
		return t.Exec(PruneSQL, args)
	})
	return removed, err
}

// inside collects what a query of a transaction finds.
func inside(t sqlkit.Writer, text string, args sqlkit.Values) (list []access.Ban, err error) {
	err = t.Query(text, args, func(r *sqlkit.Row) error {
		list = append(list, scan(r))
		return nil
	})
	return list, err
}

// scan reads a ban; a network that is none is damage.
func scan(r *sqlkit.Row) access.Ban {
	b := access.Ban{ID: r.ID()}
	p, err := netip.ParsePrefix(r.Text())
	if err != nil {
		r.Fail(err)
	}
	b.Prefix, b.Login, b.Reason, b.By = p, r.Text(), r.Text(), r.Text()
	b.Start, b.End, b.Lifted = r.Time(), r.Time(), r.Text()
	return b
}
