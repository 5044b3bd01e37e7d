package smtpserver

import (
	"strconv"

	"countersign/internal/mail"
	"countersign/internal/smtp"
)

// mail runs MAIL (RFC 5321 section 4.1.1.2).
func (c *session) mail(args string) {
	c.mailRefused = true // until it is accepted
	env, err := smtp.ParseMail(args, offered())
	if err != nil {
		c.refuse("MAIL", smtp.ReplyFor(err), countError)
		return
	}
	if refusal, ok := c.mayBegin(env); !ok {
		c.refuse("MAIL", refusal, countNothing)
		return
	}
	if err := c.backend.Mail(c.srv.ctx, env); err != nil {
		c.refuseFor(err, "MAIL", smtp.ReplyFor(err), countNothing)
		return
	}
	c.mailRefused = false
	c.utf8 = env.SMTPUTF8
	c.recipients, c.over, c.skipped = 0, 0, 0
	c.messages++
	c.setState(stateMail)
	c.reply(smtp.SenderOK())
}

// offered are the extensions that bring parameters of MAIL and RCPT. They
// are taken after HELO too.
func offered() smtp.Extensions {
	return smtp.Extensions{Size: true, EightBitMIME: true, SMTPUTF8: true, DSN: true, Auth: true}
}

// mayBegin checks the budgets of the session and of the message.
func (c *session) mayBegin(env mail.Envelope) (smtp.Reply, bool) {
	l := c.limits
	if l.MaxMessages > 0 && c.messages >= l.MaxMessages { // RFC 9422 section 4.1
		return smtp.Refusal(smtp.ETooManyMessages, ""), false
	}
	if l.MaxMessageBytes > 0 && env.Size > l.MaxMessageBytes { // RFC 1870 section 6.1
		return smtp.Refusal(smtp.EMessageTooLarge, strconv.FormatInt(l.MaxMessageBytes, 10)), false
	}
	return smtp.Reply{}, true
}
