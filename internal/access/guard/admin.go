package guard

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"countersign/internal/access"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Subject is a login, or a network, or an address with the networks that it is counted by.
type Subject struct {
	// Login is in the form of accounts; "" where it is a network.
	Login    string
	Networks []netip.Prefix
}

// ParseSubject reads a login, an address or a network. Errors: fault.Invalid.
func ParseSubject(text string) (Subject, error) {
	if a, err := mail.ParseAddress(text); err == nil && !a.IsNull() {
		return Subject{Login: a.Key()}, nil
	}
	p, err := access.ParsePrefix(text)
	if err != nil {
		return Subject{}, fault.New("guard.subject", fault.Invalid, "%q is neither a login nor an address or network: write ann@example.org, 192.0.2.1 or 2001:db8:7::/48", text)
	}
	if p.IsSingleIP() {
		return Subject{Networks: Networks(p.Addr())}, nil
	}
	return Subject{Networks: []netip.Prefix{p}}, nil
}

// mostFound bounds what is read of one login or network.
const mostFound = 10_000

// AdminOptions are what an Admin is made of. All fields are needed.
type AdminOptions struct {
	Store Store
	// Actor is who acts, as the record names them: "cli:root".
	Actor string
	Now   func() time.Time
}

// Admin shows what is counted, and has it forgotten. It is safe for concurrent use.
type Admin struct{ opt AdminOptions }

// NewAdmin returns an Admin.
func NewAdmin(o AdminOptions) *Admin { return &Admin{o} }

// Find returns what is stored of a subject, those that changed last first; of a login those where
// it came in by something else than its password at the end. What gates have
// counted within the last second may be missing. Errors are those of the store.
func (a *Admin) Find(ctx context.Context, s Subject) ([]Record, error) {
	var all []Record
	if s.Login != "" {
		for _, login := range []string{s.Login, otherwise + s.Login} {
			list, err := a.opt.Store.Records(ctx, Query{Login: login}, mostFound)
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
		}
		return all, nil
	}
	for _, p := range s.Networks {
		list, err := a.opt.Store.Records(ctx, Query{Network: p}, mostFound)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// keepForgotten is for how long it is stored that something was forgotten: longer than any
// failure counts.
const keepForgotten = 8 * 24 * time.Hour

// Forget lets nothing count any more that was counted of a subject, opens it where it is
// closed, and returns of how many Records. Bans stay. Errors: fault.NotFound where nothing
// counts, and those of the store.
func (a *Admin) Forget(ctx context.Context, s Subject, named string) (int, error) {
	found, err := a.Find(ctx, s)
	if err != nil {
		return 0, err
	}
	now := a.opt.Now().UTC()
	var list []Kept
	for _, r := range found {
		if r.failed() || r.Closed(now) {
			list = append(list, Kept{Forgotten(r, now), now.Add(keepForgotten)})
		}
	}
	if len(list) == 0 {
		return 0, fault.New("guard.forget", fault.NotFound, "nothing is counted of %s", named)
	}
	return len(list), a.opt.Store.KeepRecords(ctx, list, []audit.Event{{
		At: now, Kind: audit.GuardForgot, Actor: a.opt.Actor, Object: named, Login: s.Login,
	}})
}

// Named returns the login of a Record as people know it, and whether the Record says where it came
// in by something else than its password.
func (r *Record) Named() (login string, other bool) { return strings.CutPrefix(r.Login, otherwise) }
