package rules

import (
	"net/netip"
	"time"

	"countersign/internal/mail"
)

// Facts are what a rule may look at. Only those of the stage and of the earlier ones are asked
// for. Facts may be used by one goroutine at a time.
type Facts struct {
	Now        time.Time
	Connection Connection
	Principal  Principal
	Envelope   mail.Envelope
	// Recipient is the one that is judged at Recipient, Recipients are all at Data.
	Recipient  mail.Address
	Recipients []mail.Recipient
	Message    Message
	Counters   Counters
	// Used says what limits have counted before this message; nil where nothing is. The error
	// makes a rule that asks fail.
	Used func(Used) (int64, error)
	// Unknown has the names of variables that are not known, as where mail of the past is
	// judged; nil for none. A rule that depends on one neither matches nor does not.
	Unknown map[string]bool
}

// Connection is where the client comes from.
type Connection struct {
	Client netip.Addr
	// Listener is the name of the listener.
	Listener string
	// TLS is "1.2" or "1.3", "" before TLS.
	TLS string
	// Hello is what the client called itself in EHLO.
	Hello string
}

// Principal is who has logged in.
type Principal struct {
	Login, Domain, Customer, Plan string
	// Credential is its name, Kind its kind, Mechanism that of SASL, "" where the network was
	// enough.
	Credential, Kind, Mechanism string
	// Created is when the account was made, CustomerCreated when the customer was.
	Created, CustomerCreated time.Time
}

// Message is the content.
type Message struct {
	// Senders are the addresses of From, Sender, Resent-From and Resent-Sender; the first
	// is the first of From.
	Senders []mail.Address
	// Size is its octets.
	Size int64
	// Header is its header; nil is one without fields.
	Header Header
}

// Header is the header of a message as rules look at it; message.Header is one.
type Header interface {
	// Values returns the bodies of the first fields of that name, at most most of them, each
	// unfolded, with its encoded words decoded, and cut to octets. Case of the name does not
	// matter.
	Values(name string, most, octets int) []string
	// Count returns how many fields of that name there are.
	Count(name string) int
}

// Counters are what was counted.
type Counters struct {
	// SessionMessages are the messages accepted in this session before, Recipients the recipients
	// of this message so far, the one that is judged among them.
	SessionMessages, Recipients int
}
