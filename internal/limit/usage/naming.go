package usage

import (
	"context"
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/node"
)

// Names is what is asked for the names of subjects.
type Names interface {
	// Account is that of account.Store, Search that of audit.Store.
	Account(ctx context.Context, login string) (account.Account, error)
	Search(ctx context.Context, q audit.Query) ([]audit.Event, error)
}

// Holder returns the login and the name of the credential that a rule is for; "" where the
// rule is for something else, and for a credential that is gone. The record says whose it was
// when the rule was set. Errors are those of the store.
func Holder(ctx context.Context, store Names, r limit.Rule) (login, name string, err error) {
	if r.For.Kind != limit.Credential || r.For.Name == limit.Each {
		return "", "", nil
	}
	events, err := store.Search(ctx, audit.Query{
		Kind: audit.LimitSet, Object: r.Event(audit.LimitSet, r.Start, r.By, "").Object,
		Since: r.Start.Add(-time.Second), Until: r.Start.Add(time.Second), Limit: 1,
	})
	if err != nil || len(events) == 0 || events[0].Login == "" {
		return "", "", err
	}
	a, err := store.Account(ctx, events[0].Login)
	if fault.Is(err, fault.NotFound) {
		return "", "", nil
	}
	if i := slices.IndexFunc(a.Credentials, func(c account.Credential) bool { return string(c.ID) == r.For.Name }); i >= 0 {
		return a.Login(), a.Credentials[i].Name, nil
	}
	return "", "", err
}

// Named puts LOGIN/NAME in the place of the id of the credential that a rule is for, to be
// read by people; any other rule stays as it is, and so does that of a credential that is
// gone. Errors are those of the store.
func Named(ctx context.Context, store Names, r limit.Rule) (limit.Rule, error) {
	login, name, err := Holder(ctx, store, r)
	if login != "" {
		r.For.Name = login + "/" + name
	}
	return r, err
}

// Gate refuses a subject that is a gate which there is not: fault.NotFound. Any other passes.
func Gate(ctx context.Context, store interface {
	Nodes(ctx context.Context) ([]node.Node, error)
}, s limit.Subject) error {
	if s.Kind != limit.Node || s.Name == limit.Each {
		return nil
	}
	nodes, err := store.Nodes(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(nodes, func(n node.Node) bool { return n.ID == s.Name }) {
		return fault.New("limit.gate", fault.NotFound, "%s does not exist", s)
	}
	return nil
}
