package dsn

import (
	"io"
	"time"

	"countersign/internal/mail"
)

// Action is what became of a recipient (RFC 3464 section 2.3.3). "expanded" is
// not there, as we expand no lists.
type Action string

// The actions, the worst first.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Relayed   Action = "relayed"
	Delivered Action = "delivered"
)

// Recipient is what became of one recipient.
type Recipient struct {
	mail.Recipient
	Action Action
	// Status is the enhanced status code, "5.1.1" (RFC 3463).
	Status string
	// Diagnostic is the remote server's reply with its code, "550 5.1.1 No such user"; "" where
	// there was none. It may hold anything; what is not printable is replaced.
	Diagnostic string
	// Reason is our own sentence where there was no remote reply, without a
	// full stop: "the server did not answer".
	Reason string
	// RemoteMTA is the name of the server that replied, "" for none.
	RemoteMTA string
	// LastAttempt is when; zero for never.
	LastAttempt time.Time
	// WillRetryUntil is when a delayed delivery fails for good; zero for
	// others.
	WillRetryUntil time.Time
}

// Original is the message that the report is about.
type Original struct {
	// Head is its header block with the blank line, as it left us.
	Head []byte
	// Body is read for a report of failure where Return is FULL; it may be nil.
	Body io.Reader
	// MaxBody bounds the body in octets; a longer one is left out. 0 leaves out
	// every body.
	MaxBody int64
	// Envelope is what MAIL said of it: EnvelopeID, Return and SMTPUTF8 are used.
	Envelope mail.Envelope
	// Arrival is when we accepted it.
	Arrival time.Time
}

// Report is what Build puts into words.
type Report struct {
	// Host is our own name: Reporting-MTA, and the domain of the report's
	// author and Message-ID.
	Host mail.Domain
	// ID names the report's own submission.
	ID mail.ID
	// Date is the time of the report.
	Date time.Time
	// To is the envelope sender of the original.
	To mail.Address
	// Recipients are those that the report is about, at least one.
	Recipients []Recipient
	Original   Original
	// Random is the source of the boundary.
	Random io.Reader
}

// Message is a finished report.
type Message struct {
	// Head is the header block with its blank line, Body the rest. Both end in CRLF.
	Head, Body []byte
	// EightBit says that it must be sent with BODY=8BITMIME, SMTPUTF8 that it
	// must be sent with SMTPUTF8, as the sender's address is not ASCII.
	EightBit, SMTPUTF8 bool
}

// international reports whether the forms of RFC 6533 are needed: the original was
// one of SMTPUTF8, or an address is not ASCII.
func (r *Report) international() bool {
	if r.Original.Envelope.SMTPUTF8 {
		return true
	}
	for _, rcpt := range r.Recipients {
		if !rcpt.To.IsASCII() {
			return true
		}
	}
	return false
}

// worst returns the action that gives the report its subject.
func (r *Report) worst() Action {
	for _, action := range []Action{Failed, Delayed, Relayed} {
		for _, rcpt := range r.Recipients {
			if rcpt.Action == action {
				return action
			}
		}
	}
	return Delivered
}
