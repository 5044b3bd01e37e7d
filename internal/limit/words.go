package limit

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"countersign/internal/fault"
)

// Describe says what was reached, for the client: "100 recipients in an hour for account
// a@example.org, 100 used, room from 2026-11-27 13:01:00 UTC". Ids are of no use to them.
//
// What others do behind the same network or gate is none of their business: of these they hear
// when there is room, and nothing else. One message or connection is theirs alone.
func (b *Breach) Describe() string {
	whose, of := cmp.Or(sharedNames[b.Subject.Kind], b.Subject.String()), cmp.Or(sharedNames[b.Of.Kind], b.Of.String())
	switch {
	case b.Of.Kind != 0: // is its own
	case b.Subject.Kind >= Network && !b.Limit.Window.Passing():
		return "that of " + whose + b.room()
	case b.Subject.Kind == Credential:
		whose = "this credential"
	}
	return b.text(whose, of)
}

// Recorded says what was reached for the record, which is the operator's: it names whose limit it is, with
// what is used of it.
func (b *Breach) Recorded() string { return b.text(b.Subject.String(), b.Of.String()) }

// room says when there is room, behind what was reached; "" for nothing that could be said.
func (b *Breach) room() string {
	switch {
	case b.Limit.Window == PerConnection && !b.Never():
		return ", room in a new connection"
	case !b.Room.IsZero() && b.Limit.Window.Lasts():
		return ", room from " + b.Room.Format("2006-01-02 15:04:05") + " UTC"
	}
	return ""
}

// text says what was reached of whose limit, and of whose it is a share.
func (b *Breach) text(whose, of string) string {
	if b.Of.Kind != 0 {
		whose += ", its share of " + of
	}
	if b.Limit.Measure == FailedShare {
		return fmt.Sprintf("%d percent of recipients failed %s for %s, %d percent are", b.Limit.Max, b.Limit.Window.phrase(), whose, b.Used) + b.room()
	}
	text := b.Limit.Bound() + " for " + whose
	if b.Used > 0 || b.Limit.Window != PerMessage {
		text += fmt.Sprintf(", %d used", b.Used)
	}
	// Of a message that is too large nobody has waited for the end.
	if b.Want > 1 && !(b.Limit.Window.Passing() && b.Limit.Measure == Bytes) {
		text += fmt.Sprintf(", %d more wanted", b.Want)
	}
	return text + b.room()
}

// sharedNames name whom others are counted with, for one of them.
var sharedNames = [kinds]string{Network: "your network", Node: "this server", Everything: "this server"}

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

// Bound says what the limit allows: "100 recipients in an hour", "1 new recipient in a day".
func (l Limit) Bound() string {
	what := strings.ReplaceAll(l.Measure.String(), "-", " ")
	if l.Max == 1 {
		what = strings.TrimSuffix(what, "s")
	}
	return fmt.Sprintf("%d %s %s", l.Max, what, l.Window.phrase())
}

// Data is what the record has of it; nil for none.
func (b *Breach) Data() map[string]string {
	if b == nil {
		return nil
	}
	d := map[string]string{
		DataSubject: b.Subject.String(), "limit": b.Limit.String(), "action": b.Limit.Action.String(),
		"used": fmt.Sprint(b.Used), "want": fmt.Sprint(b.Want),
	}
	if b.Of.Kind != 0 {
		d[DataOf] = b.Of.String()
	}
	if !b.Room.IsZero() && b.Limit.Window.Lasts() {
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
