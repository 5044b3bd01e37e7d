package aligning

import (
	"context"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/rounds"
)

// Renewal keeps what somebody has found who looked at a domain out of turn, so that listings do not say
// until the next regular look what is not so any more. All fields are needed.
type Renewal struct {
	Store rounds.Store
	// Every is how far apart the regular looks are; 0 where there are none.
	Every time.Duration
	// Actor is who looked, as the record names them.
	Actor string
	// Began is when they began to look.
	Began time.Time
	Now   func() time.Time
}

// Keep keeps what was found of a domain, and records it, as the regular look does. It keeps nothing where that would
// not have looked, or not at the same (another domain in MAIL FROM), where DNS did not answer, where another look has
// ended since this one began, which may know better, and where a gate has the domain in hand, which will say what it finds. Errors are those of the store.
func (r Renewal) Keep(ctx context.Context, d account.Domain, a alignment.Assessment) error {
	same := r.Every > 0 && d.State == account.Active && a.Question.MailFrom == d.Name
	if !same || a.Verdict == alignment.Unknown {
		return nil
	}
	now := r.Now().UTC().Truncate(time.Microsecond)
	taken, err := r.Store.TakeLooks(ctx, []mail.Domain{d.Name}, rounds.Turn{Node: r.Actor, At: now, Due: r.Began.UTC(), Lapsed: now.Add(-lapse)})
	if err != nil || len(taken) == 0 {
		return err
	}
	l := taken[0]
	events := found(&l, a, now, r.Every)
	for i := range events {
		events[i].Actor = r.Actor
	}
	err = r.Store.KeepLook(ctx, l, events...)
	if fault.Is(err, fault.Conflict) {
		return nil // it is gone
	}
	return err
}
