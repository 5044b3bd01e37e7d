package limit

import (
	"fmt"
	"time"

	"countersign/internal/fault"
)

// Describe says what was reached, for the client: "100 recipients in an hour for account
// a@example.org, 100 used, room from 2026-11-27 13:01:00 UTC". Ids are of no use to them.
//
// What others do behind the same network or gate is none of their business: of these they hear
// when there is room, and nothing else.
func (b *Breach) Describe() string {
	room := ""
	if !b.Room.IsZero() && b.Limit.Window != AtOnce {
		room = ", room from " + b.Room.Format("2006-01-02 15:04:05") + " UTC"
	}
	switch shared := b.Of.Kind == 0 && b.Subject.Kind >= Network; {
	case shared && b.Subject.Kind == Network:
		return "that of your network" + room
	case shared:
		return "that of this server" + room
	}
	whose := b.Subject.String()
	switch {
	case b.Of.Kind != 0:
		whose += ", its share of " + b.Of.String()
	case b.Subject.Kind == Credential:
		whose = "this credential"
	}
	if b.Limit.Measure == FailedShare {
		return fmt.Sprintf("%d percent of recipients failed %s for %s, %d percent are", b.Limit.Max, b.Limit.Window.phrase(), whose, b.Used) + room
	}
	text := fmt.Sprintf("%s for %s, %d used", b.Limit.Bound(), whose, b.Used)
	if b.Want > 1 {
		text += fmt.Sprintf(", %d more wanted", b.Want)
	}
	return text + room
}

// phrase names a window in a sentence.
func (w Window) phrase() string {
	switch w {
	case Hour:
		return "in an hour"
	case AtOnce:
		return "at once"
	}
	return "in a " + w.String()
}

// Bound says what the limit allows: "100 recipients in an hour".
func (l Limit) Bound() string { return fmt.Sprintf("%d %s %s", l.Max, l.Measure, l.Window.phrase()) }

// Data is what the record has of it; nil for none.
func (b *Breach) Data() map[string]string {
	if b == nil {
		return nil
	}
	d := map[string]string{
		"subject": b.Subject.String(), "limit": b.Limit.String(), "action": b.Limit.Action.String(),
		"used": fmt.Sprint(b.Used), "want": fmt.Sprint(b.Want),
	}
	if b.Of.Kind != 0 {
		d["of"] = b.Of.String()
	}
	if !b.Room.IsZero() && b.Limit.Window != AtOnce {
		d["room"] = b.Room.Format(time.RFC3339)
	}
	return d
}

// Refusal is the answer to a message that does not pass, nil for one that does: what decides
// is told, by a fault of kind Busy, or Denied where trying again cannot help. It holds
// an OverError.
func (d *Decision) Refusal(op string) error {
	if d.Passes() {
		return nil
	}
	e := &fault.Error{Op: op, Kind: fault.Busy, Reason: "limit-reached", Detail: d.Decisive.Describe(), Err: &OverError{Decision: *d}}
	if d.Action == Refuse {
		e.Kind, e.Reason = fault.Denied, "limit-refused"
	}
	return e
}

// OverError says that a message is over a limit that does not let it pass.
type OverError struct{ Decision Decision }

// Error describes the limit.
func (e *OverError) Error() string { return e.Decision.Decisive.Describe() }
