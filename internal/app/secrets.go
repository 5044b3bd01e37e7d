package app

import (
	"context"
	"sync"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/app/passwords"
	"countersign/internal/config"
	"countersign/internal/login/secrets"
)

// Secrets decides on new passwords and turns them into what is stored of them, for a
// command: key file and list are opened when there is a password, as most commands have
// none. It is safe for concurrent use.
type Secrets struct {
	cfg   *config.Config
	store interface {
		account.CredentialStore
		SealedStore
	}

	once  sync.Once
	maker *secrets.Maker
	rule  account.Rule
	err   error
}

// NewSecrets returns Secrets for a store.
func NewSecrets(cfg *config.Config, store interface {
	account.CredentialStore
	SealedStore
}) *Secrets {
	return &Secrets{cfg: cfg, store: store}
}

// open makes both, once.
func (s *Secrets) open(ctx context.Context) error {
	s.once.Do(func() {
		sealer, err := OpenSealer(ctx, s.cfg, s.store)
		if err != nil {
			s.err = err
			return
		}
		maker, hasher, err := NewMaker(ctx, s.cfg, s.store, sealer)
		if err == nil {
			s.maker = maker
			s.rule, err = passwords.NewRule(s.cfg, hasher)
		}
		s.err = err
	})
	return s.err
}

// MakeSecret implements account.SecretMaker.
func (s *Secrets) MakeSecret(ctx context.Context, login, password string, kind account.CredentialKind, legacy bool) (account.Secret, error) {
	if err := s.open(ctx); err != nil {
		return account.Secret{}, err
	}
	return s.maker.MakeSecret(ctx, login, password, kind, legacy)
}

// KeyIn implements importing.Secrets.
func (s *Secrets) KeyIn(h hash.Hash) string { return secrets.KeyIn(h) }

// Imported implements importing.Secrets.
func (s *Secrets) Imported(ctx context.Context, login string, h hash.Hash) (account.Secret, error) {
	if err := s.open(ctx); err != nil {
		return account.Secret{}, err
	}
	return s.maker.Imported(login, h)
}

// Check implements account.Rule.
func (s *Secrets) Check(ctx context.Context, password string, about account.About) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.rule.Check(ctx, password, about)
}

// notRenewed tells the operator that passwords stay in an old form, or without some keys.
func (a *App) notRenewed(login string, err error) {
	a.log.Warn("a password that was right could not be stored in the forms of the day: the next login by it tries again", "login", login, "error", err)
}
