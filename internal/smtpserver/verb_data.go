package smtpserver

import (
	"errors"
	"io"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/smtp"
	"countersign/internal/smtp/strict"
)

// data runs DATA (RFC 5321 section 4.1.1.4).
func (c *session) data(string) {
	c.reply(smtp.StartData())
	t := c.limits.Timeouts
	c.wire.ExpectBody(t.DataProgress, time.Now().Add(t.DataTotal))
	reader := c.wire.Reader().Data(c.limits.Content())
	body := &body{r: reader}
	id, err := c.deliver(body)
	if lost := body.lost(); lost != nil {
		c.setState(stateReady)
		c.readFailed(lost)
		return
	}
	err = body.verdict(err)
	drain := reader.Drain()
	if err == nil && drain == nil && reader.Violation() != nil {
		err = reader.Violation() // the backend took what it had not read
		c.srv.opt.Logger.Error("a message was accepted unread", "session", c.peer.ID.String(), "submission", id.String())
	}
	c.setState(stateReady)
	c.answerMessage("DATA", id, err, drain)
}

// deliver gives a message to the backend.
func (c *session) deliver(body io.Reader) (mail.ID, error) {
	c.inData = true
	id, err := c.backend.Data(c.srv.ctx, body)
	c.release()
	return id, err
}

// answerMessage answers the end of a message with err, or with id if that is
// nil. drain is the error of reading what was left: it ends the session, as
// nobody knows where the next command begins.
func (c *session) answerMessage(verb string, id mail.ID, err, drain error) {
	if drain != nil && !errors.Is(drain, strict.ErrDrainLimit) {
		c.readFailed(drain)
		return
	}
	if drain != nil && err == nil {
		err = fault.New("smtpserver.data", fault.TooLarge, "the message does not end")
	}
	if err != nil {
		c.refuseFor(err, verb, smtp.ReplyFor(err), countNothing)
	} else {
		c.counts.vain = 0
		c.reply(smtp.Queued(id.String()))
	}
	if drain != nil {
		c.end(closedNeverEnded, true)
	}
}

// dataRefused ends the session when more has been received behind a refused
// DATA: the client may have sent the message without waiting for the 354
// (against RFC 2920 section 3.1), and its lines must not be run. One that
// sends it later, whatever the answer was, betrays itself by its first line,
// which is a header field and no command; mistrust ends its session.
func (c *session) dataRefused(string) {
	c.bodyMayFollow = true
	if c.wire.Reader().Buffered() > 0 {
		c.end(closedProtocol, true)
	}
}

// body is a message as the backend reads it. It remembers how reading failed, so that
// the reply does not depend on what the backend makes of it.
type body struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// lost returns the error that ended the connection within the message, nil if
// none did.
func (b *body) lost() error {
	var violation *strict.DataError
	if b.err == nil || errors.As(b.err, &violation) {
		return nil
	}
	return b.err
}

// verdict returns what is wrong with the message: a violation that was read,
// else err, which is the backend's.
func (b *body) verdict(err error) error {
	if b.err != nil {
		return b.err
	}
	return err
}
