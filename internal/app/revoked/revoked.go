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

// Options are what a Holder is made of; all are needed.
type Options struct {
	Store queue.CertifiedStore
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

// portion is how many deliveries are held together, unless one submission alone has more: some
// hundredths of a second, between which mail flows.
const portion = 1000

// look holds what waits and came with a certificate that is revoked now.
func (h *Holder) look(ctx context.Context) error {
	kinds := []string{string(account.Certificate)}
	if h.opt.Named {
		kinds = append(kinds, string(account.Password))
	}
	held := 0
	judged := map[string]bool{} // by path
	err := h.opt.Store.Certified(ctx, kinds, func(list []queue.Came) error {
		n, err := h.hold(ctx, h.revoked(list, judged))
		held += n
		return err
	})
	if held > 0 {
		h.opt.Logger.Warn("mail that came with revoked certificates is held", "deliveries", held, "reason", queue.HoldCertificate)
	}
	return err
}

// maxJudged is how many paths are known of a look.
const maxJudged = 10_000

// revoked returns those of a list that came with a certificate that is revoked now. What was
// judged before in this look is in judged.
func (h *Holder) revoked(list []queue.Came, judged map[string]bool) (gone []queue.Came) {
	for _, s := range list {
		is, known := judged[s.Path]
		if !known {
			is = h.opt.Revokes(s.Path)
			if len(judged) < maxJudged {
				judged[s.Path] = is
			}
		}
		if is {
			gone = append(gone, s)
		}
	}
	return gone
}

// hold holds what waits of submissions, in portions.
func (h *Holder) hold(ctx context.Context, list []queue.Came) (held int, err error) {
	for len(list) > 0 {
		var ids []mail.ID
		for deliveries := 0; len(list) > 0 && (ids == nil || deliveries+list[0].Deliveries <= portion); list = list[1:] {
			ids = append(ids, list[0].Submission)
			deliveries += list[0].Deliveries
		}
		n, err := h.opt.Store.HoldCertified(ctx, ids, audit.Event{
			At: h.opt.Now(), Kind: audit.DeliveryHeld, Actor: "gate", Reason: queue.HoldCertificate,
			Text: "it came with a certificate that is on a list of revocations since",
		})
		held += n
		if err != nil {
			return held, err
		}
	}
	return held, nil
}
