package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"countersign/internal/account"
	"countersign/internal/app/rekeying"
	"countersign/internal/cert"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/node"
	"countersign/internal/obs"
	"countersign/internal/policy/turnover"
	"countersign/internal/seal"
)

// SealedStore is the part of an engine that keeps sealed secrets, the domains'
// keys and what ACME obtained, and knows who else may work with them.
type SealedStore interface {
	account.DomainStore
	CountCertificates(ctx context.Context) (int, error)
	// Nodes is that of node.Store.
	Nodes(ctx context.Context) ([]node.Node, error)
}

// OpenSealer opens the key file that seals secrets in the store. It is made
// where there is neither a file nor anything sealed: a new file beside old
// secrets would open none of them, so that is fault.NotFound instead.
func OpenSealer(ctx context.Context, cfg *config.Config, store SealedStore) (*seal.Sealer, error) {
	_, err := os.Stat(cfg.DKIM.KeyFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return NewSealer(cfg)
	}
	known, err := store.Domains(ctx, account.DomainQuery{})
	if err != nil {
		return nil, err
	}
	if len(known) > 0 {
		domains := "a domain"
		if len(known) > 1 {
			domains = fmt.Sprintf("%d domains", len(known))
		}
		return nil, missingKey(cfg, "the signing keys of "+domains+" are", "\"countersign domain rekey NAME --replace\" gives each domain new keys")
	}
	certificates, err := store.CountCertificates(ctx)
	if err != nil {
		return nil, err
	}
	if certificates > 0 {
		return nil, missingKey(cfg, "what ACME obtained is", cert.StartAnew)
	}
	return NewSealer(cfg)
}

// missingKey says what was sealed with the key file that is missing, and what to do:
// gates that share a store share the file, so that the next one has it.
func missingKey(cfg *config.Config, sealed, otherwise string) error {
	back := "put it back from a copy; if it is lost,"
	if cfg.Store.InPostgres() {
		back = "copy it from another gate, as all that share the database have the same, or put it back from a copy; only if it is lost on all, stop all gates, and"
	}
	return fault.New("app.keys", fault.NotFound, "the key file %s is missing, and %s sealed with it: %s %s", cfg.DKIM.KeyFile, sealed, back, otherwise)
}

// RenewSealer is OpenSealer for who gives up what is sealed: a key file that is
// missing is made anew. fault.Conflict where another process serves mail from the store,
// as that has the file, and would open nothing that is sealed with another.
func RenewSealer(ctx context.Context, cfg *config.Config, store SealedStore) (*seal.Sealer, error) {
	sealer, err := OpenSealer(ctx, cfg, store)
	if !fault.Is(err, fault.NotFound) {
		return sealer, err
	}
	list, err := store.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range list {
		if n.Alive || n.Up {
			return nil, fault.New("app.keys", fault.Conflict,
				"the key file %s is missing here, but node %q (%s) is up and works with it: copy the file from there, mode 0600. "+
					"Keys in a new file would make that gate refuse the domain's mail; if the file is lost there too, stop all gates first",
				cfg.DKIM.KeyFile, n.ID, n.Address)
		}
	}
	return NewSealer(cfg)
}

// NewSealer opens the key file, and makes one where there is none, whatever was
// sealed with an earlier one.
func NewSealer(cfg *config.Config) (*seal.Sealer, error) {
	return seal.LoadOrCreate(cfg.DKIM.KeyFile, rand.Reader)
}

// turnKeys has domains come to new keys, where this gate is to.
func (a *App) turnKeys() error {
	opt, err := rekeying.Configured(a.cfg, a.opt.Now)
	if err != nil || opt.Every == 0 {
		return err
	}
	opt.Store, opt.Maker.Sealer, opt.Logger = a.store, a.sealer, a.log
	opt.Asker, err = rekeying.Asker(a.cfg)
	if err != nil {
		return err
	}
	turner := rekeying.New(opt)
	a.background("keys", turner.Run)
	a.health.Add("keys", func(context.Context) error {
		if text := turner.Problem(); text != "" { // what signs goes on signing
			return obs.Warning(text)
		}
		return nil
	})
	return nil
}

// KeyMaker makes signing keys as the configuration has it.
func KeyMaker(cfg *config.Config, sealer *seal.Sealer) turnover.Maker {
	return turnover.Maker{Sealer: sealer, Delegated: cfg.Rekey.Delegate != ""}
}
