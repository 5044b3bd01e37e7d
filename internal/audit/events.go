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
	AuthTested        Kind = "auth.tested"
	CommandRefused    Kind = "command.refused"
	CommandsOmitted   Kind = "command.omitted"
	EventsOmitted     Kind = "event.omitted"
	Accepted          Kind = "submission.accepted"
	Unaligned         Kind = "submission.unaligned"
	SenderRewritten   Kind = "sender.rewritten"
	SenderShadow      Kind = "sender.shadow"
	FilterChanged     Kind = "filter.changed"
	FilterHeld        Kind = "filter.held"
	FilterRefused     Kind = "filter.refused"
	FilterAway        Kind = "filter.away"
	FilterShadow      Kind = "filter.shadow"
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
	LimitNear         Kind = "limit.near"
	LimitShadow       Kind = "limit.shadow"
	LimitSlowed       Kind = "limit.slowed"
	LimitHeld         Kind = "limit.held"
	RuleShadow        Kind = "rule.shadow"
	RuleFailed        Kind = "rule.failed"
	RuleSlowed        Kind = "rule.slowed"
	RuleHeld          Kind = "rule.held"
	BanAdded          Kind = "ban.added"
	BanLifted         Kind = "ban.lifted"
	BanShadow         Kind = "ban.shadow"
	AccessAdded       Kind = "access.added"
	AccessRemoved     Kind = "access.removed"
	AccessShadow      Kind = "access.shadow"
	BlocklistShadow   Kind = "blocklist.shadow"
	BlocklistAway     Kind = "blocklist.away"
	BlocklistBack     Kind = "blocklist.back"
	GuardClosed       Kind = "guard.closed"
	GuardShadow       Kind = "guard.shadow"
	GuardForgot       Kind = "guard.forgot"
	LimitSet          Kind = "limit.set"
	LimitLifted       Kind = "limit.lifted"
	APIRefused        Kind = "api.refused"
	ServerStarted     Kind = "server.started"
	ServerReloaded    Kind = "server.reloaded"
	ServerStopped     Kind = "server.stopped"
	DomainUnaligned   Kind = "domain.unaligned"
	DomainAligned     Kind = "domain.aligned"
	DomainKeys        Kind = "domain.keys"
	NodeLost          Kind = "node.lost"
	NodeDead          Kind = "node.dead"
	NodeAdopted       Kind = "node.adopted"
	StoreLow          Kind = "store.low"
	StoreRegained     Kind = "store.regained"
	StoreCopied       Kind = "store.copied"
	StoreReopened     Kind = "store.reopened"
	StoreRestored     Kind = "store.restored"
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
		{ConnectionRefused, "A connection was refused because of a limit, which reason names, because its network is banned, where data has the id of the ban, or because a named proxy did not say who its client is. The metric counts those that event.omitted tells of, too."},
		{SessionOpened, "A client connected; data has the listener, the local address, the proxy in front where there is one, and the node where several gates share the store."},
		{SessionHello, "The client introduced itself with EHLO or HELO; text is the name that it gave."},
		{SessionTLS, "A TLS handshake succeeded; data has version, cipher and the server name that was asked for. Where the listener asks for client certificates, also the subject and fingerprint of the client's, and why it does not hold, if so."},
		{SessionTLSFailed, "A TLS handshake failed; text says why."},
		{SessionWrongPort, "The client spoke TLS on a port that begins unencrypted, or plain text on one that is encrypted from the start."},
		{SessionEarly, "The client spoke before it was greeted."},
		{SessionPanicked, "A defect in the gate ended the session; the log has the details. Please report it."},
		{SessionClosed, "The connection ended; text says why, data how many events of the session were not recorded, if any."},
		{AuthPassed, "A client logged in; data has the mechanism, or none where its network was enough, the name and as credential_id the id of the credential (none for both where the claim of a token was enough), the issuer of a token, and as program what the client called itself."},
		{AuthFailed, "A login failed; account is the name that was tried, data has the cause, which the client is not told, and where a limit of connections refuses it whose that is."},
		{AuthTested, "An administrator, the actor, had a login of the object, an account, explained, which changes nothing; data has the mechanism, the outcome and where it was refused the cause."},
		{CommandRefused, "A command was refused; code, reason and text are those of the reply, data has the command, where a sender is not the account's its place and address, and why, and where a limit refuses it whose that is and what is used of it."},
		{CommandsOmitted, "Between the chunks of one message more was refused than is recorded one by one; text says how much more."},
		{EventsOmitted, "Clients of one wide network (IPv4 /24, IPv6 /48) that had not logged in did more within a minute than is recorded one by one; data has the network, how many events were left out, how many connections had their beginning among them, how many logins failed, and the node where several gates share the store. Metrics count them all."},
		{Accepted, "A message was stored, and from then on is owed to its recipients; data has sender, size and the number of recipients, the id of the credential (none where there is none), the node where several gates share the store, counts=apart where it is to the gate's postmaster alone and no limit counts it, as filters what came of it at each content filter, and, where a client certificate was the proof, what a list of revocations would call that and the authorities on its way."},
		{LimitNear, "With an accepted message so much of a limit is used that limits.warn_at says to warn, for the first time in its window, of none in shadow; data has whose limit it is, the limit, and how much was used and came on top."},
		{LimitShadow, "An accepted message was over a limit in shadow mode; data as above, with the action that would have been taken, and when there would have been room."},
		{LimitSlowed, "An accepted message was over a limit that slows down, and waits for its turn; data as above, with the time as room."},
		{LimitHeld, "An accepted message was over a limit that holds, and waits until it is released; data as above."},
		{RuleShadow, "A rule of the operator in shadow mode matched; text is its reason, data has the rule, the moment at which it was asked, and as action the verdict that would have followed."},
		{RuleFailed, "A rule of the operator could not be evaluated; text says why, without what the client sent; data has the rule, the moment, and what followed (skip or defer)."},
		{RuleSlowed, "An accepted message waits before it is first tried, as a rule of the operator wants; data as above, with the time as room."},
		{RuleHeld, "An accepted message is held until it is released, as a rule of the operator wants; data as above. A message that a rule refuses leaves command.refused, with the rule in its data; one that a rule allowed has it in the data of submission.accepted."},
		{Unaligned, "A message was stored that will fail DMARC at its receivers; text says why, data has the domain of From, its policy, what was done (warn or hold), and a DNS record that mends it, if there is one to propose. A message that is refused for this leaves command.refused."},
		{SenderRewritten, "A message was stored that named senders which are not the account's, whose mode of senders is rewrite; text says which and why, data has each place (mail_from, from, sender, reply_to, resent_from, resent_sender) as it was, and with _now behind as it is now."},
		{SenderShadow, "A message was stored that named senders which are not the account's, whose mode of senders is shadow; text says which and why, data has each place with its address. It would have been refused."},
		{FilterChanged, "A content filter, which data names, changed a message before it was stored; text says what."},
		{FilterHeld, "An accepted message waits until it is released, as a content filter, which data names, wants it held or thrown away, wants something that it may not, or could not be asked; text says which."},
		{FilterRefused, "A content filter, which data names, refused a message; code and reason are those of the reply, text is what it said, and data has as queue_id what it was shown as the id. command.refused follows."},
		{FilterAway, "A content filter, which data names, could not be asked about a message; text says why, data what was done (open: it went on without, closed: refused for the time being, hold: held, shadow: nothing)."},
		{FilterShadow, "A content filter in shadow mode, which data names, would have done something about a message; text says what, data has the action (change, hold, refuse, defer)."},
		{BounceAccepted, "A report on another submission was queued to its sender, or with it a warning that most of a limit is used; data has the other one's id as cause, and the limit."},
		{DeliveryDelivered, "The next server took the message for this recipient; code and text are its answer. As with each attempt, data has the node that made it, where several gates share the store."},
		{DeliveryDeferred, "An attempt failed for the time being; code and text say why, data when the next one is due."},
		{DeliveryFailed, "The delivery was given up; code and text say why."},
		{DeliveryHeld, "The delivery waits until it is released; text says why. Where an account or what is above it changed, one event says so of all deliveries that waited, its reason is why they may not go (removed, suspended, credential-revoked, password-changed, envelope-changed), and text names what was changed. The reason is certificate-revoked where the certificate that it came with was put on a list of revocations, dmarc-will-fail where it was held when it was accepted; there is none where an administrator, the actor, held it. What a limit holds (over-limit) leaves limit.held, what a content filter does (filter) filter.held, what was restored from a backup store.restored."},
		{DeliveryReleased, "A held delivery went back into the queue; after a suspension, one event for all that it had held."},
		{DeliveryRetried, "An administrator made a deferred delivery due at once."},
		{DeliveryDropped, "An administrator removed the delivery from the queue; nobody was told."},
		{AdminAdded, "An administrator, the actor, added the object."},
		{AdminChanged, "An administrator changed the object; text says what."},
		{AdminSuspended, "An administrator suspended the object, and with it everything below it."},
		{AdminResumed, "An administrator ended the suspension of the object."},
		{AdminRemoved, "An administrator removed the object."},
		{BanAdded, "The actor banned the object, a network, or a login where it comes from one; text is the reason, data has the id of the ban and until when it holds, if it ends, and shadow where it refuses nobody. Where the actor is the guard, also the rule (secrets, names) and what was counted, how many bans of the same there were with it lately, and the node, if there are several."},
		{BanLifted, "The actor ended a ban, the object, before its time; data as above."},
		{BanShadow, "A ban in shadow, the object, would have refused a client, once an hour for each client network; text is its reason, data has the id of the ban and what it would have refused (connection, session, login)."},
		{AccessAdded, "The actor added the object to an access list; text is the reason, data has the id of the entry, until when it holds, if it ends, and shadow where it is noted alone."},
		{AccessRemoved, "The actor took the object out of an access list before its time, or removed what it was for, as text says then; data as above."},
		{AccessShadow, "A client would have been denied by an access list, the object, were it not in shadow mode, once in a session for each rule; data has the id of the entry."},
		{BlocklistShadow, "The client is on lists of [[dnsbl]] and would have been refused, were access.dnsbl_action not shadow, once in a session; text has the lists and what each counts for, data the score and, as away, the lists that gave no answer and are when_away = closed."},
		{BlocklistAway, "A list of [[dnsbl]], the object, gives no answers that count; text says what it does, data what is done with clients meanwhile (open, closed). Each gate notes it for itself, once until it is back."},
		{BlocklistBack, "That list gives answers again."},
		{GuardClosed, "The guard closed the object, a login that is guessed at from many networks, one that is guessed at from a network in which it is known, there, or a network from which many logins failed: only where that login has come in from before, and only who has come in there before, goes on. Data has the rule (sources, secrets, names), what was counted, until when it is closed if nobody is refused for it any more, and the node, if there are several."},
		{GuardShadow, "The guard would have banned or closed the object if it were not told to watch only (guard.mode); data has what it would have done, the rule, and what was counted."},
		{GuardForgot, "The actor had the guard forget what it had counted of the object, a login or a network; what was closed is open, bans stay."},
		{LimitSet, "The actor set the object, a limit or an allowance on top of one; text is the reason, data has the id of the rule, until when it holds, if it ends, and action, share and shadow where they are not the usual ones."},
		{LimitLifted, "The actor ended a limit, the object, before its time, or removed what it was for, as text says then; data as above."},
		{APIRefused, "A request of the API came with a token that is nobody's, or is of the object, a client of the API, which may not come from there; data has which as cause (token, network). Of one network at most 10 a minute are recorded, of all 200."},
		{ServerStarted, "The server started; text is its version, data has its store and, where several gates may share that, its node."},
		{ServerReloaded, "The server took a changed configuration; data names the options that changed, those that wait for a restart, and the node likewise."},
		{ServerStopped, "The server stopped; data names the node likewise."},
		{DomainUnaligned, "The regular look at the object, a domain, or one that the actor asked for, found that its mail will fail DMARC at its receivers; text says why, data has its policy and a DNS record that mends it, if there is one to propose. It is recorded when that begins."},
		{DomainAligned, "Mail of the object, a domain, passes DMARC again."},
		{DomainKeys, "The DKIM keys of the object, a domain, have turned by themselves: found in DNS, signing, past, or removed."},
		{NodeLost, "A gate, which data names as node, lost its lease; text says why. It delivers nothing until it has another, and records this then."},
		{NodeDead, "The lease of the object, a node, had run out and was ended: it is dead, hangs or is cut off; data names the node that saw it."},
		{NodeAdopted, "Deliveries of the object, a node that is dead, drained or stopped, were shared out among the active ones; data has how many, and the node that did it. There is one for each portion."},
		{StoreLow, "The free space of the store has come down to store.reserve, and new mail is refused; data has the octets that are free, spare within the database and kept in reserve, and how many files may still be made."},
		{StoreRegained, "The store has room again, and takes new mail; data as above."},
		{StoreCopied, "An administrator copied another store into this one; data has the two, and how much was copied. What is before this event happened in the other store."},
		{StoreReopened, "An administrator, the actor, lets gates serve again from this store, which had been copied into another one; text names that one and says when, data has it."},
		{StoreRestored, "An administrator, the actor, put the store back from a backup; data has when and by which version that was made, and how many deliveries are held since, if any. What happened between the backup and this is not in the record."},
	}
}
