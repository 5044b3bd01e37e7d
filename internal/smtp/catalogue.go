package smtp

import "strings"

// entry is one row of the catalogue.
type entry struct {
	reason   Reason
	code     int
	enhanced EnhancedCode
	// text is one sentence or two that a customer understands, and that says
	// what to do. It discloses neither internals nor whether an account exists.
	text string
	// detailed is used instead of text where the caller knows more; its one %s
	// is replaced by the cleaned detail. "" ignores details.
	detailed string
}

// catalogue holds every reason for a refusal, in the order of the constants.
// Codes follow RFC 5321 sections 4.2 and 4.3.2, RFC 3463 and the registry of
// RFC 5248; those of AUTH follow RFC 4954 sections 4 and 6, that of DMARC RFC 7372
// section 3.3.
var catalogue = [...]entry{
	{EUnknownCommand, 500, EnhancedCode{5, 5, 1}, "This command is not known here.", ""},
	{ECommandMalformed, 500, EnhancedCode{5, 5, 2}, "This is not an SMTP command.", "This is not an SMTP command: %s."},
	{ESyntax, 501, EnhancedCode{5, 5, 2}, "The command's argument cannot be read.", "The command's argument cannot be read: %s."},
	{EBadSequence, 503, EnhancedCode{5, 5, 1}, "This command is out of order.", "This command is out of order: %s."},
	{ENoRecipients, 503, EnhancedCode{5, 5, 1}, "No recipient has been accepted, so there is nobody to send to.", ""},
	{EBadParameter, 501, EnhancedCode{5, 5, 4}, "A parameter has a value that cannot be used.", "A parameter cannot be used: %s."},
	{EUnknownParameter, 555, EnhancedCode{5, 5, 4}, "A parameter is not known here.", "The parameter %s is not known here."},
	{EBinaryMIME, 555, EnhancedCode{5, 5, 4}, "BODY=BINARYMIME is not offered here; send the message as 8BITMIME or encoded.", ""},
	{ELineTooLong, 500, EnhancedCode{5, 5, 2}, "The command line is too long.", ""},
	{EBareCR, 500, EnhancedCode{5, 5, 2}, "A command contains a carriage return without a line feed; lines must end in CR LF.", ""},
	{EBareLF, 500, EnhancedCode{5, 5, 2}, "A command ends in a line feed without a carriage return; lines must end in CR LF.", ""},
	{ENUL, 500, EnhancedCode{5, 5, 2}, "A command contains a NUL octet, which is not allowed.", ""},
	{EBdatSequence, 503, EnhancedCode{5, 5, 1}, "DATA and BDAT cannot be mixed in one message.", "This BDAT is out of order: %s."},
	{ETLSActive, 503, EnhancedCode{5, 5, 1}, "The connection is encrypted already.", ""},
	{ETLSUnavailable, 454, EnhancedCode{4, 7, 0}, "Encryption is not available at the moment; try again later.", ""},

	{EEncryptionRequired, 530, EnhancedCode{5, 7, 0}, "Encryption is required: issue STARTTLS first, or switch on SSL/TLS in the mail program.", ""},
	{EAuthEncryptionRequired, 538, EnhancedCode{5, 7, 11}, "Encryption is required before logging in: issue STARTTLS first, or switch on SSL/TLS in the mail program.", ""},
	{EAuthRequired, 530, EnhancedCode{5, 7, 0}, "Authentication is required: switch on login with user name and password for outgoing mail.", ""},
	{EAuthFailed, 535, EnhancedCode{5, 7, 8}, "Login failed: check user name and password.", ""},
	{EAuthTooMany, 454, EnhancedCode{4, 7, 0}, "Too many logins have failed from your network or with this user name; check the password and wait before you try again.", ""},
	{EAuthBusy, 454, EnhancedCode{4, 7, 0}, "Too many logins at this moment; try again shortly.", ""},
	{EAuthUnavailable, 454, EnhancedCode{4, 7, 0}, "Logins cannot be checked at the moment; try again later.", ""},
	{EAuthMechanismUnknown, 504, EnhancedCode{5, 5, 4}, "This login method is not offered here; choose another in the mail program.", ""},
	{EAuthMalformed, 501, EnhancedCode{5, 5, 2}, "The login data cannot be read.", "The login data cannot be read: %s."},
	{EAuthCancelled, 501, EnhancedCode{5, 7, 0}, "The login was cancelled.", ""},
	{EAuthTooLong, 500, EnhancedCode{5, 5, 6}, "The login data is too long.", ""},
	{EAuthTwice, 503, EnhancedCode{5, 5, 1}, "This connection is logged in already.", ""},
	{EAuthInitialResponse, 501, EnhancedCode{5, 7, 0}, "This login method begins with the server; nothing may follow its name.", ""},
	{EAuthInTransaction, 503, EnhancedCode{5, 5, 1}, "Logging in is not possible within a message; send RSET first.", ""},

	{ESenderNotOwned, 550, EnhancedCode{5, 7, 1}, "This login may not send from this address; choose an address of your own as the sender.", "This login may not send from %s; choose an address of your own as the sender."},
	{EHeaderSenderNotOwned, 550, EnhancedCode{5, 7, 1}, "This login may not send as the address in From, Sender, Resent-From or Resent-Sender; choose an address of your own.", "This login may not send as %s, which the message's header names; choose an address of your own."},
	{ESenderMissing, 550, EnhancedCode{5, 7, 1}, "This login may send on behalf of the address in From alone: Sender must name an address of its own.", "This login may send on behalf of %s alone: the message's Sender field must name an address of its own."},
	{ENullSenderNotAllowed, 550, EnhancedCode{5, 7, 1}, "This login may not send with an empty sender; choose an address of your own as the sender.", ""},
	{ESenderBadAddress, 501, EnhancedCode{5, 1, 7}, "The sender is not a valid mail address.", "The sender is not a valid mail address: %s."},
	{ERecipientBadAddress, 501, EnhancedCode{5, 1, 3}, "The recipient is not a valid mail address; check its spelling.", "The recipient is not a valid mail address: %s."},
	{ESMTPUTF8Required, 553, EnhancedCode{5, 6, 7}, "An address with characters beyond ASCII needs SMTPUTF8, which this message was not sent with.", ""},
	{ELimitReached, 452, EnhancedCode{4, 7, 1}, "A sending limit is reached; try again later.", "A sending limit is reached: %s."},
	{ELimitRefused, 550, EnhancedCode{5, 7, 1}, "The message is over a sending limit.", "The message is over a sending limit: %s."},
	{ELimitRecipients, 452, EnhancedCode{4, 5, 3}, "The message has as many recipients as it may have; send to the others in a further message.", "The message has as many recipients as it may have (%s); send to the others in a further message."},
	{ELimitRecipientsRefused, 550, EnhancedCode{5, 5, 3}, "The message has more recipients than it may have.", "The message has more recipients than it may have: %s."},
	{ELimitSize, 552, EnhancedCode{5, 3, 4}, "The message is larger than a sending limit allows; send a smaller one.", "The message is larger than a sending limit allows (%s); send a smaller one."},
	{ELimitConnection, 421, EnhancedCode{4, 7, 0}, "A sending limit of one connection is reached; connect again to send more.", "A sending limit of one connection is reached (%s); connect again to send more."},
	{ETooManyRecipients, 452, EnhancedCode{4, 5, 3}, "Too many recipients in one message; send to the others in a further message.", "Too many recipients in one message (at most %s); send to the others in a further message."},
	{ERuleRefused, 550, EnhancedCode{5, 7, 1}, "This is against a rule of your provider.", "%s."},
	{ERuleDeferred, 451, EnhancedCode{4, 7, 1}, "This is against a rule of your provider at the moment; try again later.", "%s; try again later."},
	{ERuleFailed, 451, EnhancedCode{4, 7, 1}, "The rules of your provider cannot be applied to this at the moment; try again later.", ""},
	{EAccountSuspended, 421, EnhancedCode{4, 7, 0}, "Sending has been switched off for this login; please contact your provider.", ""},
	{EAccountChanged, 421, EnhancedCode{4, 7, 0}, "What this login signed in with was changed or has ended; please connect and sign in again.", ""},
	{EAccountChangedNow, 451, EnhancedCode{4, 7, 0}, "The settings of this login changed while the message was on its way; send it again.", ""},
	{EMessageTooLarge, 552, EnhancedCode{5, 3, 4}, "The message is too large; send a smaller one.", "The message is too large (at most %s octets); send a smaller one."},
	{ESizeExceeded, 552, EnhancedCode{5, 3, 4}, "The message is much larger than the mail program announced; send it again.", "The message is much larger than the %s octets that the mail program announced; send it again."},
	{ERecipientDomainNoMail, 556, EnhancedCode{5, 1, 10}, "The recipient's domain does not accept mail.", "The domain %s does not accept mail."},
	{ERecipientDomainNotFound, 550, EnhancedCode{5, 1, 2}, "The recipient's domain does not exist; check its spelling.", "The domain %s does not exist; check its spelling."},

	{ETooManyMessages, 421, EnhancedCode{4, 7, 0}, "The limit of messages for one connection is reached; connect again to send more.", ""},
	{ETooManyErrors, 421, EnhancedCode{4, 7, 0}, "Too many refused commands; this connection is closed.", ""},
	{ETooManyAuthFailures, 421, EnhancedCode{4, 7, 0}, "Too many failed logins; check user name and password, then connect again.", ""},
	{ETooManyRefusedRecipients, 421, EnhancedCode{4, 7, 0}, "Too many refused recipients; check the addresses, then connect again.", ""},
	{ETooManyRefusals, 421, EnhancedCode{4, 7, 0}, "Too many refusals, and no message accepted between them; see what they say, then connect again.", ""},
	{ETooManyConnections, 421, EnhancedCode{4, 7, 0}, "Too many connections at this moment; try again shortly.", ""},
	{ETooManyConnectionsFromYou, 421, EnhancedCode{4, 7, 0}, "Too many connections from your network; close some, then try again.", ""},
	{EConnectionLimit, 421, EnhancedCode{4, 7, 0}, "A limit of connections is reached; try again later.", "A limit of connections is reached: %s; try again later."},
	{EConnectionLimitLogin, 454, EnhancedCode{4, 7, 0}, "A limit of connections of this login is reached; close some, or try again later.", "A limit of connections of this login is reached: %s."},
	{EBanned, 554, EnhancedCode{5, 7, 1}, "Connections from your network are refused here; please contact your provider.", "Connections from your network are refused here (%s); please contact your provider."},
	{EBannedNow, 421, EnhancedCode{4, 7, 0}, "Connections from your network are refused from now on; please contact your provider.", "Connections from your network are refused from now on (%s); please contact your provider."},
	{ENetworkDenied, 554, EnhancedCode{5, 7, 1}, "Your network may not connect here; please contact your provider.", "Your network may not connect here (%s); please contact your provider."},
	{ENetworkDeniedNow, 421, EnhancedCode{4, 7, 0}, "Your network may connect here no longer; please contact your provider.", "Your network may connect here no longer (%s); please contact your provider."},
	{EListed, 554, EnhancedCode{5, 7, 1}, "Your network address is on a list of those that spam comes from; ask your network's provider to have it removed.", "Your network address is on a list of those that spam comes from (%s); ask your network's provider to have it removed."},
	{EListAway, 451, EnhancedCode{4, 7, 1}, "It cannot be found out at the moment whether your network address is trusted; try again shortly.", ""},
	{ERuleUnwelcome, 554, EnhancedCode{5, 7, 1}, "Your connection is against a rule of your provider.", "%s."},
	{ERuleUnwelcomeNow, 421, EnhancedCode{4, 7, 0}, "Your connection is against a rule of your provider at the moment; try again later.", "%s; try again later."},
	{EMadeRoom, 421, EnhancedCode{4, 3, 2}, "The server is full, and nobody has logged in on this connection; try again shortly.", ""},
	{ELoginTimeout, 421, EnhancedCode{4, 4, 2}, "Nobody has logged in on this connection for too long; connect again when there is something to send.", ""},
	{ETimeout, 421, EnhancedCode{4, 4, 2}, "Nothing was received for too long; this connection is closed.", ""},
	{EShutdown, 421, EnhancedCode{4, 3, 2}, "The server is stopping or restarting; try again shortly.", ""},
	{ESessionFailed, 421, EnhancedCode{4, 3, 0}, "Something went wrong on the server; try again later.", ""},
	{EWrongPortTLS, 554, EnhancedCode{5, 7, 0}, "This port begins unencrypted: set the mail program to STARTTLS, or use the port for SSL/TLS.", ""},
	{EWrongPortPlain, 554, EnhancedCode{5, 7, 0}, "This port is encrypted from the start: set the mail program to SSL/TLS, or use the port for STARTTLS.", ""},
	{EWrongProtocol, 554, EnhancedCode{5, 5, 0}, "This is a mail server and speaks SMTP only.", ""},
	{EEarlyTalker, 554, EnhancedCode{5, 5, 1}, "The client spoke before it was greeted.", ""},
	{EProxyHeaderMissing, 554, EnhancedCode{5, 7, 0}, "The proxy did not say who its client is.", ""},
	{EPipelinedSTARTTLS, 421, EnhancedCode{4, 7, 0}, "Unencrypted data followed STARTTLS; this connection is closed.", ""},

	{EHeaderFromMissing, 550, EnhancedCode{5, 6, 0}, "The message has no From field; state a sender.", ""},
	{EHeaderFromMultiple, 550, EnhancedCode{5, 6, 0}, "The message has more than one From field; send it with one.", ""},
	{EHeaderMalformed, 550, EnhancedCode{5, 6, 0}, "The message's header cannot be read.", "The message's header cannot be read: %s."},
	{EHeaderTooLarge, 550, EnhancedCode{5, 6, 0}, "The message's header is too large.", "The message's header is too large: %s."},
	{EHeader8Bit, 550, EnhancedCode{5, 6, 7}, "The message's header contains characters beyond ASCII that are not encoded.", "The message's header contains characters beyond ASCII that are not encoded: %s."},
	{EHeaderControl, 550, EnhancedCode{5, 6, 0}, "The message's header contains a control character, which is not allowed; leave it out, or send the text encoded (RFC 2047).", "The message's header contains a control character, which is not allowed: %s. Leave it out, or send the text encoded (RFC 2047)."},
	{EHeaderRepeated, 550, EnhancedCode{5, 6, 0}, "The message has a header field more than once that may stand there once only; send it with one.", "The message has more than one %s field; send it with one."},
	{EHeaderName, 550, EnhancedCode{5, 6, 0}, "A sender's name in the message's header has characters that would mislead its reader; write it without them.", "A name in the message's header would mislead its reader; write it without such characters. %s."},
	{EHeaderHiddenLine, 550, EnhancedCode{5, 6, 0}, "A header field of the message hides a line end or NUL in encoded text; write it on one line.", "The message's field %s hides a line end or NUL in encoded text; write it on one line."},
	{EContentAmbiguous, 550, EnhancedCode{5, 6, 0}, "The message's content fields can be read in more than one way.", "The message can be read in more than one way: %s."},
	{EDataLineTooLong, 550, EnhancedCode{5, 6, 0}, "The message has a line that is too long; send it encoded (quoted-printable or base64).", "The message has a line longer than %s octets; send it encoded (quoted-printable or base64)."},
	{EDataBareCR, 550, EnhancedCode{5, 6, 0}, "The message contains a carriage return without a line feed; lines must end in CR LF.", ""},
	{EDataBareLF, 550, EnhancedCode{5, 6, 0}, "The message contains a line feed without a carriage return; lines must end in CR LF.", ""},
	{EDataNUL, 550, EnhancedCode{5, 6, 0}, "The message contains a NUL octet, which is not allowed; send it encoded (base64).", ""},
	{ELoopDetected, 554, EnhancedCode{5, 4, 6}, "The message has passed through too many servers; it seems to be in a loop.", ""},
	{EUnaligned, 550, EnhancedCode{5, 7, 26}, "The recipients' servers would turn this message away: DNS does not show that it comes from its sender's domain. Whoever runs the domain can mend that.", "The recipients' servers would turn this message away: DNS does not show that it comes from its sender's domain. Whoever runs the domain can mend that. %s"},
	{EFilterRefused, 550, EnhancedCode{5, 7, 1}, "The message's content is refused here.", "The message's content is refused here: %s"},
	{EFilterDeferred, 451, EnhancedCode{4, 7, 1}, "The message's content cannot be accepted at the moment; try again later.", "The message's content cannot be accepted at the moment; try again later: %s"},
	{EFilterAway, 451, EnhancedCode{4, 7, 1}, "The message's content cannot be looked at at the moment; try again later.", ""},

	{ESigningUnavailable, 451, EnhancedCode{4, 7, 5}, "The message cannot be signed at the moment; try again later.", ""},
	{EStoreFull, 452, EnhancedCode{4, 3, 1}, "There is no room to store the message at the moment; try again later.", ""},
	{EInternal, 451, EnhancedCode{4, 3, 0}, "Something went wrong on the server; try again later.", ""},

	{EBusy, 451, EnhancedCode{4, 3, 2}, "The server is busy at the moment; try again shortly.", ""},
	{EUnavailable, 451, EnhancedCode{4, 3, 0}, "This cannot be done at the moment; try again later.", ""},
	{ECanceled, 451, EnhancedCode{4, 3, 2}, "This was interrupted; try again shortly.", ""},
	{EDenied, 550, EnhancedCode{5, 7, 1}, "This login may not do this.", ""},
	{ENotAcceptable, 554, EnhancedCode{5, 5, 0}, "This cannot be accepted.", ""},

	{EDeliveryRefusedTarget, 550, EnhancedCode{5, 4, 4}, "The recipient's domain points to an address that mail is not sent to, such as one in a private network.", "The recipient's domain leads to %s, an address that mail is not sent to."},
	{EDeliveryNoHost, 550, EnhancedCode{5, 4, 4}, "The recipient's mail server has no address.", "The recipient's mail server %s has no address."},
	{EDeliveryUnreachable, 451, EnhancedCode{4, 4, 1}, "The recipient's mail server cannot be reached.", "The recipient's mail server %s cannot be reached."},
	{EDeliveryHostBusy, 451, EnhancedCode{4, 4, 5}, "The recipient's mail server already has as many connections from here as it gets.", "The mail server %s already has as many connections from here as it gets."},
	{EDeliveryDNS, 451, EnhancedCode{4, 4, 3}, "The recipient's domain cannot be looked up at the moment.", "The domain %s cannot be looked up at the moment."},
	{EDeliveryInterrupted, 451, EnhancedCode{4, 4, 2}, "The connection to the recipient's mail server was interrupted.", "The connection to the mail server %s was interrupted."},
	{EDeliveryTLS, 451, EnhancedCode{4, 7, 5}, "The connection to the recipient's mail server could not be encrypted as required.", "The connection to the mail server %s could not be encrypted as required."},
	{EDeliveryExpired, 550, EnhancedCode{5, 4, 7}, "The message could not be delivered within the time that messages are kept.", "The message could not be delivered in the time set for it; the last answer was: %s"},
	{EDelivery8BitUnsupported, 554, EnhancedCode{5, 6, 3}, "The recipient's mail server does not take 8-bit messages.", "The mail server %s does not take 8-bit messages."},
	{EDeliveryUTF8Unsupported, 553, EnhancedCode{5, 6, 7}, "The recipient's mail server does not take addresses beyond ASCII.", "The mail server %s does not take addresses beyond ASCII."},
	{EDeliverySizeUnsupported, 552, EnhancedCode{5, 3, 4}, "The message is too large for the recipient's mail server.", "The message is too large for the mail server %s."},
	{EDeliveryProtocol, 451, EnhancedCode{4, 5, 0}, "The recipient's mail server gave an answer that is not SMTP.", "The mail server %s gave an answer that is not SMTP."},
}

// lookup finds the row of a reason.
func lookup(reason Reason) (entry, bool) {
	for i := range catalogue {
		if catalogue[i].reason == reason {
			return catalogue[i], true
		}
	}
	return entry{}, false
}

// Refusal returns the catalogue's reply for reason. detail is shown where the
// row has a place for it, after cleaning: what is not printable becomes "?",
// at most 200 octets, or 1,200 where it is a DNS record. A reason outside the catalogue is answered as EInternal,
// so that a slip costs a retry and not a message.
func Refusal(reason Reason, detail string) Reply {
	row, found := lookup(reason)
	if !found {
		row, _ = lookup(EInternal)
	}
	text := row.text
	if detail != "" && row.detailed != "" {
		text = strings.Replace(row.detailed, "%s", cleanDetail(detail, longest(reason)), 1)
	}
	return Reply{Code: row.code, Enhanced: row.enhanced, Reason: row.reason, Text: text}
}

// longest is how many octets of a detail a reason shows.
func longest(reason Reason) int {
	if reason == EUnaligned {
		return maxRecordDetail
	}
	return maxDetail
}

// Reasons returns every reason of the catalogue in its order, for tests and
// for the generated reference.
func Reasons() []Reason {
	all := make([]Reason, len(catalogue))
	for i := range catalogue {
		all[i] = catalogue[i].reason
	}
	return all
}
