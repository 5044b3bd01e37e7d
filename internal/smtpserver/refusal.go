package smtpserver

import (
	"strconv"

	"countersign/internal/smtp"
	"countersign/internal/smtpserver/bounds"
)

// budget says which count of a session a refusal adds to.
type budget uint8

const (
	countNothing budget = iota
	countError
	countAuth
	countRecipient
)

// maxHeld bounds what is kept for the backend while it is within Data: the refusals
// between two chunks. What is beyond is counted, and the count is recorded.
const maxHeld = 64

// counts are a session's refusals so far; vain are those that add to no other count, since a
// message was accepted last.
type counts struct {
	errors, auth, recipients, chatter, vain int
}

// maxVain is how many refusals that are no fault of the client's a session may get in a row, with
// no message accepted between them. RFC 5321 section 4.5.3.1.10: who is told 452 at RCPT sends this
// message, then the others in a further one; that takes several hundred for a list of thousands, and each message
// accepted begins anew. Who gets none through would hold its place, and fill the record, for ever.
//
// While a transaction has recipients it is maxVainListed: who names a whole list, however many of it are
// refused, is to get the message to those that were not. Ended before that, it would have been accepted for
// nobody, and the same again on the next connection.
const (
	maxVain       = 5000
	maxVainListed = 100_000
)

// spend adds one refusal, and returns the reason to end the session when that
// was the last one of the budget. listed says that the transaction has recipients.
func (n *counts) spend(b budget, listed bool, l *bounds.Limits) (smtp.Reason, bool) {
	switch b {
	case countError:
		n.errors++
		return smtp.ETooManyErrors, l.MaxErrors > 0 && n.errors >= l.MaxErrors
	case countAuth:
		n.auth++
		return smtp.ETooManyAuthFailures, l.MaxAuthFailures > 0 && n.auth >= l.MaxAuthFailures
	case countRecipient:
		n.recipients++
		return smtp.ETooManyRefusedRecipients, l.MaxRefusedRecipients > 0 && n.recipients >= l.MaxRefusedRecipients
	}
	n.vain++
	return smtp.ETooManyRefusals, n.vain >= maxVain && !listed || n.vain >= maxVainListed
}

// maxChatter is how many commands that bring no message on its way a session
// may send between two messages.
const maxChatter = 100

// chatters counts commands that cost a client nothing, and ends the session
// that sends no others: it would hold its place, and fill the record, for ever.
func (c *session) chatters(verb string) bool {
	switch verb {
	case "EHLO", "HELO", "NOOP", "RSET", "HELP", "VRFY":
		c.counts.chatter++
	case "DATA", "BDAT":
		c.counts.chatter = 0
	}
	if c.counts.chatter <= maxChatter {
		return false
	}
	c.refuse(verb, smtp.Refusal(smtp.ETooManyErrors, ""), countNothing)
	return true
}

// refuse answers a command with a refusal and records it.
func (c *session) refuse(verb string, r smtp.Reply, b budget) { c.refuseFor(nil, verb, r, b) }

// refuseFor is refuse where the reply was made of an error of the Session.
func (c *session) refuseFor(cause error, verb string, r smtp.Reply, b budget) {
	o := observation(ObservedRefusal, r)
	o.Verb, o.Text, o.Err = verb, r.Text, cause
	c.observe(o)
	c.answerRefusal(r, b)
}

// observation is the beginning of the record of a reply.
func observation(kind Observed, r smtp.Reply) Observation {
	return Observation{Kind: kind, Code: r.Code, Enhanced: r.Enhanced.String(), Reason: string(r.Reason)}
}

// answerRefusal answers with a refusal that has been recorded. The one that uses up a
// budget gets its own reply and a 421 behind it, so that the client learns both. A
// reply of 421 ends the session (RFC 5321 section 3.8).
func (c *session) answerRefusal(r smtp.Reply, b budget) {
	c.reply(c.named(r))
	if r.Code == codeClosing {
		c.end(string(r.Reason), true)
		return
	}
	if reason, spent := c.counts.spend(b, c.state == stateRcpt, c.limits); spent {
		c.reply(c.named(smtp.Refusal(reason, "")))
		c.end(string(reason), true)
	}
}

// named puts the session's id behind the text of a refusal, within the link to the page that
// explains it where there is one: under the id the helpdesk finds what happened. Replies are
// folded at blanks, of which a link has none.
func (c *session) named(r smtp.Reply) smtp.Reply {
	id, page := c.peer.ID.String(), ""
	if c.srv.opt.HelpPage != nil {
		page = c.srv.opt.HelpPage(r.Reason)
	}
	if page == "" {
		r.Text += " [" + id + "]"
		return r
	}
	r.Text += " " + page + "?id=" + id
	return r
}

// codeClosing is the reply after which the connection is closed.
const codeClosing = 421

// reply sends a reply; it is written when the server next waits.
func (c *session) reply(r smtp.Reply) { c.wire.Write(r) }

// end makes the current command the last one. why is for the record; linger
// says that the client may have sent more and shall see the answer all the same.
// The first reason stands.
func (c *session) end(why string, linger bool) {
	if c.closing == "" {
		c.closing, c.linger = why, linger
	}
}

// observe tells the backend, unless it is within Data: then later.
func (c *session) observe(o Observation) {
	if c.inData {
		if len(c.held) < maxHeld {
			c.held = append(c.held, o)
		} else {
			c.omitted++
		}
		return
	}
	if c.backend != nil {
		c.backend.Observe(c.srv.ctx, o)
	}
}

// release tells the backend what it missed within Data.
func (c *session) release() {
	c.inData = false
	for _, o := range c.held {
		c.observe(o)
	}
	if c.omitted > 0 {
		c.observe(Observation{Kind: ObservedOmitted, Text: strconv.Itoa(c.omitted) + " more between the chunks of one message"})
	}
	c.held, c.omitted = nil, 0
}
