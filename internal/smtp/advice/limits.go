package advice

import "countersign/internal/smtp"

// askForMore is what can be done about a limit.
const askForMore = "Limits can be raised for good, or once, when the reason is known. Say how many messages and recipients you need, in what time."

// limits are about how much may be sent.
func limits() []row {
	return []row{
		{smtp.ELimitReached, Advice{
			"A sending limit is reached for now",
			"For each mailbox, domain and customer there is a number of messages and recipients in an hour, a day or a month. The answer says which of them is used up, and when there is room again. " +
				"Such limits keep a stolen password from sending thousands of messages in your name.",
			[]string{
				"Wait until the time in the answer, then send again; many programs and all mail servers do so by themselves. Nothing is lost, and a message that was refused does not count.",
				"Send less at once: a newsletter in parts, or by a service that is made for it.",
				"You have not sent that much? Then somebody else may have your password: change it, and tell your provider.",
			}, askForMore}},
		{smtp.ELimitRefused, Advice{
			"The message is over a sending limit",
			"The message alone is over what may be sent, or your limit is one that does not wait. Sending it again unchanged will not help.",
			[]string{
				"Send to fewer recipients in one message, or in several parts with time between them.",
				"You have not sent that much? Then somebody else may have your password: change it, and tell your provider.",
			}, askForMore}},
		{smtp.ETooManyRecipients, Advice{
			"The message has too many recipients",
			"One message may have so many recipients as the answer says. Those before were taken, the others were not.",
			[]string{"Send the message again to those that are left, in parts.",
				"For a large circle use a mailing list or a newsletter service: recipients then do not see each other's addresses either."},
			askForMore}},
		{smtp.ELimitRecipients, Advice{
			"The message has as many recipients as it may have",
			"For one message there is a number of recipients, which the answer names. Those before were taken, the others were not.",
			[]string{"Send the message again to those that are left; mail servers do so by themselves.",
				"For a large circle use a mailing list or a newsletter service: recipients then do not see each other's addresses either."},
			askForMore}},
		{smtp.ELimitRecipientsRefused, Advice{
			"The message has too many recipients",
			"For one message there is a number of recipients, which the answer names. Those beyond it are refused for good.",
			[]string{"Send the message in several parts, each to fewer recipients.",
				"For a large circle use a mailing list or a newsletter service: recipients then do not see each other's addresses either."},
			askForMore}},
		{smtp.ELimitSize, Advice{
			"The message is larger than a sending limit allows",
			"The answer says how large one message, or all messages of one connection, may be. Attachments grow by a third on their way, so 30 MB become 40.",
			[]string{"Put large files on a cloud storage or web space, and send the link.",
				"Make pictures smaller, or spread the files over several messages."},
			askForMore}},
		{smtp.ELimitConnection, Advice{
			"Enough mail for one connection",
			"The program has sent as much as one connection may, and the connection was closed. What was accepted is on its way.",
			[]string{"Send the rest again; the program opens a new connection for it. Mail servers do so by themselves."},
			askForMore}},
		{smtp.EMessageTooLarge, Advice{
			"The message is too large",
			"With its attachments the message is larger than what is taken here. Attachments grow by a third on their way, so 30 MB become 40.",
			[]string{"Put large files on a cloud storage or web space, and send the link.",
				"Make pictures smaller: Outlook and phones offer that when a picture is attached. Or spread the files over several messages."},
			"Say how large a message may be, and where large files can be put."}},
		{smtp.ESizeExceeded, Advice{
			"The message is larger than your program said",
			"The program announced a small message and sent a much larger one.",
			[]string{"Send it again. If that does not help, look for a newer version of the program."}, ""}},
		{smtp.ETooManyMessages, Advice{
			"Enough messages for one connection",
			"The program has sent as many messages as one connection may. What was accepted is on its way.",
			[]string{"Send the rest again; the program opens a new connection for it."}, ""}},
	}
}

// rules are about what the operator's own rules refuse.
func rules() []row {
	return []row{
		{smtp.ERuleRefused, rule()},
		{smtp.ERuleDeferred, Advice{
			"A rule of your provider does not allow it at the moment",
			"Your provider has rules for what goes out. The sentence in the answer is theirs and says which one it is.",
			[]string{"Follow the sentence in the answer, and send again later."},
			"The helpdesk knows the rule, and whether it is meant for your case."}},
		{smtp.ERuleFailed, Advice{
			"The provider's rules could not be applied",
			"The message was not judged, so it was not taken for the time being.",
			[]string{tryLater}, "Look at the rules that fail."}},
		{smtp.ERuleUnwelcome, rule()},
		{smtp.ERuleUnwelcomeNow, Advice{
			"A rule of your provider ends the connection",
			"Your provider has rules for who connects, and when. The sentence in the answer is theirs.",
			[]string{"Follow the sentence in the answer, and connect again later."},
			"The helpdesk knows the rule, and whether it is meant for your case."}},
		{smtp.EDenied, Advice{
			"Your login may not do this",
			"What was tried is not among the things that your login is allowed.",
			[]string{"Ask your provider what your login is for."}, "Change what the login may do."}},
	}
}

// rule is about what a rule of the operator refuses.
func rule() Advice {
	return Advice{
		"A rule of your provider does not allow it",
		"Your provider has rules for what goes out, beside those that every message has to keep. The sentence in the answer is theirs and says which one it is.",
		[]string{"Follow the sentence in the answer. Sending again unchanged will not help."},
		"The helpdesk knows the rule, and whether it is meant for your case.",
	}
}
