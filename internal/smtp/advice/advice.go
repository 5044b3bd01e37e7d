package advice

import "countersign/internal/smtp"

// Advice is the text about one refusal, in plain words without markup. All of it is
// sentences.
type Advice struct {
	// Title says in a few words what has happened.
	Title string
	// Meaning explains it.
	Meaning string
	// You are steps that whoever sends can take, in their order.
	You []string
	// Provider is what whoever runs the gate can do, "" where that is nothing.
	Provider string
}

// row is the advice about one refusal.
type row struct {
	reason smtp.Reason
	Advice
}

// For returns the advice about a refusal, and false where there is none.
func For(reason smtp.Reason) (Advice, bool) {
	for _, table := range tables() {
		for i := range table {
			if table[i].reason == reason {
				return table[i].Advice, true
			}
		}
	}
	return Advice{}, false
}

// Reasons returns the refusals that there is advice about, in the order of the tables.
func Reasons() []smtp.Reason {
	var all []smtp.Reason
	for _, table := range tables() {
		for i := range table {
			all = append(all, table[i].reason)
		}
	}
	return all
}

func tables() [][]row {
	return [][]row{logins(), accounts(), senders(), limits(), rules(), connections(), contents(), troubles()}
}

// without are the refusals without advice: what is said to programs that speak SMTP wrongly,
// and of use to their makers alone, who have docs/refusals.md; and what stands in reports about
// deliveries, which explain it themselves.
func without() []smtp.Reason {
	return []smtp.Reason{
		smtp.EUnknownCommand, smtp.ECommandMalformed, smtp.ESyntax, smtp.EBadSequence, smtp.ENoRecipients, smtp.EBadParameter,
		smtp.EUnknownParameter, smtp.EBinaryMIME, smtp.ELineTooLong, smtp.EBareCR, smtp.EBareLF, smtp.ENUL, smtp.EBdatSequence,
		smtp.ETLSActive, smtp.EAuthMalformed, smtp.EAuthCancelled, smtp.EAuthTooLong, smtp.EAuthTwice, smtp.EAuthInitialResponse,
		smtp.EAuthInTransaction, smtp.EWrongProtocol, smtp.EEarlyTalker, smtp.EProxyHeaderMissing, smtp.EPipelinedSTARTTLS,

		smtp.EDeliveryRefusedTarget, smtp.EDeliveryNoHost, smtp.EDeliveryUnreachable, smtp.EDeliveryHostBusy, smtp.EDeliveryDNS,
		smtp.EDeliveryInterrupted, smtp.EDeliveryTLS, smtp.EDeliveryExpired, smtp.EDelivery8BitUnsupported,
		smtp.EDeliveryUTF8Unsupported, smtp.EDeliverySizeUnsupported, smtp.EDeliveryProtocol,
	}
}

// Where the settings are in the mail programs that most people have.
const (
	serverInThunderbird = "Thunderbird: open Account Settings, choose Outgoing Server (SMTP) in the list on the left, mark the server and press Edit. " +
		"Set Connection security to SSL/TLS with port 465, or to STARTTLS with port 587."
	serverInOutlook = "Outlook: open File, Account Settings, Server Settings, and there Outgoing mail. Set the encryption method to SSL/TLS with port 465, or to STARTTLS with port 587."
	serverOnPhones  = "iPhone and iPad: open Settings, Apps, Mail, Mail Accounts, your account, SMTP, the primary server; switch on Use SSL and set the port to 465. " +
		"Android: in the outgoing server settings of the account choose SSL/TLS with port 465."
	loginInThunderbird = "Thunderbird: open Account Settings, choose Outgoing Server (SMTP), mark the server and press Edit. Set Authentication method to Normal password, and User Name to your whole mail address."
	loginInOutlook     = "Outlook: in the settings of the outgoing server, switch on that it requires authentication, with the same settings as the incoming server or with your whole mail address and your password."
	senderInPrograms   = "Thunderbird: open Account Settings and look at Email Address in the entry of your account, and at Manage Identities. " +
		"Outlook: press From in the window where you write, or look into the settings of the account. It must be an address that belongs to your login."
	tryLater = "You need not change anything. Send again in some minutes; many programs do so by themselves."
	device   = "A printer, a shop or another device: look for the mail or SMTP settings in its administration, and whether its maker has a newer version."
)
