package audit

import (
	"context"
	"time"

	"countersign/internal/mail"
)

// Event is one immutable record. Fields that do not apply are zero.
type Event struct {
	// Seq orders events; the store gives it, strictly increasing.
	Seq int64
	// At is when it happened, in UTC, to the microsecond.
	At   time.Time
	Kind Kind
	// Session and Submission are the ids under which trace finds it.
	Session    mail.ID
	Submission mail.ID
	// Delivery is the recipient's number within the submission, from 1.
	Delivery int
	// Login is the account's login; on AuthFailed the name that was tried.
	Login string
	// Actor is who did an administrative act: "cli:root".
	Actor string
	// Client is the client's address without port.
	Client string
	// Object names what an administrative act changed: "account a@example.org".
	Object string
	// Code, Enhanced and Reason are those of the reply given or received.
	Code     int
	Enhanced string
	Reason   string
	// Text is one line for people, already free of control characters. It has
	// at most MaxText octets where Bounded has seen it, as each value of Data.
	Text string
	// Data holds what else belongs to the kind, by stable keys.
	Data map[string]string
}

// Store keeps the record.
type Store interface {
	// Append stores events durably, in order, in one transaction, each as
	// Bounded has it; so does every method that stores events with something else. Concurrent
	// calls may be committed together. Errors: fault.Full, fault.Unavailable.
	Append(ctx context.Context, events []Event) error
	// Search returns the events that match q, by Seq, the oldest first. It sees
	// what was stored when it is called, and what was stored later only if it
	// shows everything before that too: whoever continues after the highest Seq
	// seen misses nothing.
	//
	// A search by Session or Submission costs as much as it finds. One by Login
	// costs little more, however long the record is. Any other reads what lies
	// between Since and Until, and without Since the record from its beginning,
	// or from its end with Newest, until Limit is reached: callers give Since.
	// A search holds up nobody who writes.
	Search(ctx context.Context, q Query) ([]Event, error)
}
