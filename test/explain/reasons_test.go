package explain

import (
	"slices"
	"strings"
	"testing"

	"countersign/internal/smtp"
)

// unforeseen are the reasons that explain cannot foretell, or that are no answer to a message or a
// login of an account, each with why.
func unforeseen() map[smtp.Reason]string {
	all := map[smtp.Reason]string{}
	for why, reasons := range map[string][]smtp.Reason{
		"the client breaks the protocol, which a rehearsal does not": {
			smtp.EUnknownCommand, smtp.ECommandMalformed, smtp.ESyntax, smtp.EBadSequence, smtp.ENoRecipients, smtp.EBadParameter,
			smtp.EUnknownParameter, smtp.EBinaryMIME, smtp.ELineTooLong, smtp.EBareCR, smtp.EBareLF, smtp.ENUL, smtp.EBdatSequence,
			smtp.ETLSActive, smtp.EAuthMalformed, smtp.EAuthCancelled, smtp.EAuthTooLong, smtp.EAuthTwice,
			smtp.EAuthInitialResponse, smtp.EAuthInTransaction, smtp.EEncryptionRequired, smtp.EAuthEncryptionRequired, smtp.EAuthRequired,
			smtp.EWrongPortTLS, smtp.EWrongPortPlain, smtp.EWrongProtocol, smtp.EEarlyTalker, smtp.EProxyHeaderMissing, smtp.EPipelinedSTARTTLS,
		},
		"the command line takes no such address, and has SMTPUTF8 said where it is needed": {
			smtp.ESenderBadAddress, smtp.ERecipientBadAddress, smtp.ESMTPUTF8Required,
		},
		"a rehearsal announces no size":                              {smtp.ESizeExceeded},
		"a rehearsal ends each line of a message by CR LF":           {smtp.EDataBareLF},
		"a rehearsal has one message, and ends at a refusal":         {smtp.ETooManyMessages, smtp.ELimitConnection, smtp.ETooManyErrors, smtp.ETooManyAuthFailures, smtp.ETooManyRefusedRecipients, smtp.ETooManyRefusals},
		"it is of a session that was open when something changed":    {smtp.EAccountSuspended, smtp.EAccountChanged, smtp.EAccountChangedNow, smtp.EBannedNow, smtp.ENetworkDeniedNow},
		"a running gate alone knows how many there are, or how long": {smtp.ETooManyConnections, smtp.ETooManyConnectionsFromYou, smtp.EMadeRoom, smtp.ELoginTimeout, smtp.ETimeout, smtp.EShutdown, smtp.EAuthBusy},
		"it is trouble of the gate, which may pass at any moment": {
			smtp.ETLSUnavailable, smtp.EAuthUnavailable, smtp.ESessionFailed, smtp.ESigningUnavailable, smtp.EStoreFull, smtp.EInternal, smtp.EBusy,
			smtp.EUnavailable, smtp.ECanceled, smtp.EDenied, smtp.ENotAcceptable,
		},
		"it is said of deliveries": {smtp.ERecipientDomainNoMail, smtp.ERecipientDomainNotFound},
	} {
		for _, r := range reasons {
			all[r] = why
		}
	}
	for _, r := range smtp.Reasons() {
		if strings.HasPrefix(string(r), "delivery-") {
			all[r] = "it is said of deliveries"
		}
	}
	return all
}

// TestEveryReason: each reason of the catalogue has a scenario, or there is a word why it has none.
func TestEveryReason(t *testing.T) {
	var played []string
	for _, s := range scenarios() {
		played = append(played, s.reason, s.also)
	}
	unforeseen := unforeseen()
	for _, r := range smtp.Reasons() {
		has, why := slices.Contains(played, string(r)), unforeseen[r]
		switch {
		case has && why != "":
			t.Errorf("%s has a scenario, and yet it is said that %s", r, why)
		case !has && why == "":
			t.Errorf("%s has no scenario, and it is not said why", r)
		}
		delete(unforeseen, r)
	}
	for r := range unforeseen {
		t.Errorf("%s is in no catalogue", r)
	}
	holds := []string{"", "over-limit", "slowed", "rule", "filter", "dmarc-will-fail"} // of messages that are accepted
	for _, reason := range played {
		if !slices.Contains(holds, reason) && !slices.Contains(smtp.Reasons(), smtp.Reason(reason)) {
			t.Errorf("a scenario has the reason %q, which there is not", reason)
		}
	}
}
