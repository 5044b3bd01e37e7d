package smtpserver

import (
	"errors"
	"slices"
	"strings"

	"countersign/internal/sasl"
	"countersign/internal/smtp"
	"countersign/internal/smtp/strict"
	"countersign/internal/smtpserver/wire"
)

// auth runs AUTH (RFC 4954 section 4): it carries an exchange of the backend's
// over lines of base64.
func (c *session) auth(args string) {
	if c.authenticated {
		c.refuse("AUTH", smtp.Refusal(smtp.EAuthTwice, ""), countError)
		return
	}
	name, initial, hasInitial, err := smtp.ParseAuth(args)
	if err != nil {
		c.refuse("AUTH", smtp.ReplyFor(err), countAuth)
		return
	}
	offers := c.backend.Mechanisms()
	i := slices.IndexFunc(offers, func(m string) bool { return strings.EqualFold(m, name) })
	if i < 0 {
		c.refuse("AUTH", smtp.Refusal(smtp.EAuthMechanismUnknown, ""), countAuth)
		return
	}
	mechanism := offers[i]
	exchange, err := c.backend.Auth(mechanism)
	if err != nil {
		c.refuse("AUTH", authReply(err), countAuth)
		return
	}
	if !hasInitial {
		initial = nil // absent, which is not empty
	}
	err = c.exchange(exchange, initial)
	if failure := sasl.Failure(exchange); failure != nil {
		err = failure // whatever the client did instead of waiting for it
	} else if c.closing != "" {
		return // reading failed
	}
	if err != nil {
		c.authFailed(mechanism, err)
		return
	}
	c.authenticated = true
	c.observe(Observation{Kind: ObservedAuthOK, Verb: "AUTH", Text: mechanism})
	if !c.srv.crowd.Prove(c.guest) {
		c.readFailed(wire.ErrStopped) // too late: it has just made room
		return
	}
	c.reply(smtp.AuthOK())
}

// exchange runs the exchange to its end. When reading fails, it ends the session.
func (c *session) exchange(exchange sasl.Exchange, response []byte) error {
	for {
		challenge, done, err := exchange.Next(c.srv.ctx, response)
		if err != nil || done {
			return err
		}
		c.reply(smtp.Challenge(challenge))
		c.wire.Expect(c.limits.Timeouts.Command, c.loginBy())
		line, err := c.wire.Reader().ReadLine(lineResponse)
		if err != nil {
			c.authReadFailed(err)
			return err
		}
		response, err = smtp.ParseAuthResponse(line)
		if err != nil {
			return err
		}
	}
}

// authReadFailed ends the session after an exchange's line could not be read.
func (c *session) authReadFailed(err error) {
	if errors.Is(err, strict.ErrLineTooLong) {
		c.refuse("AUTH", smtp.Refusal(smtp.EAuthTooLong, ""), countNothing)
		c.end(closedProtocol, true)
		return
	}
	c.readFailed(err)
}

// authFailed records a failed exchange as that, and answers it if anybody is there.
func (c *session) authFailed(mechanism string, err error) {
	r := authReply(err)
	o := observation(ObservedAuthFailed, r)
	o.Verb, o.Text, o.Err = "AUTH", mechanism, err
	c.observe(o)
	if c.closing == "" {
		c.answerRefusal(r, countAuth) // a busy one too: it must not invite to ask for ever
	}
}

// authReply turns the error of an exchange into its reply (RFC 4954 sections 4
// and 6): trouble of ours is a 454, whatever it is.
func authReply(err error) smtp.Reply {
	if errors.Is(err, sasl.ErrSyntax) {
		return smtp.Refusal(smtp.EAuthMalformed, "")
	}
	r := smtp.ReplyFor(err)
	const codeTemporaryAuth = 454
	if !r.Temporary() || r.Code == codeTemporaryAuth || r.Code == codeClosing {
		return r
	}
	if r.Reason == smtp.EBusy {
		return smtp.Refusal(smtp.EAuthBusy, "")
	}
	return smtp.Refusal(smtp.EAuthUnavailable, "")
}
