package recent

import (
	"context"
	"sync"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
)

// Uses collects when credentials were used, and writes it down together: a commit for
// each login would cost more than the login. It is safe for concurrent use.
type Uses struct {
	store account.UseStore

	mu sync.Mutex // guards waiting
	// waiting holds the latest use of each credential that is not written yet.
	waiting map[mail.ID]account.Use
}

const (
	// writeUses is how often they are written.
	writeUses = 2 * time.Second
	// maxUses bounds what waits while the store is away, and portionUses what is
	// written at once.
	maxUses, portionUses = 50_000, 1000
)

// NewUses returns Uses that are written to s.
func NewUses(s account.UseStore) *Uses { return &Uses{store: s, waiting: map[mail.ID]account.Use{}} }

// Note takes a use; where too many wait it is dropped. One without a credential of the
// store is nobody's.
func (u *Uses) Note(use account.Use) {
	if use.Credential == "" {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.waiting[use.Credential]; ok || len(u.waiting) < maxUses {
		u.waiting[use.Credential] = use
	}
}

// Run writes until ctx ends, and then once more.
func (u *Uses) Run(ctx context.Context) {
	tick := time.NewTicker(writeUses)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			u.Write(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeUses)
			u.Write(last)
			cancel()
			return
		}
	}
}

// Write hands all that waits to the store; what it does not take is given back, unless
// there is a later one.
func (u *Uses) Write(ctx context.Context) {
	u.mu.Lock()
	all := make([]account.Use, 0, len(u.waiting))
	for _, use := range u.waiting {
		all = append(all, use)
	}
	u.waiting = map[mail.ID]account.Use{}
	u.mu.Unlock()
	for len(all) > 0 {
		n := min(len(all), portionUses)
		if err := u.store.Used(ctx, all[:n]); err != nil {
			break
		}
		all = all[n:]
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, use := range all {
		if _, later := u.waiting[use.Credential]; !later && len(u.waiting) < maxUses {
			u.waiting[use.Credential] = use
		}
	}
}

// Waiting returns how many wait to be written.
func (u *Uses) Waiting() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.waiting)
}

// Sooner returns the first of two moments, of which the zero one is never.
func Sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
