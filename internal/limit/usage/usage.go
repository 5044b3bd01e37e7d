// Package usage tells how much is used of the limits of an account, and when there is room.
//
// Package limit counts and decides; here is asked, of all that an account is counted as.
//
// Main types: Room; functions Of, Makes, Remark.
package usage

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/network"
	"countersign/internal/node"
)

// Store is what is asked.
type Store interface {
	// Sender is that of account.Directory, Rules that of limit.Store, Counted that of
	// limit.Counts, Present that of limit.Holders, Nodes that of node.Store.
	Sender(ctx context.Context, login string) (*account.Sender, error)
	Rules(ctx context.Context, q limit.Query) ([]limit.Rule, error)
	Counted(ctx context.Context, subjects []limit.Subject) ([]*limit.Counter, time.Time, error)
	Present(ctx context.Context) (there func(holder string) bool, err error)
	Nodes(ctx context.Context) ([]node.Node, error)
}

// Of returns how much is used of each limit of the account with that login, the narrowest
// first; with a valid from also of those of the network that this address is in. Errors:
// fault.NotFound for an account that there is not, else those of the store.
func Of(ctx context.Context, store Store, login string, from netip.Addr, now time.Time) ([]Room, error) {
	found, err := find(ctx, store, login, from, now)
	if err != nil {
		return nil, err
	}
	subjects := make([]limit.Subject, len(found.levels))
	for i, l := range found.levels {
		subjects[i] = l.Subject
		subjects = append(subjects, limit.ApartOf(l.Subject))
	}
	counters, at, err := store.Counted(ctx, subjects)
	if err != nil {
		return nil, err
	}
	if err := found.bury(ctx, store, counters); err != nil {
		return nil, err
	}
	return found.rows(counters, at), nil
}

// bury leaves out connections of gates that are there no more: what they hold still stands in the
// counters until somebody counts in them.
func (f *found) bury(ctx context.Context, store Store, counters []*limit.Counter) error {
	if !limit.Bounds(f.levels, limit.Connections) {
		return nil
	}
	there, err := store.Present(ctx)
	if err != nil {
		return err
	}
	for _, c := range counters {
		c.Bury(there)
	}
	return nil
}

// found is all that an account is counted as.
type found struct {
	who    limit.Who
	levels []limit.Level
	// names are those of its credentials, by id.
	names map[string]string
	rules func(limit.Subject) []limit.Rule
	now   time.Time
}

// find looks up the account, each of its credentials and all above it.
func find(ctx context.Context, store Store, login string, from netip.Addr, now time.Time) (f found, err error) {
	sender, err := store.Sender(ctx, login)
	if fault.Is(err, fault.NotFound) {
		return f, fault.New("limit.usage", fault.NotFound, "account %s does not exist", login)
	}
	if err != nil {
		return f, err
	}
	f = found{who: whole(sender), names: map[string]string{}, now: now}
	f.who.Network = network.Of(from)
	f.rules = func(s limit.Subject) []limit.Rule {
		rules, failed := store.Rules(ctx, limit.Query{For: &s, Holding: f.now})
		if failed != nil {
			err = failed
		}
		return rules
	}
	for i := range sender.Account.Credentials {
		k := &sender.Account.Credentials[i]
		f.names[string(k.ID)] = login + "/" + k.Name
		f.levels = append(f.levels, of(limit.Who{Credential: string(k.ID)}, limit.Credential, f.rules, f.now)...)
	}
	f.levels = append(f.levels, f.who.Levels(f.rules, f.now)...)
	nodes, failed := store.Nodes(ctx)
	if failed != nil {
		return f, failed
	}
	for i := range nodes {
		f.levels = append(f.levels, of(limit.Who{Node: nodes[i].ID}, limit.Node, f.rules, f.now)...)
	}
	return f, err
}

// rows tells how much is used of each limit, and of the account's share of it.
func (f *found) rows(counters []*limit.Counter, at time.Time) (rows []Room) {
	rows = []Room{}
	account := slices.IndexFunc(f.levels, func(l limit.Level) bool { return l.Subject.Kind == limit.Account })
	for i, l := range f.levels {
		for _, k := range l.Limits {
			whose := counters[:len(f.levels)]
			if k.Measure == limit.Connections {
				whose = counters[len(f.levels):]
			}
			r := room(l.Subject, f.names[l.Subject.Name], k, whose[i], at)
			rule, extra := f.who.RuleOf(l.Subject, k, f.rules, f.now)
			r.by(rule, extra)
			rows = append(rows, r)
			if k.Share > 0 && k.Measure != limit.FailedShare && l.Subject.Kind > limit.Account && account >= 0 {
				part := share(l.Subject, k, whose[account], whose[i], at)
				part.by(rule, extra)
				rows = append(rows, part)
			}
		}
	}
	return rows
}

// whole is an account with all above it.
func whole(s *account.Sender) limit.Who {
	return limit.Who{Account: s.Account.Login(), Plan: s.Plan.Name, Domain: string(s.Domain.Name), Customer: s.Customer.Name}
}

// of returns the level of one kind.
func of(who limit.Who, kind limit.Kind, rules func(limit.Subject) []limit.Rule, now time.Time) []limit.Level {
	for _, l := range who.Levels(rules, now) {
		if l.Subject.Kind == kind {
			return []limit.Level{l}
		}
	}
	return nil
}
