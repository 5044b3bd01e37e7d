package smtpserver

import (
	"strconv"
	"strings"

	"countersign/internal/smtp"
)

// ehlo runs EHLO (RFC 5321 section 4.1.1.1): it names the client, resets the
// session as RSET does (section 4.1.4) and lists the extensions.
func (c *session) ehlo(args string) {
	if c.hello("EHLO", args) {
		c.reply(smtp.Hello(c.srv.opt.Hostname, c.extensions()...))
	}
}

// helo runs HELO, the same without extensions.
func (c *session) helo(args string) {
	if c.hello("HELO", args) {
		c.reply(smtp.Hello(c.srv.opt.Hostname))
	}
}

// hello is what EHLO and HELO share. A refused one changes nothing (RFC 5321
// section 4.1.4).
func (c *session) hello(verb, args string) bool {
	name, err := smtp.ParseHello(args)
	if err != nil {
		c.refuse(verb, smtp.ReplyFor(err), countError)
		return false
	}
	c.resetTransaction()
	c.setState(stateReady)
	c.observe(Observation{Kind: ObservedHello, Verb: verb, Text: name})
	return true
}

// extensions lists what EHLO offers now: STARTTLS before TLS and never after
// (RFC 3207 section 4.2), AUTH after TLS and never before (RFC 4954 section 4).
func (c *session) extensions() []string {
	list := make([]string, 0, 10)
	list = append(list, "PIPELINING", "SIZE "+strconv.FormatInt(c.limits.MaxMessageBytes, 10),
		"8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES")
	if limits := c.limits.Announce(); limits != "" {
		list = append(list, limits)
	}
	if c.tls == nil {
		return append(list, "STARTTLS")
	}
	if mechanisms := c.backend.Mechanisms(); len(mechanisms) > 0 {
		list = append(list, "AUTH "+strings.Join(mechanisms, " "))
	}
	return list
}
