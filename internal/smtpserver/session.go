package smtpserver

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"

	"countersign/internal/crowd"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// Backend is what stands behind the protocol. It is used concurrently.
type Backend interface {
	// Admit is called once for each connection, before it gets a place, before TLS and the
	// greeting. An error is the refusal of its client, which the backend has recorded by
	// itself: 554 where the client reads plain text, and no more than a closed connection
	// where it waits for a TLS handshake, as that costs more than who is refused is
	// worth. It must be quick.
	Admit(peer Peer) error
	// Open is called once for each connection before the greeting. An error is
	// turned into the reply that refuses the connection.
	Open(ctx context.Context, peer Peer) (Session, error)
}

// Peer is what is known of a connection when it opens.
type Peer struct {
	// ID names the session; it stands in every record of it.
	ID mail.ID
	// Listener is the configured name of the listener.
	Listener string
	// Client is the client's address: the one in the PROXY header where a
	// named proxy connected, else the socket's.
	Client netip.AddrPort
	// Local is the address that the client connected to.
	Local netip.AddrPort
	// Proxy is the named proxy's own address; invalid where there is none.
	Proxy netip.AddrPort
}

// Network returns the wide network that the client is in, of crowd.WideIPv4 or
// crowd.WideIPv6 bits; invalid for a client without an address.
func (p Peer) Network() netip.Prefix { return crowd.Wide(p.Client.Addr()) }

// Session is one SMTP connection as the backend sees it. The server calls it
// from one goroutine at a time and in legal order only: Mail never before
// Auth or Recognise has succeeded over TLS, Rcpt only within a transaction, Data only with
// at least one accepted recipient. Errors become replies by smtp.ReplyFor.
type Session interface {
	Login
	Transaction
	// Observe tells what the server itself saw or decided.
	Observe(ctx context.Context, o Observation)
}

// Login is how a Session finds out who the client is.
type Login interface {
	// Mechanisms lists the SASL mechanisms to offer now, strongest first;
	// empty means that AUTH is not offered. Called only over TLS.
	Mechanisms() []string
	// Auth starts an exchange by one of those. The server runs it; when it is
	// done without error, the session is authenticated.
	Auth(mechanism string) (sasl.Exchange, error)
	// Recognise reports whether the client need not log in, as its address tells who
	// it is; then the session is authenticated. Called over TLS at the first command
	// that needs that, once.
	Recognise(ctx context.Context) (bool, error)
	// Standing returns nil while the client may go on, logged in or not yet, else the
	// refusal that ends the session. Called before each command but QUIT; it must be quick.
	Standing(ctx context.Context) error
}

// Transaction is how a Session takes messages.
type Transaction interface {
	// Mail begins a transaction. A refusal leaves none open.
	Mail(ctx context.Context, env mail.Envelope) error
	// Rcpt adds a recipient to the transaction.
	Rcpt(ctx context.Context, rcpt mail.Recipient) error
	// Data takes the whole message, dot-unstuffed, ending in EOF. It returns the id of the
	// submission only after that is durable. Any error from body other than
	// EOF must end in an error here. It need not read to EOF: the server
	// drains what is left before it replies. The transaction is over when
	// it returns.
	Data(ctx context.Context, body io.Reader) (mail.ID, error)
	// Reset drops the transaction, if one is open.
	Reset()
}

// Observed says which kind of thing an Observation is.
type Observed uint8

// The observations. If you add one, name it in observedNames and teach
// submission/recording to record it; tests fail until both are done.
const (
	// ObservedHello: EHLO or HELO was accepted; Text is its argument.
	ObservedHello Observed = iota
	// ObservedTLS: a handshake succeeded; TLS and Binding are set.
	ObservedTLS
	// ObservedTLSFailed: a handshake failed; Err is set.
	ObservedTLSFailed
	// ObservedRefusal: a command was refused; Code, Enhanced, Reason, Text (the reply's
	// text) and Verb are set. Refusals of Session methods are observed too, with Err.
	ObservedRefusal
	// ObservedOmitted: too much was observed between two chunks of a message to
	// be told one by one; Text says how much is left out.
	ObservedOmitted
	// ObservedAuthOK: an exchange succeeded; Text is the mechanism.
	ObservedAuthOK
	// ObservedAuthFailed: an exchange failed; Text is the mechanism, Err the cause.
	ObservedAuthFailed
	// ObservedEarlyTalker: the client spoke before the greeting.
	ObservedEarlyTalker
	// ObservedWrongPort: TLS on a plain port, or plain text on a TLS port; Text
	// says which.
	ObservedWrongPort
	// ObservedPanic: the session panicked; Err holds value and stack.
	ObservedPanic
	// ObservedClose: the connection is over; Text says why ("quit", "eof",
	// "timeout", "shutdown", "too-many-errors", "protocol", "panic", ...).
	// It is the last call that a session gets.
	ObservedClose

	observedCount // keep last
)

// Observation is something the server saw or decided by itself.
type Observation struct {
	Kind Observed
	// Verb is the command it concerns, in upper case; "" for none.
	Verb string
	// Code, Enhanced and Reason are those of the reply: 535, "5.7.8",
	// "auth-failed".
	Code     int
	Enhanced string
	Reason   string
	// Text is explained at each kind. It may hold client input; it is never a
	// secret.
	Text string
	// TLS is the connection's state after ObservedTLS, else nil; Binding is for
	// sasl.Conn: its channel binding data by type.
	TLS     *tls.ConnectionState
	Binding func(kind string) ([]byte, bool)
	// Err is the cause where there is one.
	Err error
}
