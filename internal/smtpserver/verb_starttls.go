package smtpserver

import "countersign/internal/smtp"

// starttls runs STARTTLS (RFC 3207 section 4). Plain text received behind it
// may have been put there by a third party for the time after the handshake,
// so it ends the session; what comes later goes to the handshake and breaks it.
func (c *session) starttls(string) {
	if c.tls != nil {
		c.refuse("STARTTLS", smtp.Refusal(smtp.ETLSActive, ""), countError)
		return
	}
	if c.wire.Reader().Buffered() > 0 {
		c.refuse("STARTTLS", smtp.Refusal(smtp.EPipelinedSTARTTLS, ""), countNothing) // a 421
		return
	}
	config := c.listener.TLS()
	if config == nil {
		c.srv.opt.Logger.Error("no TLS configuration", "listener", c.listener.Name)
		c.refuse("STARTTLS", smtp.Refusal(smtp.ETLSUnavailable, ""), countNothing)
		return
	}
	c.reply(smtp.ReadyForTLS())
	if err := c.wire.Flush(); err != nil {
		c.end(closedIO, false)
		return
	}
	if err := c.handshake(config); err != nil {
		c.handshakeFailed(err)
		return
	}
	c.setState(stateFresh) // RFC 3207 section 4.2: forget all, EHLO comes again
}
