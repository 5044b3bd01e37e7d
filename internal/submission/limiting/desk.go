package limiting

import (
	"errors"
	"strings"
	"time"

	"countersign/internal/limit"
	"countersign/internal/limit/lately"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// Desk is what the sessions of a gate share of limits. Host and Now are needed; its methods may be
// called concurrently.
type Desk struct {
	// Host is the gate's name, of whose postmaster the mail is not limited as other mail is.
	Host string
	Now  func() time.Time
	// Lately are limits that had no room.
	Lately lately.Memory
}

// isPostmaster reports whether an address is that of whoever runs the gate (RFC 5321
// section 4.5.1).
func (d *Desk) isPostmaster(a mail.Address) bool {
	return a.IsASCII() && strings.EqualFold(a.Local, "postmaster") && strings.EqualFold(string(a.Domain), d.Host)
}

// ForHelp reports whether a message is to the postmaster alone: its limits are its own.
func (d *Desk) ForHelp(a *queue.Acceptance) bool {
	return len(a.Deliveries) == 1 && d.isPostmaster(a.Deliveries[0].Recipient.To)
}

// Question makes the question about a message that the store answers where it stores it; nil
// where nobody has a limit. warnAt is that of limit.Question.
func (d *Desk) Question(a *queue.Acceptance, levels []limit.Level, warnAt int) *limit.Question {
	levels = limit.OfStore(levels)
	switch {
	case len(levels) == 0:
		return nil
	case d.ForHelp(a):
		return forHelp(&a.Submission)
	}
	return question(a, levels, warnAt)
}

// Note remembers which limits had no room, by what became of a message.
func (d *Desk) Note(a *queue.Acceptance, err error) {
	var over *limit.OverError
	switch {
	case a.Limits == nil:
	case err == nil:
		d.Lately.Note(&a.Decision, a.Limits.Levels, d.Now())
	case errors.As(err, &over):
		d.Lately.Note(&over.Decision, a.Limits.Levels, d.Now())
	}
}

// room refuses a recipient with whom the message is over a limit for certain, by what this
// gate remembers: so the client hears it before the content (RFC 5321 section 4.5.3.1.10 has
// 452 here, after which it sends to the others first). The store is not asked; what it decides
// about the whole message stands.
func (d *Desk) room(levels []limit.Level, recipients int64) error {
	if d.Lately.Empty() {
		return nil
	}
	over := d.Lately.Over(levels, recipients, d.Now())
	if over == nil {
		return nil
	}
	return refusal("submission.rcpt", over)
}
