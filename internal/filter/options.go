package filter

import (
	"slices"
	"time"
)

// Away is what is done about messages that a program cannot be asked about.
type Away string

// What is done then.
const (
	// Open lets them pass as if there were no such program, Closed refuses them for the
	// time being, Hold accepts and holds them.
	Open   Away = "open"
	Closed Away = "closed"
	Hold   Away = "hold"
)

// Part is a part of a message that a program may be allowed to change.
type Part string

// The parts.
const (
	Headers    Part = "headers"
	Body       Part = "body"
	Recipients Part = "recipients"
	Sender     Part = "sender"
)

// Options are what the operator says of a program.
type Options struct {
	// Name is what record, metrics and health call it.
	Name string
	// WhenAway is what is done while it cannot be asked.
	WhenAway Away
	// May are the parts that it may change.
	May []Part
	// Shadow says that it is asked, and nothing follows from it but a record.
	Shadow bool
	// Timeout is the longest that one message may take, waiting for a place included;
	// above 0.
	Timeout time.Duration
	// Concurrent is how many messages it looks at at once, at least 1. From 4 on a quarter of
	// them, rounded down, is out of reach for one customer, and for one login.
	Concurrent int
	// Failures is how many messages in a row must have no answer before it is left alone,
	// at least 1; of one login no more than one counts, unless it was not reached at all.
	Failures int
	// Pause is how long it is left alone before one message tries it again; above 0.
	Pause time.Duration
	// Now is the clock, time.Now where nil.
	Now func() time.Time
}

// Forbidden returns the first part that an answer wants changed and may not, "" for none.
func (o *Options) Forbidden(c *Changes) Part {
	wants := []struct {
		part Part
		does bool
	}{
		{Headers, len(c.Header) > 0}, {Body, c.ReplacesBody},
		{Recipients, len(c.Added)+len(c.Removed) > 0}, {Sender, c.Sender != nil},
	}
	for _, w := range wants {
		if w.does && !slices.Contains(o.May, w.part) {
			return w.part
		}
	}
	return ""
}
