package smtpserver

import (
	"strconv"

	"countersign/internal/smtp"
)

// maxOver is how many recipients of one message limits may refuse for good before such a refusal
// counts as any other: else a client could stay in a transaction for ever.
const maxOver = 500

// rcpt runs RCPT (RFC 5321 section 4.1.1.3). Only refusals for good count
// as mistakes: one that is told to come again, or to send the rest in a
// further message (section 4.5.3.1.10), has done nothing wrong, up to maxVain or maxVainListed. Nor are recipients that a limit
// refuses for good, up to maxOver: those before them are still to get the message.
func (c *session) rcpt(args string) {
	rcpt, err := smtp.ParseRcpt(args, offered(), c.utf8)
	if err == nil {
		if limit := c.limits.MaxRecipients; limit > 0 && c.recipients >= limit {
			c.refuse("RCPT", smtp.Refusal(smtp.ETooManyRecipients, strconv.Itoa(limit)), countNothing)
			return
		}
		err = c.backend.Rcpt(c.srv.ctx, rcpt)
	}
	if err != nil {
		r := smtp.ReplyFor(err)
		limited := r.Reason == smtp.ELimitRecipientsRefused || r.Reason == smtp.ELimitRefused
		if limited {
			c.over++
		}
		count := countRecipient
		if r.Temporary() || limited && c.over <= maxOver {
			count = countNothing
		}
		c.refuseFor(err, "RCPT", r, count)
		return
	}
	c.recipients++
	c.setState(stateRcpt)
	c.reply(smtp.RecipientOK())
}
