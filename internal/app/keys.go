package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/cert"
	"countersign/internal/config"
	"countersign/internal/dkim"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/seal"
)

// SealedStore is the part of an engine that keeps sealed secrets: the domains'
// keys, and what ACME obtained.
type SealedStore interface {
	account.DomainStore
	CountCertificates(ctx context.Context) (int, error)
}

// OpenSealer opens the key file that seals secrets in the store. It is made
// where there is neither a file nor anything sealed: a new file beside old
// secrets would open none of them, so that is fault.NotFound instead.
func OpenSealer(ctx context.Context, cfg *config.Config, store SealedStore) (*seal.Sealer, error) {
	const op = "app.keys"
	_, err := os.Stat(cfg.DKIM.KeyFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return NewSealer(cfg)
	}
	known, err := store.Domains(ctx, "")
	if err != nil {
		return nil, err
	}
	if len(known) > 0 {
		domains := "a domain"
		if len(known) > 1 {
			domains = fmt.Sprintf("%d domains", len(known))
		}
		return nil, fault.New(op, fault.NotFound,
			"the key file %s is missing, and the signing keys of %s are sealed with it: put it back from a copy; if it is lost, "+
				"\"countersign domain rekey NAME --replace\" gives each domain new keys",
			cfg.DKIM.KeyFile, domains)
	}
	certificates, err := store.CountCertificates(ctx)
	if err != nil {
		return nil, err
	}
	if certificates > 0 {
		return nil, fault.New(op, fault.NotFound,
			"the key file %s is missing, and what ACME obtained is sealed with it: put it back from a copy; if it is lost, %s",
			cfg.DKIM.KeyFile, cert.StartAnew)
	}
	return NewSealer(cfg)
}

// NewSealer opens the key file, and makes one where there is none, whatever was
// sealed with an earlier one.
func NewSealer(cfg *config.Config) (*seal.Sealer, error) {
	return seal.LoadOrCreate(cfg.DKIM.KeyFile, rand.Reader)
}

// NewKeys makes the DKIM keys of a new domain, one for each algorithm, sealed.
func NewKeys(sealer *seal.Sealer, domain mail.Domain, now time.Time, random io.Reader) ([]account.Key, error) {
	return RenewKeys(sealer, domain, nil, now, random)
}

// RenewKeys is NewKeys for a domain that has keys: the new ones have selectors
// of their own, as the old ones may still be published.
func RenewKeys(sealer *seal.Sealer, domain mail.Domain, old []account.Key, now time.Time, random io.Reader) ([]account.Key, error) {
	if random == nil {
		random = rand.Reader
	}
	var keys []account.Key
	for _, algorithm := range dkim.Algorithms() {
		key, err := dkim.Generate(domain, freeSelector(dkim.Selector(algorithm, now), old), algorithm, random)
		if err != nil {
			return nil, err
		}
		sealed, err := key.Seal(sealer)
		if err != nil {
			return nil, err
		}
		record, err := key.Record()
		if err != nil {
			return nil, err
		}
		keys = append(keys, account.Key{
			Selector: key.Selector, Algorithm: string(algorithm),
			Public: record.Value, Sealed: sealed, Created: now,
		})
	}
	return keys, nil
}

// freeSelector returns a selector, with a number behind it where a key has it
// already: "cs-rsa-202611-2".
func freeSelector(selector string, old []account.Key) string {
	free := selector
	for n := 2; slices.ContainsFunc(old, func(k account.Key) bool { return k.Selector == free }); n++ {
		free = fmt.Sprintf("%s-%d", selector, n)
	}
	return free
}
