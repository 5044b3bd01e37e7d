package advice

import "countersign/internal/smtp"

// senders are about sender and recipients.
func senders() []row {
	return []row{
		{smtp.ESenderNotOwned, Advice{
			"The sender's address does not belong to your login",
			"You may send under addresses that are yours: the one of your mailbox, its aliases, and others that were granted to you. The message was to go out under another one, which would be forged in the eyes of its recipients.",
			[]string{senderInPrograms,
				"Do you have several mailboxes in one program? Choose for each address the outgoing server with the login of that mailbox; Thunderbird has that in the settings of each account.",
				"A contact form or shop on a web site: it must send under an address of its own, and put the visitor's address into Reply-To.",
				"Mail that a server forwards: let it keep the original as an attachment, or write an address of your own as the sender."},
			"Where you should be allowed to use the address, it can be granted to your login."}},
		{smtp.EHeaderSenderNotOwned, Advice{
			"The message names a sender that does not belong to your login",
			"The address that readers will see as the sender (From, Sender, or Resent-From), or one that the name beside it shows, is neither yours nor granted to you.",
			[]string{senderInPrograms,
				"Is there a mail address in the name of the sender, as in “boss@example.com” <you@example.org>? Write a name there that is none: open the settings of the account and look at Your Name.",
				"A contact form or shop on a web site: let it send under an address of its own, with the visitor's address in Reply-To and not in the sender's name.",
				"Do you send on behalf of somebody else? Ask for a grant, rather than to write their address as yours."},
			"Where you should be allowed to use the address, it can be granted to your login."}},
		{smtp.ESenderMissing, Advice{
			"You may send on behalf of this address, and have to say so",
			"The address in From was granted to you for sending on behalf of it. Readers shall see who has really sent: the field Sender must have an address of your own.",
			[]string{
				"Outlook: choose the other address by From, and send from your own mailbox; it then writes Sender by itself.",
				"Thunderbird does not write Sender by itself. Send under your own address, or ask for the right to send as the other one.",
			},
			"The grant can be changed to one for sending as that address."}},
		{smtp.ENullSenderNotAllowed, Advice{
			"The message had no sender",
			"Only automatic reports go out with an empty sender, and your login is not for those.",
			[]string{"Enter a sender's address in the settings of the program. " + device,
				"A program that writes automatic replies: let it send with your address as the sender."},
			"Where your login needs to send reports, that can be allowed."}},
		{smtp.ESenderBadAddress, Advice{
			"The sender is not a mail address",
			"What the program gave as the sender cannot be a mail address: something is missing, or there is too much of it.",
			[]string{"Look at Email Address in the settings of the account: it has one @, something before it and a domain behind it, and no blanks.", device}, ""}},
		{smtp.ERecipientBadAddress, Advice{
			"A recipient is not a mail address",
			"An address has a blank, a comma or another character where none may stand, or something is missing.",
			[]string{"Look at the addresses in To, Cc and Bcc, and correct the one that the answer names.",
				"If it comes from your address book, correct it there too."}, ""}},
		{smtp.ESMTPUTF8Required, Advice{
			"An address has letters that the program cannot send",
			"An address with letters such as ü or é before the @ needs a mail program that knows such addresses, and this one has not said that it does.",
			[]string{"Ask the recipient for an address in plain letters; most people who have such an address have another one too.",
				"Or send with another mail program, or by web mail."}, ""}},
		{smtp.ERecipientDomainNoMail, Advice{
			"The recipient's domain takes no mail",
			"The owner of the domain has published that no mail is received there.",
			[]string{"Check the part behind the @: perhaps there is another ending, or one letter too many.", "Look on the recipient's web site for an address."}, ""}},
		{smtp.ERecipientDomainNotFound, Advice{
			"The recipient's domain does not exist",
			"There is no domain of the name behind the @, so nobody could receive the message.",
			[]string{"Check the spelling behind the @, letter by letter: gmial.com for gmail.com is a common slip.",
				"Correct the address in your address book, and remove it from the proposals of the program: Outlook keeps old ones until they are deleted by the cross beside them."}, ""}},
	}
}
