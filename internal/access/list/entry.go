package list

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// MaxReason is how long the reason of an entry may be, in octets: it stands in a reply.
const MaxReason = 150

// Effect is what an entry does.
type Effect uint8

// The effects.
const (
	// Deny keeps clients out.
	Deny Effect = iota
	// Allow lets clients in, and closes its subject to all that no entry of it allows.
	Allow
	// Except lets clients in that would be denied, and says nothing of others.
	Except
	effects
)

// effectNames are the names in their order.
var effectNames = [effects]string{"deny", "allow", "except"}

// String returns the name.
func (e Effect) String() string { return nameOf(effectNames[:], int(e)) }

// ParseEffect reads the name of an effect. Errors are fault.Invalid.
func ParseEffect(text string) (Effect, error) {
	if i := slices.Index(effectNames[:], text); i >= 0 {
		return Effect(i), nil
	}
	return 0, fault.New("access.effect", fault.Invalid, "%q is no effect of an access list; there are %s", text, strings.Join(effectNames[:], ", "))
}

// Entry is one line of an access list.
type Entry struct {
	ID     mail.ID
	For    Subject
	What   What
	Effect Effect
	// Shadow says that it does nothing: what it would have denied is recorded.
	Shadow bool
	// Reason is what clients are told that it refuses: one line of printable ASCII.
	Reason string
	// Start is when it was set. It holds from then on wherever it is known, whatever the
	// clock there says.
	Start time.Time
	// End is when it ends, or was removed; zero for never.
	End time.Time
	// By is who set it: "cli:root".
	By string
	// Lifted is who has removed it before its time; "" for nobody.
	Lifted string
}

// Holds reports whether the entry has not ended at that time. One that somebody has removed
// holds no more, whatever the clock says.
func (e *Entry) Holds(at time.Time) bool {
	return e.Lifted == "" && (e.End.IsZero() || at.Before(e.End))
}

// Object names the entry for people and the record: "deny DE for account a@example.org".
func (e *Entry) Object() string {
	text := e.Effect.String() + " " + e.What.String()
	if e.For.Kind == Everywhere {
		return text + " " + e.For.String()
	}
	return text + " for " + e.For.String()
}

// Same reports whether one of the two says nothing that the other does not say.
func (e *Entry) Same(other *Entry) bool {
	return e.For == other.For && e.What == other.What && e.Effect == other.Effect && e.Shadow == other.Shadow
}

// Event makes the event of a change of the entry.
func (e *Entry) Event(kind audit.Kind, at time.Time, actor, text string) audit.Event {
	ev := audit.Event{At: at, Kind: kind, Actor: actor, Object: "access " + e.Object(), Text: text, Data: map[string]string{"entry": string(e.ID)}}
	if e.For.Kind == Account {
		ev.Login = e.For.Name
	}
	if !e.End.IsZero() {
		ev.Data["until"] = e.End.Format(time.RFC3339)
	}
	if e.Shadow {
		ev.Data["shadow"] = "true"
	}
	return ev
}

// Check refuses, as fault.Invalid, an entry that is not of the form that the fields say, or
// that has ended before it began.
func (e *Entry) Check() error {
	const op = "access.check"
	switch {
	case !mail.ValidID(string(e.ID)):
		return fault.New(op, fault.Invalid, "an entry needs an id")
	case e.Effect >= effects:
		return fault.New(op, fault.Invalid, "an entry with an effect that there is not")
	case e.By == "":
		return fault.New(op, fault.Invalid, "nobody sets this entry")
	case e.Start.IsZero():
		return fault.New(op, fault.Invalid, "the entry has no beginning")
	case !e.End.IsZero() && !e.End.After(e.Start):
		return fault.New(op, fault.Invalid, "the entry would have ended before it began")
	}
	if err := e.For.check(); err != nil {
		return err
	}
	if err := e.What.check(); err != nil {
		return err
	}
	return checkReason(e.Reason)
}

// checkReason refuses a reason that cannot stand in a reply (RFC 5321 section 4.2 has
// printable ASCII there).
func checkReason(text string) error {
	const op = "access.reason"
	switch {
	case strings.TrimSpace(text) == "":
		return fault.New(op, fault.Invalid, "an entry needs a reason: who is refused reads it, and so does the helpdesk")
	case len(text) > MaxReason:
		return fault.New(op, fault.Invalid, "the reason has %d characters; at most %d are told to a client", len(text), MaxReason)
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }):
		return fault.New(op, fault.Invalid, "the reason is told to clients in an SMTP reply: write it in printable ASCII, on one line")
	}
	return nil
}
