package list

import (
	"context"
	"slices"
	"strings"
	"time"

	"countersign/internal/access"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

// AdminOptions are what an Admin is made of. All fields are needed.
type AdminOptions struct {
	Store Store
	IDs   *mail.IDSource
	// Actor is who acts, as the record names them: "cli:root".
	Actor string
	Now   func() time.Time
}

// Admin sets entries and removes them, with an event each. It is safe for concurrent use.
type Admin struct{ opt AdminOptions }

// NewAdmin returns an Admin.
func NewAdmin(opt AdminOptions) *Admin { return &Admin{opt} }

// Wanted is an entry that is to be set; the fields are those of Entry.
type Wanted struct {
	For    Subject
	What   What
	Effect Effect
	Shadow bool
	Reason string
	// End is when it ends; zero for never.
	End time.Time
	// Login is whose credential it is for, for the record; "" for others.
	Login string
	// Force sets it although it would do what is hardly ever meant.
	Force bool
	// Within is how many may hold with it.
	Within tenant.Bound
}

// now is the time as it is stored.
func (a *Admin) now() time.Time { return a.opt.Now().UTC().Truncate(time.Microsecond) }

// Add sets an entry. closes says that it is the first one that allows, so that from now on
// its subject is closed to all others. Errors are those of Store.AddEntry, and fault.Invalid,
// without Force, for what would keep out whom hardly anybody means to keep out, and for what
// would change nothing.
func (a *Admin) Add(ctx context.Context, w Wanted) (e Entry, closes bool, err error) {
	const op = "access.add"
	now := a.now()
	e = Entry{ID: a.opt.IDs.New(), For: w.For, What: w.What, Effect: w.Effect, Shadow: w.Shadow, Reason: strings.TrimSpace(w.Reason), Start: now, By: a.opt.Actor}
	if !w.End.IsZero() {
		e.End = w.End.UTC().Truncate(time.Microsecond)
	}
	if !e.Holds(now) {
		return e, false, fault.New(op, fault.Invalid, "the entry would end at %s, which is past", e.End.Format(time.RFC3339))
	}
	if err := e.Check(); err != nil {
		return e, false, err
	}
	if e.Effect == Allow && !e.Shadow {
		open, err := a.isOpen(ctx, e.For, now)
		if err != nil {
			return e, false, err
		}
		closes = open
	}
	if hazard := hazard(&e, closes); hazard != "" && !w.Force {
		return e, closes, fault.New(op, fault.Invalid, "%s", hazard)
	}
	if !w.Force && !e.Shadow {
		if err := a.idle(ctx, &e); err != nil {
			return e, closes, err
		}
	}
	event := e.Event(audit.AccessAdded, now, a.opt.Actor, e.Reason)
	if w.Login != "" {
		event.Login = w.Login
	}
	return e, closes, a.opt.Store.AddEntry(ctx, e, w.Within, event)
}

// isOpen reports whether nothing is allowed at a subject alone.
func (a *Admin) isOpen(ctx context.Context, of Subject, now time.Time) (bool, error) {
	found, err := a.opt.Store.Entries(ctx, Query{For: &of, Holding: now})
	return !slices.ContainsFunc(found, func(e Entry) bool { return e.Effect == Allow && !e.Shadow }), err
}

// hazard says what an entry would do that is hardly ever meant, and the way out; "" for
// nothing.
func hazard(e *Entry, closes bool) string {
	if e.Shadow || e.For.Kind.Login() {
		return ""
	}
	if closes {
		return "this is the first that is allowed " + preposition(e.For) + ": it would keep out all others; --exception lets these in and keeps out nobody, --force allows these alone"
	}
	if e.Effect != Deny || !e.What.Prefix.IsValid() {
		return ""
	}
	if risk := access.Hazard(e.What.Prefix); risk != "" {
		return e.What.String() + " " + risk + "; --force denies it all the same"
	}
	return ""
}

func preposition(s Subject) string {
	if s.Kind == Everywhere {
		return s.String()
	}
	return "at " + s.String()
}

// Remove ends the entry with that id. Errors are those of Store.RemoveEntry. opens says that
// it was the last one that closed its subject to all others.
func (a *Admin) Remove(ctx context.Context, id mail.ID) (e Entry, opens bool, err error) {
	found, err := a.opt.Store.Entries(ctx, Query{ID: id})
	if err != nil {
		return e, false, err
	}
	if len(found) == 0 {
		return e, false, fault.New("access.remove", fault.NotFound, "there is no entry %s", id)
	}
	e = found[0]
	at := a.now()
	if err := a.opt.Store.RemoveEntry(ctx, id, at, a.opt.Actor, e.Event(audit.AccessRemoved, at, a.opt.Actor, "")); err != nil {
		return e, false, err
	}
	if e.Effect == Allow && !e.Shadow {
		opens, err = a.isOpen(ctx, e.For, at)
	}
	e.End, e.Lifted = at, a.opt.Actor
	return e, opens, err
}
