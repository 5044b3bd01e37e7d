package limit

import (
	"slices"
	"time"

	"countersign/internal/limit/cells"
)

// Measure is what is counted. A new one needs a name in measureNames, a place among
// cells.Amounts and a caller that counts it; stored counters need no change as long as it is
// the last, and the eighth at most. docs/howto/add-limit.md names what else there is to do.
type Measure uint8

// The measures.
const (
	// Messages counts accepted messages.
	Messages Measure = iota
	// Recipients counts the recipients of accepted messages.
	Recipients
	// Bytes counts the octets of accepted messages, as they are stored: with the fields and
	// signatures that were added. In a window that is Passing it counts those that came.
	Bytes
	// NewRecipients counts those that the subject had not written to for 90 days.
	NewRecipients
	// FailedRecipients counts those that a remote server has refused for good.
	FailedRecipients
	// Connections counts connections of clients: those that come in a window, or are there
	// at once.
	Connections
	// FailedShare is how many of a hundred recipients a remote server has refused for good. It
	// is worked out of Recipients and FailedRecipients.
	FailedShare
	measures
)

// measureNames are the names in their order.
var measureNames = [measures]string{"messages", "recipients", "bytes", "new-recipients", "failed-recipients", "connections", "failed-share"}

// String returns the name.
func (m Measure) String() string { return nameOf(measureNames[:], int(m)) }

// Window is how long a limit looks back.
type Window uint8

// The windows, each of which slides.
const (
	Minute Window = iota
	Hour
	// Day is 24 hours, whatever the calendar says.
	Day
	// Month is 30 days of 24 hours.
	Month
	// AtOnce is the moment itself. Of it there are no cells: who holds something is counted.
	AtOnce
	// PerMessage is one message, and PerConnection one connection of a client. Of these nothing is
	// kept: who has the message or the connection before them knows what is in it (package tally).
	PerMessage
	PerConnection
	windows

	// spanned are the windows that last, in the order in which package cells has them.
	spanned = AtOnce
)

// windowNames are the names in their order.
var windowNames = [windows]string{"minute", "hour", "day", "month", "at-once", "message", "connection"}

// String returns the name.
func (w Window) String() string { return nameOf(windowNames[:], int(w)) }

// Lasts reports whether the window is a time, in which what was counted before is seen and room
// comes by waiting.
func (w Window) Lasts() bool { return w < spanned }

// Passing reports whether the window ends with a message or a connection, so that no store counts
// in it.
func (w Window) Passing() bool { return w == PerMessage || w == PerConnection }

// Span returns how long the window is, and by how much an answer may be too strict; nothing
// for those that do not last.
func (w Window) Span() (window, cell time.Duration) {
	if w >= spanned {
		return 0, 0
	}
	s := cells.SpanOf(int(w))
	return time.Duration(s.Window) * time.Second, time.Duration(s.Cell) * time.Second
}

// Kind says what a subject is.
type Kind uint8

// The kinds of subjects, from the narrowest.
const (
	Credential Kind = iota
	Account
	Domain
	Customer
	// Network is the network that a client is in: an IPv4 address, or an IPv6 /64.
	Network
	// Node is one gate, Everything all of them together.
	Node
	Everything
	// Plan is whom a rule is for, and nobody that is counted: each account that the plan
	// decides about has the limits.
	Plan
	kinds
)

// kindNames are the names in their order.
var kindNames = [kinds]string{"credential", "account", "domain", "customer", "network", "node", "everything", "plan"}

// String returns the name.
func (k Kind) String() string { return nameOf(kindNames[:], int(k)) }

// Kinds lists the names of all kinds of subjects.
func Kinds() []string { return slices.Clone(kindNames[:]) }

// Action is what becomes of a message that is over a limit.
type Action uint8

// The actions, from the mildest: where a message is over several limits the last of theirs
// is done.
const (
	// Slow accepts it, to be sent when there is room.
	Slow Action = iota
	// Hold accepts it, to be looked at by a person.
	Hold
	// Defer refuses it for now: the client tries again.
	Defer
	// Refuse refuses it for good.
	Refuse
	actions
)

// actionNames are the names in their order.
var actionNames = [actions]string{"slow", "hold", "defer", "refuse"}

// String returns the name.
func (a Action) String() string { return nameOf(actionNames[:], int(a)) }

// Away says what becomes of a connection while the store cannot be asked about a limit.
type Away uint8

// What there is to choose from.
const (
	// AwayOpen lets it in.
	AwayOpen Away = iota
	// AwayClosed turns it away.
	AwayClosed
	// AwayShare lets each gate take its share of the limit, by what it has counted itself.
	AwayShare
	aways
)

// awayNames are the names in their order.
var awayNames = [aways]string{"open", "closed", "share"}

// String returns the name.
func (a Away) String() string { return nameOf(awayNames[:], int(a)) }

// nameOf returns a name, "" for what has none.
func nameOf(names []string, i int) string {
	if i >= len(names) {
		return ""
	}
	return names[i]
}
