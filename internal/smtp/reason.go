package smtp

// Reason is the stable code of a refusal: in kebab case, the same in replies'
// records, metrics, help pages and the API. It never changes once released.
type Reason string

// The reasons. If you add one, give it a row in the catalogue; a test fails
// until it has one.
const (
	// Commands and parameters.
	EUnknownCommand   Reason = "unknown-command"
	ECommandMalformed Reason = "command-malformed"
	ESyntax           Reason = "syntax"
	EBadSequence      Reason = "bad-sequence"
	ENoRecipients     Reason = "no-recipients"
	EBadParameter     Reason = "bad-parameter"
	EUnknownParameter Reason = "unknown-parameter"
	EBinaryMIME       Reason = "binarymime-not-offered"
	ELineTooLong      Reason = "line-too-long"
	EBareCR           Reason = "bare-cr"
	EBareLF           Reason = "bare-lf"
	ENUL              Reason = "nul"
	EBdatSequence     Reason = "bdat-sequence"
	ETLSActive        Reason = "tls-active"
	ETLSUnavailable   Reason = "tls-unavailable"

	// Authentication.
	EEncryptionRequired     Reason = "encryption-required"
	EAuthEncryptionRequired Reason = "auth-encryption-required"
	EAuthRequired           Reason = "auth-required"
	EAuthFailed             Reason = "auth-failed"
	EAuthTooMany            Reason = "auth-too-many"
	EAuthBusy               Reason = "auth-busy"
	EAuthUnavailable        Reason = "auth-unavailable"
	EAuthMechanismUnknown   Reason = "auth-mechanism-unknown"
	EAuthMalformed          Reason = "auth-malformed"
	EAuthCancelled          Reason = "auth-cancelled"
	EAuthTooLong            Reason = "auth-too-long"
	EAuthTwice              Reason = "auth-twice"
	EAuthInitialResponse    Reason = "auth-initial-response"
	EAuthInTransaction      Reason = "auth-in-transaction"

	// Sender and recipients.
	ESenderNotOwned          Reason = "sender-not-owned"
	EHeaderSenderNotOwned    Reason = "header-sender-not-owned"
	ENullSenderNotAllowed    Reason = "null-sender-not-allowed"
	ESenderBadAddress        Reason = "sender-bad-address"
	ERecipientBadAddress     Reason = "recipient-bad-address"
	ESMTPUTF8Required        Reason = "smtputf8-required"
	ETooManyRecipients       Reason = "too-many-recipients"
	ELimitReached            Reason = "limit-reached"
	ELimitRefused            Reason = "limit-refused"
	EAccountSuspended        Reason = "account-suspended"
	EAccountChanged          Reason = "account-changed"
	EAccountChangedNow       Reason = "account-changed-now"
	EMessageTooLarge         Reason = "message-too-large"
	ESizeExceeded            Reason = "size-exceeded"
	ERecipientDomainNoMail   Reason = "recipient-domain-no-mail"
	ERecipientDomainNotFound Reason = "recipient-domain-not-found"

	// The session as a whole.
	ETooManyMessages           Reason = "too-many-messages"
	ETooManyErrors             Reason = "too-many-errors"
	ETooManyAuthFailures       Reason = "too-many-auth-failures"
	ETooManyRefusedRecipients  Reason = "too-many-refused-recipients"
	ETooManyConnections        Reason = "too-many-connections"
	ETooManyConnectionsFromYou Reason = "too-many-connections-from-you"
	EBanned                    Reason = "banned"
	EBannedNow                 Reason = "banned-now"
	ENetworkDenied             Reason = "network-denied"
	ENetworkDeniedNow          Reason = "network-denied-now"
	EListed                    Reason = "listed"
	EListAway                  Reason = "list-away"
	EMadeRoom                  Reason = "made-room"
	ELoginTimeout              Reason = "login-timeout"
	ETimeout                   Reason = "timeout"
	EShutdown                  Reason = "shutdown"
	ESessionFailed             Reason = "session-failed"
	EWrongPortTLS              Reason = "wrong-port-tls"
	EWrongPortPlain            Reason = "wrong-port-plain"
	EWrongProtocol             Reason = "wrong-protocol"
	EEarlyTalker               Reason = "early-talker"
	EProxyHeaderMissing        Reason = "proxy-header-missing"
	EPipelinedSTARTTLS         Reason = "pipelined-starttls"

	// The content of a message.
	EHeaderFromMissing  Reason = "header-from-missing"
	EHeaderFromMultiple Reason = "header-from-multiple"
	EHeaderMalformed    Reason = "header-malformed"
	EHeaderTooLarge     Reason = "header-too-large"
	EHeader8Bit         Reason = "header-8bit"
	EHeaderControl      Reason = "header-control-character"
	EHeaderRepeated     Reason = "header-field-repeated"
	EHeaderName         Reason = "header-name-misleading"
	EHeaderHiddenLine   Reason = "header-hidden-line"
	EContentAmbiguous   Reason = "content-ambiguous"
	EDataLineTooLong    Reason = "data-line-too-long"
	EDataBareCR         Reason = "data-bare-cr"
	EDataBareLF         Reason = "data-bare-lf"
	EDataNUL            Reason = "data-nul"
	ELoopDetected       Reason = "loop-detected"
	EUnaligned          Reason = "dmarc-will-fail"

	// Our own troubles.
	ESigningUnavailable Reason = "signing-unavailable"
	EStoreFull          Reason = "store-full"
	EInternal           Reason = "internal"

	// What an error is answered with that has a kind but no reason of its own.
	EBusy          Reason = "busy"
	EUnavailable   Reason = "unavailable"
	ECanceled      Reason = "canceled"
	EDenied        Reason = "denied"
	ENotAcceptable Reason = "not-acceptable"

	// Deliveries that end or wait without a remote server's reply.
	EDeliveryRefusedTarget   Reason = "delivery-refused-target"
	EDeliveryNoHost          Reason = "delivery-no-host"
	EDeliveryUnreachable     Reason = "delivery-unreachable"
	EDeliveryHostBusy        Reason = "delivery-host-busy"
	EDeliveryDNS             Reason = "delivery-dns"
	EDeliveryInterrupted     Reason = "delivery-interrupted"
	EDeliveryTLS             Reason = "delivery-tls"
	EDeliveryExpired         Reason = "delivery-expired"
	EDelivery8BitUnsupported Reason = "delivery-8bit-unsupported"
	EDeliveryUTF8Unsupported Reason = "delivery-utf8-unsupported"
	EDeliverySizeUnsupported Reason = "delivery-size-unsupported"
	EDeliveryProtocol        Reason = "delivery-protocol"
)
