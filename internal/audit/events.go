package audit

// Kind names what happened, "noun.verb". If you add one, add it to Kinds below
// with its meaning; docs/events.md is made from that list.
type Kind string

// The kinds of events.
const (
	ConnectionRefused Kind = "connection.refused"
	SessionOpened     Kind = "session.opened"
	SessionHello      Kind = "session.hello"
	SessionTLS        Kind = "session.tls"
	SessionTLSFailed  Kind = "session.tls-failed"
	SessionWrongPort  Kind = "session.wrong-port"
	SessionEarly      Kind = "session.early-talker"
	SessionPanicked   Kind = "session.panicked"
	SessionClosed     Kind = "session.closed"
	AuthPassed        Kind = "auth.passed"
	AuthFailed        Kind = "auth.failed"
	CommandRefused    Kind = "command.refused"
	Accepted          Kind = "submission.accepted"
	BounceAccepted    Kind = "submission.bounced"
	DeliveryDelivered Kind = "delivery.delivered"
	DeliveryDeferred  Kind = "delivery.deferred"
	DeliveryFailed    Kind = "delivery.failed"
	DeliveryHeld      Kind = "delivery.held"
	DeliveryReleased  Kind = "delivery.released"
	DeliveryRetried   Kind = "delivery.retried"
	DeliveryDropped   Kind = "delivery.dropped"
	AdminAdded        Kind = "admin.added"
	AdminChanged      Kind = "admin.changed"
	AdminSuspended    Kind = "admin.suspended"
	AdminResumed      Kind = "admin.resumed"
	AdminRemoved      Kind = "admin.removed"
	ServerStarted     Kind = "server.started"
	ServerReloaded    Kind = "server.reloaded"
	ServerStopped     Kind = "server.stopped"
)

// Meaning is one row of the event catalogue.
type Meaning struct {
	Kind Kind
	// Text says in one sentence what an event of this kind records.
	Text string
}

// Kinds lists every kind with its meaning, in the order of a message's life.
func Kinds() []Meaning {
	return []Meaning{
		{ConnectionRefused, "A connection was refused for a limit; of a flood only some are recorded, the metric counts all."},
		{SessionOpened, "A client connected; client, listener and proxy are set."},
		{SessionHello, "The client gave its name with EHLO or HELO."},
		{SessionTLS, "A TLS handshake succeeded; version, cipher and server name are set."},
		{SessionTLSFailed, "A TLS handshake failed; text says why."},
		{SessionWrongPort, "The client spoke TLS on a plain port, or plain text on a TLS port."},
		{SessionEarly, "The client spoke before the greeting."},
		{SessionPanicked, "A fault of ours ended the session; the log has the stack."},
		{SessionClosed, "The connection is over; text says why."},
		{AuthPassed, "The client proved to be the account; mechanism is set."},
		{AuthFailed, "An authentication exchange failed; login holds the name that was tried."},
		{CommandRefused, "A command was refused; code and reason are those of the reply."},
		{Accepted, "A submission was accepted: stored, signed, and the 250 owed to the client."},
		{BounceAccepted, "A report on another submission was queued to its sender."},
		{DeliveryDelivered, "The next server took the message for this recipient."},
		{DeliveryDeferred, "An attempt failed for now; the next one is at the time in data."},
		{DeliveryFailed, "The delivery failed for good."},
		{DeliveryHeld, "The delivery waits for a person; text says why. For a suspension, one event says so of all deliveries that waited; text names what was suspended."},
		{DeliveryReleased, "A held delivery went back to the queue; after a suspension, one event for all that it had held."},
		{DeliveryRetried, "An administrator asked for an attempt now."},
		{DeliveryDropped, "An administrator removed the delivery from the queue."},
		{AdminAdded, "An administrator added an object."},
		{AdminChanged, "An administrator changed an object."},
		{AdminSuspended, "An administrator suspended an object."},
		{AdminResumed, "An administrator resumed an object."},
		{AdminRemoved, "An administrator removed an object."},
		{ServerStarted, "The server started."},
		{ServerReloaded, "The server took a changed configuration."},
		{ServerStopped, "The server stopped."},
	}
}
