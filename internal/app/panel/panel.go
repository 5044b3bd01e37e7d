// Package panel makes the API that control panels and billing systems use out of what a gate
// has: its store, its configuration, its record.
//
// What there is in the API is in package web/api/resource; who may use it stands in the
// configuration.
//
// Main types: Set, Options.
package panel

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	bans "countersign/internal/access/book"
	"countersign/internal/access/list"
	entries "countersign/internal/access/list/book"
	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/app/aligning"
	"countersign/internal/app/entrances"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/shown"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/resource"
)

// Options are what a Set is made of. All fields are needed, but Explain.
type Options struct {
	Config  *config.Config
	Version string
	Store   resource.Store
	IDs     *mail.IDSource
	Now     func() time.Time
	// Accounts returns the administration of accounts, in the name of an actor.
	Accounts func(actor string) *admin.Admin
	// Place says where a client is.
	Place func(netip.Addr) list.Place
	// Books are those of the gate.
	Books Books
	// Explain says what a gate of a configuration would answer to a message; nil where
	// nothing does.
	Explain func(context.Context, *config.Config, resource.Question) (*resource.Verdict, error)
	// Record records an event.
	Record func(audit.Event)
	Logger *slog.Logger
}

// Books are what a gate that runs has in memory, and decides by. All are needed.
type Books struct {
	Bans    *bans.Book
	Entries *entries.Book
	// Limits are those of who sends.
	Limits func(limit.Who) []limit.Level
	// Foresee says what the guard makes of a client that tries a login now, and calls itself so:
	// it is guard.Guard.Foresee.
	Foresee func(client netip.Addr, login, device string) (until time.Time, why error)
}

// Explainer says what a gate of a configuration would answer to a message, by a store and by the books of
// the gate that runs.
type Explainer[S any] func(context.Context, *config.Config, S, Books, resource.Question) (*resource.Verdict, error)

// On returns what explains by a store and books; nil for a nil Explainer.
func (e Explainer[S]) On(store S, books Books) func(context.Context, *config.Config, resource.Question) (*resource.Verdict, error) {
	if e == nil {
		return nil
	}
	return func(ctx context.Context, c *config.Config, q resource.Question) (*resource.Verdict, error) {
		return e(ctx, c, store, books, q)
	}
}

// Set is the API of one gate.
type Set struct {
	opt     Options
	handler *api.Handler
	current atomic.Pointer[config.Config]
}

// holdUp is how long the answer to a wrong token waits.
const holdUp = time.Second

// Open makes the API. Errors are those of Prepare.
func Open(o Options) (*Set, error) {
	s := &Set{opt: o}
	s.handler = api.New(api.Options{
		Table: resource.Table(s.resources()), Version: o.Version, IDs: o.IDs, Now: o.Now, Refused: s.refused, Logger: o.Logger,
		Wait: func(ctx context.Context) {
			select {
			case <-ctx.Done():
			case <-time.After(holdUp):
			}
		},
	})
	commit, err := s.Prepare(o.Config)
	if err != nil {
		return nil, err
	}
	commit()
	return s, nil
}

// Handler serves what is below api.Prefix.
func (s *Set) Handler() http.Handler { return s.handler }

// Prepare reads the tokens of a configuration, and changes nothing before commit is called.
// The error says which cannot be read.
func (s *Set) Prepare(c *config.Config) (commit func(), err error) {
	var clients client.Set
	for i := range c.APIClients {
		one := &c.APIClients[i]
		token, err := one.Token()
		if err != nil {
			return nil, err
		}
		if err := client.CheckToken(token.Reveal()); err != nil {
			return nil, fmt.Errorf("api_client.token_file: the token in %s %s", one.TokenFile, fault.DetailOf(err, fault.Invalid))
		}
		o := client.Options{Name: one.Name, Token: token.Reveal(), Customers: one.Customers, Plans: one.Plans, PerMinute: one.Requests}
		for _, p := range one.Networks {
			o.Networks = append(o.Networks, p.Prefix)
		}
		for _, word := range one.May {
			o.May = append(o.May, client.Permission(word))
		}
		clients = append(clients, client.New(o))
	}
	return func() {
		s.current.Store(c)
		s.handler.SetClients(clients)
	}, nil
}

// resources are what the operations work with.
func (s *Set) resources() resource.Options {
	return resource.Options{
		Store: s.opt.Store, Entries: s.opt.Books.Entries, IDs: s.opt.IDs, Now: s.opt.Now, Accounts: s.opt.Accounts, Place: s.opt.Place,
		Window: func() time.Duration { return s.current.Load().Guard.Window.Std() },
		Useful: func(of list.Subject, what list.What) error { return entrances.Useful(s.current.Load(), of, what) },
		Explain: func(ctx context.Context, q resource.Question) (*resource.Verdict, error) {
			if s.opt.Explain == nil {
				return nil, fault.New("panel.explain", fault.NotFound, "this gate explains no messages")
			}
			return s.opt.Explain(ctx, s.current.Load(), q)
		},
		Look: s.look,
	}
}

// look looks a domain up as receivers do, in the name of an actor, and keeps what it finds.
func (s *Set) look(ctx context.Context, actor string, d account.Domain) (shown.Alignment, error) {
	c := s.current.Load()
	judge, err := aligning.Judge(c)
	if err != nil {
		return shown.Alignment{}, err
	}
	var keys []account.Key
	if c.DKIM.Sign {
		keys = slices.DeleteFunc(slices.Clone(d.Keys), func(k account.Key) bool { return k.Stage != account.Signing })
	}
	renewal := aligning.Renewal{Store: s.opt.Store, Every: c.Alignment.CheckEvery.Std(), Actor: actor, Began: s.opt.Now(), Now: s.opt.Now}
	found := judge.Assess(ctx, aligning.Question(d.Name, keys))
	if err := renewal.Keep(ctx, d, found); err != nil {
		s.opt.Logger.Warn("what a look at a domain has found could not be kept as its last one", "domain", d.Name.String(), "error", err)
	}
	return shown.AlignmentOf(found), nil
}

// refused records that a token was turned away.
func (s *Set) refused(name string, from netip.Addr, why string) {
	e := audit.Event{At: s.opt.Now(), Kind: audit.APIRefused, Client: from.String(), Data: map[string]string{"cause": why}}
	if name != "" {
		e.Object = "api client " + name
	}
	s.opt.Record(e)
}
