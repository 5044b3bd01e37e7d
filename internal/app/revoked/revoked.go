// Package revoked holds waiting mail that came with a client certificate which is on a list of
// revocations since.
//
// The event of each acceptance by a certificate says what a list would call it. So the mail of
// one certificate is told from that of others that open the same account, and nothing has to be
// kept for this beside the record. Held is what waits when the list comes into force; what an
// administrator releases afterwards is not held again, by whatever gate and after whatever
// restart, as the record has that it was held.
//
// It judges no certificates (package cert/client does) and ends no sessions.
//
// Main type: Holder.
package revoked

import (
	"context"
	"log/slog"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// Store is what a Holder needs of an engine; each is as in packages queue and audit.
type Store interface {
	List(ctx context.Context, f queue.Filter) ([]queue.Item, error)
	Hold(ctx context.Context, f queue.Filter, reason string, e audit.Event) (int, error)
	Search(ctx context.Context, q audit.Query) ([]audit.Event, error)
}

// Options are what a Holder is made of; all are needed.
type Options struct {
	Store Store
	// Revokes says of a path (client.Identity.Path) whether it is revoked now; Changed has
	// something in it once more may be.
	Revokes func(path string) bool
	Changed <-chan struct{}
	// Named says whether accounts of directories are opened by certificates that name them.
	// Their mail waits under the account's password, so that is looked at too.
	Named  bool
	Now    func() time.Time
	Logger *slog.Logger
}

// Holder holds what came with certificates that are revoked. Its Run is called once.
type Holder struct{ opt Options }

// New returns a Holder.
func New(opt Options) *Holder { return &Holder{opt} }

// again is how long it is waited before the next look, after one that failed, and after the
// first that did not: what was about to be stored as the list came is found then.
const again = 5 * time.Second

// Run looks through what waits each time that more certificates are revoked, twice, until ctx
// ends. A look that fails is repeated.
func (h *Holder) Run(ctx context.Context) {
	for {
		select {
		case <-h.opt.Changed:
		case <-ctx.Done():
			return
		}
		for done := 0; done < 2; {
			if err := h.look(ctx); err == nil {
				done++
			} else if ctx.Err() == nil {
				h.opt.Logger.Warn("what came with revoked certificates could not be held yet", "error", err)
			}
			if done == 2 {
				break
			}
			select {
			case <-time.After(again):
			case <-ctx.Done():
				return
			}
		}
	}
}

// page is how many deliveries are listed at a time.
const page = 500

// look holds what waits and came with a certificate that is revoked now.
func (h *Holder) look(ctx context.Context) error {
	kinds := []account.CredentialKind{account.Certificate}
	if h.opt.Named {
		kinds = append(kinds, account.Password)
	}
	held := 0
	for _, kind := range kinds {
		for _, state := range []queue.State{queue.Queued, queue.Deferred} {
			n, err := h.lookAt(ctx, queue.Filter{State: state, CredentialKind: string(kind), Limit: page})
			held += n
			if err != nil {
				return err
			}
		}
	}
	if held > 0 {
		h.opt.Logger.Warn("mail that came with revoked certificates is held", "deliveries", held, "reason", queue.HoldCertificate)
	}
	return nil
}

// lookAt is look for what a filter selects, a page at a time.
func (h *Holder) lookAt(ctx context.Context, f queue.Filter) (held int, err error) {
	for {
		items, err := h.opt.Store.List(ctx, f)
		if err != nil {
			return held, err
		}
		n, err := h.judge(ctx, items)
		held += n
		if err != nil || len(items) < page {
			return held, err
		}
		last := items[len(items)-1].Delivery
		f.After = queue.Position{Submission: last.Submission, N: last.N}
	}
}

// judge holds those of some deliveries that came with a revoked certificate.
func (h *Holder) judge(ctx context.Context, items []queue.Item) (held int, err error) {
	// Messages of one session came with one certificate.
	bySession := map[mail.ID]bool{}
	var last mail.ID
	for i := range items {
		s := items[i].Submission
		if s.ID == last {
			continue // another recipient
		}
		last = s.ID
		revoked, known := bySession[s.Session]
		if !known {
			if revoked, err = h.isRevoked(ctx, s.ID); err != nil {
				return held, err
			}
			bySession[s.Session] = revoked
		}
		if !revoked {
			continue
		}
		n, err := h.hold(ctx, s)
		held += n
		if err != nil {
			return held, err
		}
	}
	return held, nil
}

// isRevoked reports whether a submission came with a certificate that is revoked now.
func (h *Holder) isRevoked(ctx context.Context, id mail.ID) (bool, error) {
	found, err := h.opt.Store.Search(ctx, audit.Query{Submission: id, Kind: audit.Accepted, Limit: 1})
	if err != nil || len(found) == 0 {
		return false, err
	}
	path := found[0].Data[queue.CertificatePath]
	return path != "" && h.opt.Revokes(path), nil
}

// hold holds what waits of a submission, unless it was held for this before.
func (h *Holder) hold(ctx context.Context, s *queue.Submission) (int, error) {
	before, err := h.opt.Store.Search(ctx, audit.Query{Submission: s.ID, Kind: audit.DeliveryHeld, Reason: queue.HoldCertificate, Limit: 1})
	if err != nil || len(before) > 0 {
		return 0, err
	}
	return h.opt.Store.Hold(ctx, queue.Filter{Submission: s.ID}, queue.HoldCertificate, audit.Event{
		At: h.opt.Now(), Kind: audit.DeliveryHeld, Actor: "gate", Reason: queue.HoldCertificate,
		Text: "it came with a certificate that is on a list of revocations since",
	})
}
