package advice

import "countersign/internal/smtp"

// maker is what can be done about a message that a program made wrongly.
const maker = "Send it with another program or by web mail. If a program always does it, look for a newer version, and tell its maker what the answer says."

// made is about a message that is not as messages have to be.
func made(title, meaning string, you ...string) Advice {
	return Advice{title, meaning, append(you, maker), ""}
}

// contents are about the message itself.
func contents() []row {
	return []row{
		{smtp.EHeaderFromMissing, made("The message names no sender", "Every message has to say from whom it is, in the field From.",
			"Enter your name and mail address in the settings of the program. "+device)},
		{smtp.EHeaderFromMultiple, made("The message names its sender twice", "There are two From fields, and readers would see one or the other. Forgers do so.",
			"A script: set From once. Many add a field where they should replace it.")},
		{smtp.EHeaderMalformed, made("The head of the message cannot be read", "Subject, sender, recipients and date stand in lines with a certain form, and one of them does not have it. The answer says which.",
			"Look at the names of sender and recipients: commas, brackets and quotation marks in a name have to be within quotation marks.")},
		{smtp.EHeaderTooLarge, made("The head of the message is too large", "There is more in the lines before the text than is taken: most often very many recipients in To and Cc.",
			"Send in several parts, or put recipients into Bcc.")},
		{smtp.EHeader8Bit, made("Letters such as ü in the head are not encoded", "Letters beyond plain English have to be encoded in subject and names, which the program has not done.")},
		{smtp.EHeaderControl, made("There is a control character in the head", "A character that no one can see stands in subject, sender or recipients. It gets there by copying text from elsewhere.",
			"Type the subject and the names anew, instead of pasting them.")},
		{smtp.EHeaderRepeated, made("A field stands twice in the head", "Fields such as Subject, Date or To may stand there once only. Otherwise different readers see different things.",
			"A script: set each field once. Many add a field where they should replace it.")},
		{smtp.EHeaderName, made("A sender's name would mislead its readers", "The name of the sender has characters that turn the reading direction round or do not show, or that make another address appear.",
			"Write the name anew in the settings of the account, in plain letters.")},
		{smtp.EHeaderHiddenLine, made("A line end is hidden in the head", "An encoded text in the head has a line end or a zero in it, by which further fields could be smuggled in.",
			"Type the subject and the names anew, on one line.", "A contact form: do not take line ends over from what visitors enter.")},
		{smtp.EContentAmbiguous, made("The message can be read in more than one way", "What says how text and attachments are arranged contradicts itself, so that a virus scanner could see something else than the recipient.")},
		{smtp.EDataLineTooLong, made("A line of the message is too long", "A line may have 998 characters at most. Programs break longer ones by encoding the text, which this one has not done.",
			"A script: send the text encoded as quoted-printable or base64. Every mail library has that.")},
		{smtp.EDataBareCR, lineEnds()},
		{smtp.EDataBareLF, lineEnds()},
		{smtp.EDataNUL, made("There is a zero character in the message", "Files belong into attachments, where they are encoded. Here something was put into the text as it is.",
			"Attach the file, instead of pasting it.")},
		{smtp.ELoopDetected, Advice{
			"The message goes round in circles",
			"It has passed through very many servers already. As a rule two mailboxes forward to each other.",
			[]string{"Look at the forwarding rules of the mailboxes that are involved, and switch one off.",
				"An automatic reply that answers automatic replies does it too."},
			"The helpdesk sees the way that the message took."}},
		{smtp.EUnaligned, Advice{
			"Recipients would take the message for forged",
			"Your domain says in DNS who sends its mail, and what is to be done with other mail. By that, large mailbox providers would refuse this message: the entries for our servers are missing or wrong there.",
			[]string{
				"Do you run the domain? The answer has the record that is missing. Enter it where the DNS of the domain is managed: as a TXT record, under the name that the answer says, in one piece.",
				"After that, wait for an hour, then send again.",
				"Does somebody else run it? Hand the whole answer on to them.",
			},
			"The helpdesk can look the domain up and say which records are missing."}},
		{smtp.EFilterRefused, Advice{
			"The content of the message was refused",
			"A filter for spam and viruses takes the message for unwanted or dangerous. The answer may say what it found.",
			[]string{
				"An attachment that runs programs (.exe, .js, Office files with macros, or an archive with a password): put it on a web space, and send the link.",
				"Links that are shortened, and much advertising language, look like spam: write in your own words, with whole links.",
				"Did you not send it? Then somebody else may have your password: change it, and tell your provider.",
			},
			"If the filter is wrong, the helpdesk can have that corrected."}},
		{smtp.EFilterDeferred, Advice{
			"The content of the message is not taken for now",
			"A filter has asked for the message to come again later.",
			[]string{tryLater}, "The helpdesk sees what the filter said."}},
		{smtp.EFilterAway, Advice{
			"The content of the message could not be looked at",
			"The filter for spam and viruses does not answer, and nothing goes out without it.",
			[]string{tryLater}, "Look after the filter."}},
		{smtp.ENotAcceptable, made("This cannot be accepted", "What the program asked for is nothing that could be done here.")},
	}
}

// lineEnds is about messages that end their lines in another way than mail does.
func lineEnds() Advice {
	return made("The lines of the message end in the wrong way", "In mail a line ends in two characters, carriage return and line feed. One of them alone is read differently by different servers, which attackers use to smuggle messages.",
		"A script: write CR LF (\\r\\n) at the end of each line, or let a mail library do the sending.", device)
}
