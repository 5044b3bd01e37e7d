// Package keyring has the opened DKIM keys of domains for those who sign, so that a
// message costs no decryption and no parsing, and knows whose keys cannot be opened. It
// signs nothing itself: package dkim does.
package keyring

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"countersign/internal/account"
	"countersign/internal/dkim"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/domainkey"
	"countersign/internal/seal"
	"countersign/internal/smtp"
)

// most bounds the domains whose opened keys are kept in memory.
const most = 10_000

// Keyring keeps opened DKIM keys. What it keeps is as old as the account generation
// it was read at. It is safe for concurrent use.
type Keyring struct {
	accounts account.Directory
	sealer   *seal.Sealer
	now      func() time.Time
	logger   *slog.Logger

	mu sync.RWMutex // guards all below
	// domains holds the opened keys of each domain seen.
	domains map[mail.Domain]entry
	// failing has each domain whose keys could not be opened when they were
	// wanted last, and why; bounded as domains.
	failing map[mail.Domain]error
}

// entry is one domain's keys.
type entry struct {
	generation uint64
	stored     []account.Key // as read, to see whether they changed
	signer     *dkim.Signer
	published  []domainkey.Key // as they are to be published
}

// Options are what a Keyring works with; all of them are wanted.
type Options struct {
	// Accounts has the sealed keys of domains, Sealer opens them.
	Accounts account.Directory
	Sealer   *seal.Sealer
	// Now is the clock that signatures are dated by.
	Now func() time.Time
	// Logger is told of keys that cannot be opened.
	Logger *slog.Logger
}

// New returns a Keyring that has no keys yet.
func New(o Options) *Keyring {
	return &Keyring{
		accounts: o.Accounts, sealer: o.Sealer, now: o.Now, logger: o.Logger,
		domains: map[mail.Domain]entry{}, failing: map[mail.Domain]error{},
	}
}

// Signer returns the signer of a domain as of that account generation. A
// domain without keys, or with one that cannot be opened, is an error: a
// message is never sent unsigned because of it.
func (r *Keyring) Signer(ctx context.Context, domain mail.Domain, generation uint64) (*dkim.Signer, error) {
	of, err := r.entryFor(ctx, domain, generation)
	return of.signer, err
}

// Published returns the keys of a domain, as of that account generation, as they are
// to be published. Errors are those of Signer.
func (r *Keyring) Published(ctx context.Context, domain mail.Domain, generation uint64) ([]domainkey.Key, error) {
	of, err := r.entryFor(ctx, domain, generation)
	return of.published, err
}

// entryFor returns all that is known of a domain's keys as of that account generation;
// errors as Signer.
func (r *Keyring) entryFor(ctx context.Context, domain mail.Domain, generation uint64) (entry, error) {
	r.mu.RLock()
	have, ok := r.domains[domain]
	r.mu.RUnlock()
	if ok && have.generation == generation {
		return have, nil
	}
	stored, err := r.accounts.SigningKeys(ctx, domain)
	if err != nil {
		return entry{}, storeFault(err)
	}
	of := entry{generation: generation, stored: stored, signer: have.signer, published: have.published}
	if !ok || !sameKeys(stored, have.stored) {
		of.signer, err = r.Open(domain, stored)
		if err != nil {
			r.fails(domain, err)
			return entry{}, err
		}
		of.published = published(domain, stored)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.failing, domain)
	if len(r.domains) >= most {
		clear(r.domains)
	}
	r.domains[domain] = of
	return of, nil
}

// Open opens every key of a domain, and keeps nothing. Errors are those of Signer.
func (r *Keyring) Open(domain mail.Domain, stored []account.Key) (*dkim.Signer, error) {
	if len(stored) == 0 {
		return nil, Refusal(fault.New("submission.keys", fault.NotFound, "domain %s has no DKIM key", domain))
	}
	keys := make([]dkim.Key, 0, len(stored))
	for _, k := range stored {
		key, err := dkim.OpenKey(r.sealer, domain, k.Selector, k.Sealed)
		if err != nil {
			return nil, Refusal(err)
		}
		keys = append(keys, key)
	}
	signer, err := dkim.NewSigner(keys, r.now)
	if err != nil {
		return nil, Refusal(err)
	}
	return signer, nil
}

// sameKeys reports whether two readings hold the same sealed keys.
func sameKeys(a, b []account.Key) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Selector != b[i].Selector || !bytes.Equal(a[i].Sealed, b[i].Sealed) {
			return false
		}
	}
	return true
}

// storeFault passes on an error of a store that is away, busy or no longer ours, which
// says nothing about signing; any other is one of the keys.
func storeFault(err error) error {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Busy, fault.Canceled, fault.Fenced:
		return fault.Wrap("submission.sign", fault.Internal, err)
	}
	return Refusal(err)
}

// Refusal makes the temporary refusal of a message that cannot be signed.
func Refusal(err error) error {
	return &fault.Error{Op: "submission.sign", Kind: fault.Unavailable, Reason: string(smtp.ESigningUnavailable), Err: err}
}

// published are the keys of a domain as they are to be published.
func published(domain mail.Domain, stored []account.Key) []domainkey.Key {
	keys := make([]domainkey.Key, 0, len(stored))
	for _, k := range stored {
		keys = append(keys, domainkey.Key{Domain: domain, Selector: k.Selector, Record: k.Public})
	}
	return keys
}
