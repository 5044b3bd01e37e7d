package advice

import "countersign/internal/smtp"

// askForBan is what can be done about a ban.
const askForBan = "The helpdesk sees who set the ban, why and until when, and can lift it."

// connections are about who connects, and how.
func connections() []row {
	return []row{
		{smtp.EBanned, banned()},
		{smtp.EBannedNow, banned()},
		{smtp.ENetworkDenied, denied()},
		{smtp.ENetworkDeniedNow, denied()},
		{smtp.EListed, Advice{
			"Your network address is on a public list of spam senders",
			"Lists of addresses that spam comes from are kept by others on the Internet, and yours stands on one of them. Often it is an address that somebody else had before you, or a computer in your network that sends spam unnoticed.",
			[]string{
				"Have the computers and devices in your network searched for malicious software.",
				"Switch your router off for some minutes: many connections get a new address by that.",
				"Ask whoever you have the Internet connection from; they can have the address removed. The answer says which list it is, and each has a page where you can look up why.",
			},
			"You can be let in all the same, by an entry for your network."}},
		{smtp.EListAway, Advice{
			"Your network address could not be checked",
			"The lists by which clients are judged could not be asked just then.",
			[]string{tryLater}, "Look after the name servers and the lists that are asked."}},
		{smtp.ETooManyErrors, Advice{
			"The program made too many mistakes in one connection",
			"After so many commands that were refused the server ends the connection. The answers before say what was wrong.",
			[]string{"Look at the first error that the program shows, and mend that one.", device}, "The helpdesk finds all of them by the id at the end of the answer."}},
		{smtp.ETooManyAuthFailures, Advice{
			"Too many logins have failed in one connection",
			"The program has tried several times to log in, and was refused each time.",
			[]string{"Enter user name and password anew: the user name is your whole mail address.",
				"Look for old passwords that the program has stored. Thunderbird: Settings, Privacy & Security, Saved Passwords. Outlook: the Credential Manager of Windows."},
			"The helpdesk can give you a new password."}},
		{smtp.ETooManyRefusedRecipients, Advice{
			"Too many recipients were refused",
			"So many of the addresses cannot be right that the rest was not tried. What was accepted before is on its way.",
			[]string{"Look at the addresses that were refused, one by one, and remove or correct them.",
				"An old list of addresses: send to few at a time, and remove what comes back."}, ""}},
		{smtp.ETooManyRefusals, Advice{
			"Nothing was accepted for thousands of attempts",
			"The program went on trying on one connection, and each time was told no. What was accepted before is on its way; the message that was being sent is not.",
			[]string{"Look at the answers before this one: they say what was refused, and often until when.",
				"A message to thousands of recipients: send it to some hundred at a time.", tryLater},
			"The helpdesk finds the answers by the id at the end of this one."}},
		{smtp.ETooManyConnections, Advice{
			"The server has too many connections",
			"This has nothing to do with your settings.",
			[]string{tryLater}, "If it goes on, look who takes the places up."}},
		{smtp.ETooManyConnectionsFromYou, Advice{
			"Too many connections from your network",
			"From your network there are as many connections at this moment as there may be. They may be those of other people who share your address.",
			[]string{"Close programs that send a lot at the same time, and try again.",
				"A program that sends newsletters or invoices: set how many connections it opens at once to 5 or fewer."},
			"The number can be raised for an office."}},
		{smtp.EConnectionLimit, connectionLimit()},
		{smtp.EConnectionLimitLogin, connectionLimit()},
		{smtp.EMadeRoom, Advice{
			"The server was full",
			"Nobody had logged in on this connection, so its place was given to somebody else.",
			[]string{tryLater}, "If it goes on, look who takes the places up."}},
		{smtp.ELoginTimeout, Advice{
			"Nobody logged in for too long",
			"A connection has some minutes to log in. Then it is closed, so that others get the place.",
			[]string{"Send again.", "If it happens each time, the network may be slow, or a virus scanner or firewall stops the login: switch off there that it looks into encrypted mail connections."}, ""}},
		{smtp.ETimeout, Advice{
			"Nothing came for too long",
			"The program was silent for some minutes, so the connection was closed. Most programs open a new one when there is something to send.",
			[]string{"Send again.", "If it happens while large messages are sent, the connection to the Internet may be too slow or broken: try another network."}, ""}},
		{smtp.EWrongPortTLS, wrongPort("Your program begins with encryption on a port that begins without.")},
		{smtp.EWrongPortPlain, wrongPort("Your program begins without encryption on a port that is encrypted from the start.")},
	}
}

// connectionLimit is about limits of connections.
func connectionLimit() Advice {
	return Advice{
		"A limit of connections is reached",
		"How many connections may be open at once, or be opened in a minute, is limited.",
		[]string{"Wait a minute, and try again.",
			"Several devices or programs with the same login: close those that you do not use.",
			"A program that sends a lot: let it send many messages over one connection rather than open one for each."},
		"Limits can be raised when the reason is known.",
	}
}

// wrongPort is about ports and encryption that do not fit.
func wrongPort(meaning string) Advice {
	return Advice{
		"Port and encryption do not fit",
		meaning + " Port 465 goes with SSL/TLS, port 587 with STARTTLS.",
		[]string{serverInThunderbird, serverInOutlook, serverOnPhones, device}, "",
	}
}

// banned is about bans.
func banned() Advice {
	return Advice{
		"Your network is refused",
		"Connections from your network address are refused for a while, or for good: somebody has guessed passwords or sent unwanted mail from there. " +
			"That need not be you: an address may be shared by an office, a household or all customers of a mobile network. The answer says the reason.",
		[]string{
			"Look for a device with an old password that tries it again and again, or with malicious software, also among those of others in your network.",
			"Try another network: a phone's mobile connection in place of the wireless network, or the other way round.",
			"When the trouble is over, ask your provider to let you in; most bans end by themselves.",
		}, askForBan,
	}
}

// denied is about access lists.
func denied() Advice {
	return Advice{
		"Connections are not taken from your network",
		"From where you may send is set by your provider: for all customers, or for your login. You are in another network, country or provider's network.",
		[]string{
			"Do you use a VPN or a proxy? Switch it off, and try again.",
			"Are you abroad? Use web mail, or your company's VPN.",
		},
		"The helpdesk sees which entry it is, and can allow your network.",
	}
}
