package advice

import "countersign/internal/smtp"

// logins are about encryption and logging in.
func logins() []row {
	return []row{
		{smtp.ETLSUnavailable, Advice{
			"Encryption was not available",
			"The server could not encrypt the connection just then, and takes neither passwords nor messages without encryption. Your settings are right.",
			[]string{tryLater, "Do not switch encryption off: your password would be open to others on the way, and nothing is sent without it."},
			"Look after the server's certificate."}},
		{smtp.EEncryptionRequired, Advice{
			"Your mail program does not encrypt the connection",
			"Mail is taken over encrypted connections alone, so that nobody on the way reads your password and your messages.",
			[]string{serverInThunderbird, serverInOutlook, serverOnPhones, device}, ""}},
		{smtp.EAuthEncryptionRequired, Advice{
			"Your mail program tried to log in without encryption",
			"Your password would have crossed the network for everybody to read. The server does not take it that way. " +
				"If the program has sent it all the same, change it when the connection is encrypted.",
			[]string{serverInThunderbird, serverInOutlook, serverOnPhones, device}, ""}},
		{smtp.EAuthRequired, Advice{
			"Your mail program does not log in",
			"Sending needs your user name and password, as reading does. The program has them for reading only, or for neither.",
			[]string{loginInThunderbird, loginInOutlook,
				"A phone: open the outgoing server in the settings of the account, and enter user name and password there too; they are not optional.", device}, ""}},
		{smtp.EAuthFailed, Advice{
			"User name or password was not accepted",
			"The server does not say which of the two is wrong, so that nobody can find out by trying who has a mailbox here. " +
				"It gives the same answer where a login may not be used this way: from this network, by this program, or not any more.",
			[]string{
				"Write the user name as your whole mail address, such as name@example.org, without a blank before or behind it.",
				"Type the password anew, and look at capital letters and at the keyboard's language. Log in to your web mail with it: if that works, it is right.",
				"Have you changed the password lately? Then every program and device needs the new one: computers, phones, tablets, printers.",
				"Is yours an app password or another one that was made for one device? It may be bound to that device, to a network or to a date.",
				"Do not let a program go on with an old password: too many failures close the login for a while.",
			},
			"The helpdesk finds by the id at the end of the answer what was wrong, and can give you a new password. It never needs to know yours."}},
		{smtp.EAuthTooMany, Advice{
			"Too many logins have failed",
			"Somebody has tried passwords that were wrong, from your network or for your user name. It may have been your own phone with an old password, or a stranger. " +
				"Until it is quiet, logins wait. From places from which you have sent before, you are let in as a rule.",
			[]string{
				"Wait some minutes, then try again with the right password; each further attempt with a wrong one makes it longer.",
				"Look for a device that still has an old password: phone, tablet, printer, a second computer. Correct it, or switch its mail off.",
				"Is the password easy to guess, or used elsewhere too? Change it.",
			},
			"The helpdesk sees where the attempts come from, and can let you in at once."}},
		{smtp.EAuthBusy, Advice{
			"The server had too many logins to check",
			"Your user name and password have not been looked at. This has nothing to do with your settings.",
			[]string{tryLater}, "If it goes on, look who puts load on the server."}},
		{smtp.EAuthUnavailable, Advice{
			"Logins could not be checked",
			"The place where passwords are kept could not be asked just then. Your user name and password have not been looked at.",
			[]string{tryLater, "Do not change your password or your settings for this."}, "Look after the directory of accounts."}},
		{smtp.EAuthMechanismUnknown, Advice{
			"Your mail program logs in by a method that is not offered",
			"There are several methods of sending a password. The one that the program is set to is not in use here, often as it is old and unsafe.",
			[]string{
				"Thunderbird: open Account Settings, Outgoing Server (SMTP), Edit, and set Authentication method to Normal password. Over an encrypted connection that is safe.",
				"Outlook: switch off Secure Password Authentication (SPA).",
				"Another program: choose the method PLAIN, LOGIN or automatic. " + device,
			},
			"Say which methods there are, and whether an old device can be let in by another one."}},
	}
}

// accounts are about what an account may, once it has logged in.
func accounts() []row {
	return []row{
		{smtp.EAccountSuspended, Advice{
			"Sending has been switched off for your login",
			"Your provider has stopped sending for this login. Often somebody else has sent mail with its password, or there is something to be settled in your contract. Mail that waited is kept.",
			[]string{
				"Call or write to your provider, from another address where need be.",
				"If you did not send what was complained about: look for malicious software on your computers and change the password, also wherever else you use it.",
			},
			"Say why it was switched off, and switch it on again."}},
		{smtp.EAccountChanged, Advice{
			"What your program had logged in with was changed",
			"The password, or another permission that this connection was opened with, was changed or has ended. The server ends such connections at once.",
			[]string{
				"Send again: the program logs in anew.",
				"If it is refused then, enter the new password in the settings of the outgoing server.",
				"If you have changed nothing, ask your provider who did.",
			}, "The helpdesk sees what was changed, when and by whom."}},
		{smtp.EAccountChangedNow, Advice{
			"The settings of your login changed while you sent",
			"The message came just as something of your login was changed, so it was not taken.",
			[]string{"Send it once more."}, ""}},
	}
}
