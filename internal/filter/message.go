package filter

import (
	"context"
	"io"
	"net/netip"

	"countersign/internal/mail"
)

// Program looks at messages. It is used concurrently, and heeds the end of ctx.
type Program interface {
	// Ask shows it a message. An error means that there is no answer, whatever the
	// reason; where nothing of the message has been shown, it wraps ErrNotReached, where the
	// body could not be read, ErrUnread and the reason.
	Ask(ctx context.Context, m *Message) (*Answer, error)
	// Probe finds out whether it can be reached, showing it no message.
	Probe(ctx context.Context) error
}

// Message is what programs are shown: a message as it stands after those before.
type Message struct {
	// ID is the submission's.
	ID mail.ID
	// Hostname is the gate's own name, Listener that of the listener.
	Hostname, Listener string
	// Client is where it comes from, Hello what that calls itself.
	Client netip.AddrPort
	Hello  string
	// TLS and Cipher describe the connection by the names of crypto/tls, "" for neither.
	TLS, Cipher string
	// Login is whose it is, Mechanism by what they have proved that, "" where their
	// network was enough.
	Login, Mechanism string
	// Customer is the login's, "" for none; programs are not told, places are shared out by it.
	Customer string
	// Envelope and Recipients are as they would be stored.
	Envelope   mail.Envelope
	Recipients []mail.Recipient
	// Head is the header block with its blank line, without the trace field of the gate.
	Head []byte
	// Body opens the body; CRLF line ends.
	Body func() (io.ReadCloser, error)
}

// Verdict is what a program says of a message.
type Verdict string

// The verdicts.
const (
	// Pass lets it go on, with the changes of the answer.
	Pass Verdict = "pass"
	// Refuse wants it refused for good, Defer for the time being.
	Refuse Verdict = "refuse"
	Defer  Verdict = "defer"
	// Discard wants it accepted and thrown away.
	Discard Verdict = "discard"
)

// Answer is what a program says.
type Answer struct {
	Verdict Verdict
	// Reply is what the client is to be told by Refuse and Defer.
	Reply Reply
	// Quarantined says that the message is to be held, Because why, in the program's
	// words.
	Quarantined bool
	Because     string
	// Changes are what it wants changed; empty unless the Verdict is Pass.
	Changes Changes
}

// Reply is the reply of a program to the client of a message, of what it said as far
// as that makes sense.
type Reply struct {
	// Code is 4yz or 5yz, 0 where it named none.
	Code int
	// Enhanced is "5.7.1", "" where it named none.
	Enhanced string
	// Text is for people, in one line; "" where it said nothing. It has what the program
	// wrote, so it is to be cleaned.
	Text string
}

// Changes are what a program wants changed, in its order.
type Changes struct {
	Header []HeaderChange
	// ReplacesBody says that Body is to stand in place of the body.
	ReplacesBody bool
	Body         []byte
	// Added and Removed are recipients, as the program wrote them, with or without angle
	// brackets.
	Added, Removed []string
	// Parameters says that an added recipient, or the sender, came with parameters.
	Parameters bool
	// Sender is what MAIL FROM is to be, nil for as it is.
	Sender *string
}

// Empty reports whether nothing is to be changed.
func (c *Changes) Empty() bool {
	return len(c.Header) == 0 && !c.ReplacesBody && len(c.Added)+len(c.Removed) == 0 && c.Sender == nil
}

// HeaderAct is what is done to a header.
type HeaderAct string

// What is done to a header.
const (
	// Add puts a field at the end, Insert before the field of that place.
	Add    HeaderAct = "add"
	Insert HeaderAct = "insert"
	// Change gives the nth field of that name another value, or removes it where the value is
	// empty.
	Change HeaderAct = "change"
)

// HeaderChange is one change of a header.
type HeaderChange struct {
	Act HeaderAct
	// At is the place of Insert, from 0, and the number among fields of that name of Change,
	// from 1.
	At int
	// Name and Value are as the program wrote them; the value begins behind the colon, and its
	// lines end in LF or CRLF.
	Name, Value string
}
