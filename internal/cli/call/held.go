package call

import (
	"slices"

	"countersign/internal/cli/table"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// HeldNone is what HoldsMail says where nothing was held.
const HeldNone = "0 deliveries held"

// maxHeld is how many held deliveries are counted.
const maxHeld = 10_000

// HoldsMail does an act that takes a credential from the account with that login, or a
// part of it, and says how much mail that came under the credential it held, and how that
// is released: "3 deliveries held: ...".
// Errors are those of the act and of the store.
func (o *Opened) HoldsMail(login string, credential mail.ID, act func() error) (string, error) {
	return o.holds(login, func(id mail.ID) bool { return id == credential }, act)
}

// HoldsMailOf is HoldsMail for an act that is about all that an account proves itself with.
func (o *Opened) HoldsMailOf(login string, act func() error) (string, error) {
	return o.holds(login, func(mail.ID) bool { return true }, act)
}

// holds is HoldsMail for the credentials that match.
func (o *Opened) holds(login string, match func(mail.ID) bool, act func() error) (string, error) {
	before, _, err := o.held(login, match)
	if err != nil {
		return "", err
	}
	if err := act(); err != nil {
		return "", err
	}
	after, more, err := o.held(login, match)
	n := max(0, after-before)
	text := table.Count(n, "delivery", "deliveries") + " held"
	if more {
		text = "more than " + text
	}
	if n > 0 || more {
		text += ": \"countersign queue list --account " + login + " --state held\" shows what is held, \"countersign queue release\" lets it go"
	}
	return text, err
}

// held counts the deliveries of an account that came under credentials that match and are held
// for want of it, or of whatever else an account needs; more says that there are more.
func (o *Opened) held(login string, match func(mail.ID) bool) (n int, more bool, err error) {
	f := queue.Filter{Login: login, State: queue.Held, Limit: 1000}
	for {
		items, err := o.Store.List(o.Ctx, f)
		if err != nil {
			return n, false, err
		}
		for i := range items {
			if match(items[i].Submission.Credential) && slices.Contains(queue.HoldsByChange(), items[i].Delivery.HoldReason) {
				n++
			}
		}
		if len(items) < f.Limit {
			return n, false, nil
		}
		if n >= maxHeld {
			return n, true, nil
		}
		last := items[len(items)-1].Delivery
		f.After = queue.Position{Submission: last.Submission, N: last.N}
	}
}
