package smtpserver

import (
	"crypto/tls"
	"errors"
	"slices"
	"time"

	"countersign/internal/sasl/binding"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver/wire"
)

// refusalHandshake is how long a client that is refused may take for its TLS handshake.
const refusalHandshake = 5 * time.Second

// tlsRecordHandshake is the first octet of a TLS connection (RFC 8446 section
// 5.1). No command begins with it.
const tlsRecordHandshake = 0x16

// greet sends the greeting, after a moment in which a client that speaks first
// gives itself away: one that speaks TLS here cannot read a greeting, and one
// that just talks is noted and served (RFC 5321 section 4.3.1 tells it to
// wait). Nothing is read as a command before the greeting.
func (c *session) greet() bool {
	if pause := c.limits.Timeouts.EarlyTalk; pause > 0 {
		c.wire.Expect(pause, time.Time{})
		first, err := c.wire.Reader().Peek(1)
		if err != nil && !wire.IsTimeout(err) {
			c.readFailed(err)
			return false
		}
		if c.meetsTLS(first) {
			return false
		}
		if len(first) > 0 {
			c.observe(Observation{Kind: ObservedEarlyTalker, Reason: string(smtp.EEarlyTalker)})
		}
	}
	c.reply(smtp.Greeting(c.srv.opt.Hostname))
	return true
}

// meetsTLS ends the session if the first octet of a plain connection is that of
// a handshake. The answer is plain text: to TLS libraries it is the known sign
// of a plain port ("wrong version number"), which an alert would not be, and in
// a packet trace it can be read.
func (c *session) meetsTLS(first []byte) bool {
	if c.tls != nil || len(first) == 0 || first[0] != tlsRecordHandshake {
		return false
	}
	c.wrongPort(smtp.EWrongPortTLS, wrongTLSOnPlain)
	return true
}

// wrongPort records the mistake and answers in plain text.
func (c *session) wrongPort(reason smtp.Reason, which string) {
	r := smtp.Refusal(reason, "")
	o := observation(ObservedWrongPort, r)
	o.Text = which
	c.observe(o)
	c.wire.Speak()
	c.reply(c.named(r))
	c.end(closedWrongPort, true)
}

// implicitTLS makes the handshake of a Submissions listener. A client that
// speaks plain text, or waits for a greeting until the time is over, is told
// so in plain text, as no handshake has begun.
func (c *session) implicitTLS() bool {
	config := c.listener.TLS()
	if config == nil {
		c.srv.opt.Logger.Error("no TLS configuration", "listener", c.listener.Name)
		c.end(closedTLSFailed, false)
		return false
	}
	err := c.handshake(config)
	var plain *wire.NoTLSError
	switch {
	case err == nil:
		return true
	case !errors.As(err, &plain):
		c.handshakeFailed(err)
	case len(plain.Begins) == 0:
		c.wrongPort(smtp.EWrongPortPlain, wrongSilentOnTLS)
	case speaksHTTP(plain.Begins):
		c.wrongPort(smtp.EWrongProtocol, wrongPlainOnTLS)
	default:
		c.wrongPort(smtp.EWrongPortPlain, wrongPlainOnTLS)
	}
	return false
}

// speaksHTTP reports whether the first octets are those of a foreign verb.
func speaksHTTP(first []byte) bool {
	return slices.ContainsFunc(foreignVerbs[:], func(verb string) bool {
		n := min(len(verb), len(first))
		return string(first[:n]) == verb[:n]
	})
}

// handshake makes the connection one of TLS.
func (c *session) handshake(config *tls.Config) error {
	watched, seen := binding.Watch(config)
	conn, err := c.wire.StartTLS(watched, c.patience(c.limits.Timeouts.Handshake))
	if err != nil {
		return err
	}
	c.tls = conn
	state := conn.ConnectionState()
	c.observe(Observation{Kind: ObservedTLS, TLS: &state, Binding: seen.Channel(state).Data})
	return nil
}

// handshakeFailed ends the session: client and server agree on nothing any
// more (RFC 3207 section 4.1).
func (c *session) handshakeFailed(err error) {
	if c.wire.Stopped() {
		c.end(c.stoppedFor(), false)
		return
	}
	if errors.Is(err, wire.ErrGone) {
		c.end(closedEOF, false)
		return
	}
	c.observe(Observation{Kind: ObservedTLSFailed, Err: err})
	c.end(closedTLSFailed, false)
}

// refuseOverLimit tells a client that there are too many connections, which
// reason says more closely, unless too many are being told so already: being
// refused must stay cheaper than being served.
func (c *session) refuseOverLimit(reason smtp.Reason) {
	c.srv.refused.Add(1)
	done, ok := c.beginRefusing()
	if !ok {
		return
	}
	defer done()
	c.srv.tellRefused(c.peer, reason)
	c.refuseConnection(smtp.Refusal(reason, ""), min(refusalHandshake, c.limits.Timeouts.Handshake))
	c.wire.Close(false) // within the token
}

// beginRefusing takes a token for telling a client that it is refused, which done gives
// back; ok is false where too many are being told.
func (c *session) beginRefusing() (done func(), ok bool) {
	select {
	case c.srv.refusing <- struct{}{}:
		return func() { <-c.srv.refusing }, true
	default:
		return nil, false
	}
}

// turnAway refuses a client that the backend does not admit. Where it waits for a TLS
// handshake it gets none: that would cost more than anything else here, for somebody
// who may come as often as they like, and without it nothing can be said.
func (c *session) turnAway(r smtp.Reply) {
	c.srv.refused.Add(1)
	if c.listener.Kind == Submissions {
		return
	}
	done, ok := c.beginRefusing()
	if !ok {
		return
	}
	defer done()
	c.refuseConnection(r, 0)
	c.wire.Close(false) // within the token
}

// refuseConnection answers instead of the greeting: with 554 or 421, the only
// refusals that RFC 5321 section 4.3.2 has there.
func (c *session) refuseConnection(r smtp.Reply, handshake time.Duration) {
	const codeNoService = 554
	if c.listener.Kind == Submissions {
		config := c.listener.TLS()
		if config == nil {
			return
		}
		if _, err := c.wire.StartTLS(config, handshake); err != nil {
			return
		}
	}
	c.wire.Ready()
	if r.Temporary() {
		r.Code = codeClosing
	} else {
		r.Code = codeNoService
	}
	c.reply(c.named(r))
	c.end(closedBackend, false)
}
