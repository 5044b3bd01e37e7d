package submission

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

// keyringMax bounds the domains whose opened keys are kept in memory.
const keyringMax = 10_000

// keyring keeps opened DKIM keys, so that a message costs no decryption and no
// parsing. What it keeps is as old as the account generation it was read at.
type keyring struct {
	accounts account.Directory
	sealer   *seal.Sealer
	now      func() time.Time
	logger   *slog.Logger

	mu sync.RWMutex // guards all below
	// domains holds the opened keys of each domain seen.
	domains map[mail.Domain]ringEntry
	// failing has each domain whose keys could not be opened when they were
	// wanted last, and why; bounded as domains.
	failing map[mail.Domain]error
}

// ringEntry is one domain's keys.
type ringEntry struct {
	generation uint64
	stored     []account.Key // as read, to see whether they changed
	signer     *dkim.Signer
	published  []domainkey.Key // as they are to be published
}

func newKeyring(o Options) *keyring {
	return &keyring{
		accounts: o.Accounts, sealer: o.Sealer, now: o.Now, logger: o.Logger,
		domains: map[mail.Domain]ringEntry{}, failing: map[mail.Domain]error{},
	}
}

// signerFor returns the signer of a domain as of that account generation. A
// domain without keys, or with one that cannot be opened, is an error: a
// message is never sent unsigned because of it.
func (r *keyring) signerFor(ctx context.Context, domain mail.Domain, generation uint64) (*dkim.Signer, error) {
	entry, err := r.entryFor(ctx, domain, generation)
	return entry.signer, err
}

// entryFor returns all that is known of a domain's keys as of that account generation;
// errors as signerFor.
func (r *keyring) entryFor(ctx context.Context, domain mail.Domain, generation uint64) (ringEntry, error) {
	r.mu.RLock()
	have, ok := r.domains[domain]
	r.mu.RUnlock()
	if ok && have.generation == generation {
		return have, nil
	}
	stored, err := r.accounts.SigningKeys(ctx, domain)
	if err != nil {
		return ringEntry{}, storeFault(err)
	}
	entry := ringEntry{generation: generation, stored: stored, signer: have.signer, published: have.published}
	if !ok || !sameKeys(stored, have.stored) {
		entry.signer, err = r.open(domain, stored)
		if err != nil {
			r.fails(domain, err)
			return ringEntry{}, err
		}
		entry.published = published(domain, stored)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.failing, domain)
	if len(r.domains) >= keyringMax {
		clear(r.domains)
	}
	r.domains[domain] = entry
	return entry, nil
}

// open opens every key of a domain.
func (r *keyring) open(domain mail.Domain, stored []account.Key) (*dkim.Signer, error) {
	if len(stored) == 0 {
		return nil, signingFault(fault.New("submission.keys", fault.NotFound, "domain %s has no DKIM key", domain))
	}
	keys := make([]dkim.Key, 0, len(stored))
	for _, k := range stored {
		key, err := dkim.OpenKey(r.sealer, domain, k.Selector, k.Sealed)
		if err != nil {
			return nil, signingFault(err)
		}
		keys = append(keys, key)
	}
	signer, err := dkim.NewSigner(keys, r.now)
	if err != nil {
		return nil, signingFault(err)
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
	return signingFault(err)
}

// signingFault makes the temporary refusal of a message that cannot be signed.
func signingFault(err error) error {
	return &fault.Error{Op: "submission.sign", Kind: fault.Unavailable, Reason: string(smtp.ESigningUnavailable), Err: err}
}
