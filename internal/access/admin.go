package access

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

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

// Admin sets bans and lifts them, with an event each. It is safe for concurrent use.
type Admin struct{ opt AdminOptions }

// NewAdmin returns an Admin.
func NewAdmin(opt AdminOptions) *Admin { return &Admin{opt} }

// Wanted is a ban that is to be set.
type Wanted struct {
	Prefix netip.Prefix
	Login  string
	Reason string
	// Shadow has it recorded only what it would refuse.
	Shadow bool
	// End is when it ends; zero for never.
	End time.Time
	// Force sets it although Hazard warns of it.
	Force bool
	// Within is how many may hold with it.
	Within tenant.Bound
}

// now is the time as it is stored.
func (a *Admin) now() time.Time { return a.opt.Now().UTC().Truncate(time.Microsecond) }

// Add sets a ban. Errors are those of Store.AddBan and Store.Bans, and fault.Invalid, without Force,
// for a network that Hazard warns of, and for a ban that would change nothing.
func (a *Admin) Add(ctx context.Context, w Wanted) (Ban, error) {
	const op = "ban.add"
	login, err := parseLogin(w.Login)
	if err != nil {
		return Ban{}, err
	}
	now := a.now()
	b := Ban{ID: a.opt.IDs.New(), Prefix: w.Prefix, Login: login, Shadow: w.Shadow, Reason: strings.TrimSpace(w.Reason), Start: now, By: a.opt.Actor}
	if !w.End.IsZero() {
		b.End = w.End.UTC().Truncate(time.Microsecond)
	}
	if !b.Holds(now) {
		return Ban{}, fault.New(op, fault.Invalid, "the ban would end at %s, which is past", b.End.Format(time.RFC3339))
	}
	if err := b.Check(); err != nil {
		return Ban{}, err
	}
	if hazard := Hazard(b.Prefix); hazard != "" && !w.Force {
		return Ban{}, fault.New(op, fault.Invalid, "%s %s; --force bans it all the same", b.Prefix, hazard)
	}
	if !w.Force {
		if err := a.idle(ctx, &b, w.Within.Customers); err != nil {
			return Ban{}, err
		}
	}
	return b, a.opt.Store.AddBan(ctx, b, w.Within, a.event(audit.BanAdded, &b, b.Reason))
}

// idle refuses, as fault.Invalid, a ban that would change nothing, as another one around it refuses
// all whom it would for as long. A second one of exactly the same is for the store to refuse. One in
// shadow is there to be looked at, and changes nothing anyway. Who is bound to customers is told of bans
// of these alone: a refusal would tell that there is one of others.
func (a *Admin) idle(ctx context.Context, b *Ban, customers []string) error {
	if b.Shadow {
		return nil
	}
	found, err := a.opt.Store.Bans(ctx, Query{Client: b.Prefix.Addr(), Holding: a.now(), Page: tenant.Page{Customers: customers}}) // what is around it has its first address
	found = slices.DeleteFunc(found, func(other Ban) bool { return other.Shadow })
	again := slices.ContainsFunc(found, func(other Ban) bool { return other.Prefix == b.Prefix && other.Login == b.Login })
	if err != nil || again || !slices.ContainsFunc(found, func(other Ban) bool { return other.implies(b) }) {
		return err
	}
	return fault.New("ban.add", fault.Invalid, "%s is banned already, by a network around it and for as long, so this would change nothing (\"countersign ban show\" has which ban it is); --force bans it all the same", b.Object())
}

// implies reports whether a ban refuses whomever another one does, for as long as that does.
func (b *Ban) implies(other *Ban) bool {
	around := b.Prefix.Bits() <= other.Prefix.Bits() && b.Prefix.Contains(other.Prefix.Addr())
	lasting := b.End.IsZero() || !other.End.IsZero() && !b.End.Before(other.End)
	return around && lasting && (b.Login == "" || b.Login == other.Login)
}

// Lift ends the ban with that id. Errors are those of Store.LiftBan.
func (a *Admin) Lift(ctx context.Context, id mail.ID) (Ban, error) {
	found, err := a.opt.Store.Bans(ctx, Query{ID: id})
	if err != nil {
		return Ban{}, err
	}
	if len(found) == 0 {
		return Ban{}, fault.New("ban.lift", fault.NotFound, "there is no ban %s", id)
	}
	return a.lift(ctx, found[0])
}

// Overlapping returns, of the bans of these customers, none for all, those that hold beside b and whose
// network is around b's or within it, for the same login or for everybody: the one of the longest
// prefix first. Errors are those of Store.Bans.
func (a *Admin) Overlapping(ctx context.Context, b *Ban, customers []string) ([]Ban, error) {
	found, err := a.opt.Store.Bans(ctx, Query{Holding: a.now(), Page: tenant.Page{Customers: customers}})
	found = slices.DeleteFunc(found, func(other Ban) bool {
		sameLogin := other.Login == b.Login || other.Login == "" || b.Login == ""
		return other.ID == b.ID || !sameLogin || !other.Prefix.Overlaps(b.Prefix)
	})
	slices.SortStableFunc(found, func(x, y Ban) int { return y.Prefix.Bits() - x.Prefix.Bits() })
	return found, err
}

// LiftOf ends the ban of exactly that network, and login where it is not "", or of the address that
// ParseBan has returned as alone with it: a real one before one in shadow, that of the network before that of
// the address. Errors are those of Store.LiftBan; fault.NotFound also where the bans there are of other logins,
// which it names.
func (a *Admin) LiftOf(ctx context.Context, p netip.Prefix, alone netip.Addr, login string) (Ban, error) {
	const op = "ban.lift"
	login, err := parseLogin(login)
	if err != nil {
		return Ban{}, err
	}
	found, err := a.opt.Store.Bans(ctx, Query{Prefix: p, Holding: a.now()})
	if err == nil && alone.IsValid() {
		var itself []Ban
		itself, err = a.opt.Store.Bans(ctx, Query{Prefix: netip.PrefixFrom(alone, alone.BitLen()), Holding: a.now()})
		found = append(found, itself...)
	}
	if err != nil {
		return Ban{}, err
	}
	for _, shadow := range []bool{false, true} {
		if i := slices.IndexFunc(found, func(b Ban) bool { return b.Login == login && b.Shadow == shadow }); i >= 0 {
			return a.lift(ctx, found[i])
		}
	}
	if len(found) > 0 {
		return Ban{}, fault.New(op, fault.NotFound, "%s is not banned so; there is a ban of %s, with id %s", p, found[0].Object(), found[0].ID)
	}
	return Ban{}, fault.New(op, fault.NotFound, "there is no ban of exactly %s that holds", p)
}

func (a *Admin) lift(ctx context.Context, b Ban) (Ban, error) {
	at := a.now()
	if err := a.opt.Store.LiftBan(ctx, b.ID, at, a.opt.Actor, a.event(audit.BanLifted, &b, "")); err != nil {
		return Ban{}, err
	}
	b.End, b.Lifted = at, a.opt.Actor
	return b, nil
}

// event makes the event of a change of a ban.
func (a *Admin) event(kind audit.Kind, b *Ban, text string) audit.Event {
	e := audit.Event{
		At: a.now(), Kind: kind, Actor: a.opt.Actor, Object: "ban " + b.Object(), Login: b.Login, Text: text,
		Data: map[string]string{"ban": string(b.ID)},
	}
	if b.Shadow {
		e.Data["shadow"] = "true"
	}
	if !b.End.IsZero() {
		e.Data["until"] = b.End.Format(time.RFC3339)
	}
	return e
}
