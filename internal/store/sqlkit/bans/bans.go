// Package bans keeps bans: it is access.Store in the SQL that the engines share.
//
// Their changes are numbered (package numbered); the account generation stays as it is.
//
// Main types: Keeper.
package bans

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"countersign/internal/access"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/numbered"
	"countersign/internal/tenant"
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
type Keeper struct{ table numbered.Table[access.Ban] }

// New returns the bans of a database.
func New(opt Options) *Keeper { return &Keeper{Table(opt)} }

// Table is that of bans.
func Table(opt Options) numbered.Table[access.Ban] {
	return numbered.Table[access.Ban]{
		Base: opt.Base, Tell: opt.Tell, Name: "ban", Columns: "id, network, login, shadow, reason, actor, began, ends, lifted", Scan: scan,
	}
}

const (
	// Same finds one of the same network, login and shadow that holds.
	Same = " WHERE network = ? AND login = ? AND shadow = ? AND (ends = 0 OR ends > ?)"

	insertSQL = "INSERT INTO ban (id, network, login, shadow, reason, actor, began, ends, lifted, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?)"
	liftSQL   = "UPDATE ban SET ends = ?, lifted = ?, change = ? WHERE id = ?"
)

// AddBan implements access.Store.
func (s *Keeper) AddBan(ctx context.Context, b access.Ban, within tenant.Bound, e audit.Event) error {
	const op = "ban.add"
	if err := b.Check(); err != nil {
		return err
	}
	growth := numbered.Growth{Bound: within, What: "bans", At: b.Start, More: 1}
	whose := numbered.Whose{SQL: numbered.WhoseLoginSQL(), Of: func(w *sqlkit.Where, customers []string) { numbered.LoginOf(w, "ban", "id", customers) }}
	held, err := s.table.Held(ctx, op, growth, whose, 0)
	if err != nil {
		return err
	}
	return s.table.Change(ctx, op, []audit.Event{e}, func(t sqlkit.Writer, number int64) error {
		same, err := s.table.Find(t, Same, sqlkit.Bind(b.Prefix.String(), b.Login, b.Shadow, b.Start))
		if err == nil && len(same) > 0 {
			err = fault.New(op, fault.Conflict, "%s is banned already%s, by %s %s: lift that first to change it", b.Object(), inShadow(&b), same[0].ID, until(&same[0]))
		}
		if err != nil {
			return err
		}
		known, err := t.Exists("SELECT 1 FROM ban WHERE id = ?", sqlkit.Bind(b.ID))
		if err == nil && known {
			err = fault.New(op, fault.Conflict, "there is a ban %s already", b.ID)
		}
		if err == nil {
			err = s.table.Bounded(t, op, growth, whose, held)
		}
		if err != nil {
			return err
		}
		return t.Exec(insertSQL, sqlkit.Bind(b.ID, b.Prefix.String(), b.Login, b.Shadow, b.Reason, b.By, b.Start, b.End, number))
	})
}

// inShadow says of a ban that it is one.
func inShadow(b *access.Ban) string {
	if b.Shadow {
		return " in shadow"
	}
	return ""
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
	return s.table.Change(ctx, op, []audit.Event{e}, func(t sqlkit.Writer, number int64) error {
		found, err := s.table.Find(t, " WHERE id = ?", sqlkit.Bind(id))
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

// Bans implements access.Store.
func (s *Keeper) Bans(ctx context.Context, q access.Query) ([]access.Ban, error) {
	var w sqlkit.Where
	w.Add(q.ID != "", "id = ?", q.ID)
	w.Add(q.Prefix.IsValid(), "network = ?", q.Prefix.String())
	if q.Client.IsValid() {
		around := prefixes(q.Client)
		w.Add(true, "network IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(around)), ", ")+")", around...)
	}
	w.Add(!q.Holding.IsZero(), "(ends = 0 OR ends > ?)", q.Holding)
	numbered.LoginOf(&w, "ban", "id", q.Page.Customers)
	behind, args := numbered.Portion(&w, q.Page)
	if behind == "" {
		behind = " ORDER BY began, id"
	}
	return s.table.List(ctx, "ban.list", w.Text()+behind, args)
}

// prefixes are the networks that an address is in, as column network has them.
func prefixes(client netip.Addr) (list []any) {
	client = access.Plain(client)
	for bits := range client.BitLen() + 1 {
		p, _ := client.Prefix(bits) // of no more bits than it has
		list = append(list, p.String())
	}
	return list
}

// BansSince implements access.Feed.
func (s *Keeper) BansSince(ctx context.Context, since uint64) (changed []access.Ban, number uint64, err error) {
	return s.table.Since(ctx, "ban.since", since)
}

// BansChanged implements access.Feed.
func (s *Keeper) BansChanged() (changed <-chan struct{}, told bool) {
	return s.table.Base.Signal.Changed()
}

// PruneBans implements access.Store.
func (s *Keeper) PruneBans(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	return s.table.Prune(ctx, "ban.prune", before, limit)
}

// scan reads a ban; a network that is none is damage.
func scan(r *sqlkit.Row) access.Ban {
	b := access.Ban{ID: r.ID()}
	p, err := netip.ParsePrefix(r.Text())
	if err != nil {
		r.Fail(err)
	}
	b.Prefix, b.Login, b.Shadow, b.Reason, b.By = p, r.Text(), r.Bool(), r.Text(), r.Text()
	b.Start, b.End, b.Lifted = r.Time(), r.Time(), r.Text()
	return b
}
