package smtpserver

import "countersign/internal/smtp"

// rset runs RSET (RFC 5321 section 4.1.1.5).
func (c *session) rset(string) {
	c.resetTransaction()
	c.reply(smtp.OK())
}

// noop runs NOOP, whose argument is ignored (RFC 5321 section 4.1.1.9).
func (c *session) noop(string) { c.reply(smtp.OK()) }

// vrfy runs VRFY and discloses nothing (RFC 5321 sections 3.5.3 and 7.3).
func (c *session) vrfy(string) { c.reply(smtp.CannotVerify()) }

// help runs HELP: the same for every argument (RFC 5321 section 4.1.1.8).
func (c *session) help(string) {
	names := make([]string, len(c.srv.verbs))
	for i := range c.srv.verbs {
		names[i] = c.srv.verbs[i].name
	}
	c.reply(smtp.Help(names, ""))
}

// quit runs QUIT (RFC 5321 section 4.1.1.10).
func (c *session) quit(string) {
	c.reply(smtp.Bye())
	c.end(closedQuit, false)
}
