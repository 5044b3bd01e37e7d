package keyring

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// fails notes that the keys of a domain cannot be opened, and says so in the log,
// once until they can.
func (r *Keyring) fails(domain mail.Domain, err error) {
	r.mu.Lock()
	_, known := r.failing[domain]
	delete(r.domains, domain) // as read before
	if len(r.failing) < most {
		r.failing[domain] = err
	}
	r.mu.Unlock()
	if known {
		return
	}
	r.logger.Error("mail of a domain cannot be signed, and is refused until it can: is the key file of this gate the one that sealed the domain's keys?",
		"domain", domain.String(), "reason", fault.ReasonOf(err), "error", err)
}

// recheckMax bounds how many domains one check opens the keys of.
const recheckMax = 16

// recheck opens the keys of some failing domains again, as nobody may send mail from
// one that has been mended, or removed. It returns those that still fail, in order,
// and whether keys of any other domain are open.
func (r *Keyring) recheck(ctx context.Context) (failing []mail.Domain, others bool) {
	r.mu.RLock()
	suspects := slices.Sorted(maps.Keys(r.failing))
	r.mu.RUnlock()
	for _, domain := range suspects[:min(len(suspects), recheckMax)] {
		stored, err := r.accounts.SigningKeys(ctx, domain)
		if err == nil && len(stored) > 0 {
			_, err = r.Open(domain, stored)
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			continue
		}
		r.mu.Lock()
		delete(r.failing, domain)
		r.mu.Unlock()
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.failing)), len(r.domains) > 0
}

// Health says whose mail is refused because its keys cannot be opened, "" where there
// is nobody that is known of; others says that keys of some domain are open. It is made
// for a check every few seconds.
func (r *Keyring) Health(ctx context.Context) (problem string, others bool) {
	failing, others := r.recheck(ctx)
	if len(failing) == 0 {
		return "", others
	}
	more := ""
	if n := len(failing) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("mail of %s%s is refused, as the keys that sign it cannot be opened; see the log", failing[0], more), others
}
