// Package examine has logins explained as the server with a configuration would decide
// them, and what that asks tried, for commands beside it: it opens what the server asks, and
// changes nothing.
//
// Main functions: Login, Device, Doors, Connect.
package examine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/book"
	"countersign/internal/access/list"
	"countersign/internal/account"
	"countersign/internal/app"
	"countersign/internal/app/directories"
	"countersign/internal/app/entrances"
	"countersign/internal/app/guarding"
	"countersign/internal/config"
	"countersign/internal/feed"
	"countersign/internal/login"
	"countersign/internal/login/walk"
	"countersign/internal/mail"
)

// Login explains a login as the server with that configuration would decide it, on a
// store that it changes nothing of. Issuers of tokens and directories are asked as the
// server asks them. Errors are those of login.Verifier.Explain, and what keeps a server
// from starting.
func Login(ctx context.Context, cfg *config.Config, store interface {
	account.Store
	access.Store
	list.Store
	app.SealedStore
}, q login.Question) (x *walk.Explanation, err error) {
	sealer, err := app.OpenSealer(ctx, cfg, store)
	if err != nil {
		return nil, err
	}
	options := app.VerifierOptions(cfg)
	options.Store, options.Now = store, time.Now
	if options.Maker, options.Hasher, err = app.NewMaker(ctx, cfg, store, sealer); err != nil {
		return nil, err
	}
	bans := book.New(options.Now)
	if err := book.Follow(store, bans, feed.Options{}).Load(ctx); err != nil {
		return nil, err
	}
	options.Banned = bans.Hits
	entrance, err := entrances.Once(ctx, cfg, store, nil)
	if err != nil {
		return nil, err
	}
	lists := lists{entrance}
	options.Denied = lists.denied
	tokens, err := app.NewTokens(cfg, time.Now)
	if err != nil {
		return nil, err
	}
	if tokens != nil {
		defer tokens.Close()
		options.Tokens = tokens
	}
	if len(cfg.Directories) > 0 {
		set, err := directories.Open(cfg.Directories, directories.Options{
			Store: store, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			// Explain makes nothing.
			NewKeys: func(mail.Domain) ([]account.Key, error) { return nil, errors.New("a rehearsal makes no keys") },
		})
		if err != nil {
			return nil, err
		}
		defer set.Close()
		set.GreetOnce(ctx) // what they offer; where one is away, a question says so
		options.Directories = set
	}
	x, err = login.New(options).Explain(ctx, q)
	if err == nil && q.Attempt.Client.IsValid() {
		x.Ban = described(bans.Login(q.Attempt.Client, x.Login))
		x.Access = lists.about(&q.Attempt, x.Sender)
	}
	return x, err
}

// sealedStore is what the keys of a server are read from.
type sealedStore interface {
	account.Store
	app.SealedStore
}

// Device returns what makes of a login, and of what its client calls itself, what stands for it in the
// guard of the server with that configuration. Errors are what keeps that from starting.
func Device(ctx context.Context, cfg *config.Config, store sealedStore) (func(login, name string) uint32, error) {
	sealer, err := app.OpenSealer(ctx, cfg, store)
	if err != nil {
		return nil, err
	}
	maker, _, err := app.NewMaker(ctx, cfg, store, sealer)
	if err != nil {
		return nil, err
	}
	return guarding.Device(maker.Lasting), nil
}

// described says what a ban is, and how it is lifted; "" for none.
func described(b *access.Ban) string {
	if b == nil {
		return ""
	}
	until := "without an end"
	if !b.End.IsZero() {
		until = "until " + b.End.UTC().Format("2006-01-02 15:04:05Z")
	}
	return fmt.Sprintf("ban %s of %s, %s, refuses it: %s; \"countersign ban lift %s\" ends it", b.ID, b.Object(), until, b.Reason, b.ID)
}
