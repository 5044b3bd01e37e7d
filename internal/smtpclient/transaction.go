package smtpclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"countersign/internal/mail"
)

// Message is what one transaction sends. It is only read.
type Message struct {
	Envelope mail.Envelope
	// Recipients is at least one.
	Recipients []mail.Recipient
	// Size is the octets of head and body, 0 where it is not known.
	Size int64
	// Head is the header block with its blank line, Body what follows; every
	// line ends in CRLF.
	Head, Body []byte
	// Large opens a body that is not in Body; nil where it is.
	Large func() (io.ReadCloser, error)
	// Proceed is asked just before the content is sent, which may be long after
	// Send began, and again just before its end, without which the peer does
	// not take it; false ends the connection (Problem Canceled). nil is yes.
	Proceed func() bool
}

// needsUTF8 reports whether the message can only go to a server with SMTPUTF8.
func (m *Message) needsUTF8() bool {
	if m.Envelope.SMTPUTF8 || !m.Envelope.From.IsASCII() {
		return true
	}
	for _, r := range m.Recipients {
		if !r.To.IsASCII() {
			return true
		}
	}
	return false
}

// open returns the body.
func (m *Message) open() (io.ReadCloser, error) {
	if m.Large != nil {
		return m.Large()
	}
	return io.NopCloser(bytes.NewReader(m.Body)), nil
}

// Result is what became of one recipient.
type Result struct {
	// Reply is the answer to the end of the content where Err is nil: the peer
	// has taken the message.
	Reply Reply
	// Err is why it has not, or why that is not known.
	Err *Error
}

// Send makes one transaction and returns a result for each recipient, in their
// order. Afterwards Usable tells whether the connection can take another. It
// ends when ctx does.
func (c *Client) Send(ctx context.Context, m *Message) []Result {
	defer c.begin(ctx)()
	c.sent++
	t := &transaction{client: c, message: m, results: make([]Result, len(m.Recipients)), accepted: make([]bool, len(m.Recipients))}
	t.run()
	return t.results
}

// transaction is one MAIL, its RCPTs, and the content.
type transaction struct {
	client  *Client
	message *Message
	results []Result
	// accepted says of each recipient that RCPT was answered 2yz.
	accepted []bool
}

// run is the way of a transaction.
func (t *transaction) run() {
	c := t.client
	if c.broken {
		t.fail(&Error{Stage: StageMail, Problem: Broken, Err: errors.New("the connection is over")})
		return
	}
	if err := t.check(); err != nil {
		t.fail(err)
		return
	}
	if err := t.reset(); err != nil {
		t.fail(err)
		return
	}
	c.open = true
	if err := t.envelope(); err != nil {
		t.fail(err)
		return
	}
	reply, err := t.content()
	if err != nil {
		t.fail(err)
		return
	}
	c.open = false
	for i := range t.results {
		if t.accepted[i] {
			t.results[i].Reply = reply
		}
	}
}

// fail gives err to every recipient that has no result yet.
func (t *transaction) fail(err *Error) {
	for i := range t.results {
		if t.results[i].Err == nil {
			t.results[i].Err = err
		}
	}
}

// check refuses a message that the peer cannot take, before anything is sent.
func (t *transaction) check() *Error {
	c, m := t.client, t.message
	// RFC 1870 section 4 tells the peer's limit; 0 or nothing is none.
	limit, err := strconv.ParseInt(strings.TrimSpace(c.extensions["SIZE"]), 10, 64)
	if err == nil && limit > 0 && m.Size > limit {
		return &Error{Stage: StageMail, Problem: TooBig, Err: errors.New("the limit is " + strconv.FormatInt(limit, 10))}
	}
	if m.needsUTF8() && !c.Offers("SMTPUTF8") { // RFC 6531 section 3.2
		return &Error{Stage: StageMail, Problem: NoUTF8}
	}
	if m.Envelope.Body == mail.Body8Bit && !c.Offers("8BITMIME") {
		return t.check8Bit()
	}
	return nil
}

// check8Bit looks at a body that was declared 8-bit, for a peer that lacks
// 8BITMIME. RFC 6152 section 3 forbids to send it as it is and suggests to
// convert it, which would break its signatures: it is refused, unless it turns out to be
// 7-bit after all.
func (t *transaction) check8Bit() *Error {
	body, err := t.message.open()
	if err != nil {
		return &Error{Stage: StageMail, Problem: Local, Err: err}
	}
	defer body.Close()
	eightBit, err := is8Bit(io.MultiReader(bytes.NewReader(t.message.Head), body))
	if err != nil {
		return &Error{Stage: StageMail, Problem: Local, Err: err}
	}
	if eightBit {
		return &Error{Stage: StageMail, Problem: No8Bit}
	}
	return nil
}

// reset ends a transaction that an earlier message left open.
func (t *transaction) reset() *Error {
	c := t.client
	if !c.open {
		return nil
	}
	reply, err := c.command(StageMail, "RSET")
	if err != nil {
		return err
	}
	if reply.code/100 != 2 {
		c.broken = true
		return c.refused(StageMail, reply)
	}
	c.open = false
	return nil
}

// errNoRecipient ends a transaction whose recipients have all been refused;
// each has its own result.
var errNoRecipient = &Error{Stage: StageRcpt, Problem: Refused}

// envelope sends MAIL, RCPT and DATA and reads the answers: all at once where
// the peer knows PIPELINING (RFC 2920 section 3.1), else one by one. It
// returns nil when the content is to be sent.
func (t *transaction) envelope() *Error {
	c, m := t.client, t.message
	commands := []string{c.mailCommand(m)}
	for _, r := range m.Recipients {
		commands = append(commands, c.rcptCommand(m, r))
	}
	for _, line := range commands {
		if strings.ContainsAny(line, "\r\n\x00") {
			return &Error{Stage: StageMail, Problem: Local, Err: errors.New("a line end in an address or parameter")}
		}
	}
	pipelining := c.Offers("PIPELINING")
	if pipelining {
		for _, line := range commands {
			c.out.WriteString(line + "\r\n") // a buffered writer repeats its error at Flush
		}
		c.out.WriteString("DATA\r\n")
	}
	ask := func(line string, stage Stage) (rawReply, *Error) {
		d := c.opt.Timeouts.Command
		if stage == StageData {
			d = c.opt.Timeouts.DataStart
		}
		if !pipelining {
			c.out.WriteString(line + "\r\n") // as above
		}
		return c.read(stage, d)
	}
	reply, err := ask(commands[0], StageMail)
	if err != nil {
		return err
	}
	if reply.code/100 != 2 {
		refusal := c.refused(StageMail, reply)
		t.fail(refusal)
		if !pipelining || c.broken {
			return refusal
		}
	}
	for i := range m.Recipients {
		err := t.recipient(i, commands[1+i], ask)
		if err != nil {
			return err
		}
	}
	return t.data(pipelining, ask)
}

// recipient reads the answer to one RCPT.
func (t *transaction) recipient(i int, line string, ask func(string, Stage) (rawReply, *Error)) *Error {
	reply, err := ask(line, StageRcpt)
	if err != nil {
		return err
	}
	t.accepted[i] = reply.code/100 == 2
	if t.accepted[i] {
		return nil
	}
	refusal := t.client.refused(StageRcpt, reply)
	if t.results[i].Err == nil { // else MAIL was refused, which says more
		t.results[i].Err = refusal
	}
	if t.client.broken {
		return refusal
	}
	return nil
}

// data reads the answer to DATA, which is not sent for nobody where it can be
// helped.
func (t *transaction) data(pipelining bool, ask func(string, Stage) (rawReply, *Error)) *Error {
	wanted := false
	for i := range t.accepted {
		wanted = wanted || t.accepted[i] && t.results[i].Err == nil
	}
	if !wanted && !pipelining {
		return errNoRecipient
	}
	reply, err := ask("DATA", StageData)
	if err != nil {
		return err
	}
	switch {
	case reply.code == 354 && wanted:
		return nil
	case reply.code == 354:
		// RFC 2920 section 3.1: an empty message ends the transaction that a
		// server began although it has no recipient.
		t.client.out.WriteString(".\r\n") // a buffered writer repeats its error at Flush
		_, err = t.client.read(StageRcpt, t.client.opt.Timeouts.DataEnd)
		if err != nil {
			return err
		}
		return errNoRecipient
	case !wanted && reply.code/100 != 3:
		return errNoRecipient
	}
	return t.client.refused(StageData, reply)
}

// content sends the message and reads the answer to its end.
func (t *transaction) content() (Reply, *Error) {
	c, m := t.client, t.message
	body, err := m.open()
	if err != nil {
		return Reply{}, t.abandon(err)
	}
	defer body.Close()
	if err := t.proceed(); err != nil {
		return Reply{}, err
	}
	w := &stuffer{w: c.out}
	w.Write(m.Head) // a buffered writer repeats its error
	if m.Large == nil {
		_, err = w.Write(m.Body)
	} else {
		var source sourceReader
		source.r = body
		_, err = io.Copy(w, &source)
		if source.err != nil {
			return Reply{}, t.abandon(source.err)
		}
	}
	if err != nil {
		return Reply{}, c.failed(StageBody, err)
	}
	if err := t.proceed(); err != nil {
		return Reply{}, err
	}
	w.end()
	reply, failure := c.read(StageEnd, c.opt.Timeouts.DataEnd)
	if failure != nil {
		return Reply{}, failure
	}
	if reply.code/100 != 2 {
		return Reply{}, c.refused(StageEnd, reply)
	}
	return reply.reply(), nil
}

// proceed asks whether the message is still to be sent.
func (t *transaction) proceed() *Error {
	if t.message.Proceed == nil || t.message.Proceed() {
		return nil
	}
	t.client.broken = true
	return &Error{Stage: StageBody, Problem: Canceled, Err: errors.New("the message is not to be sent any more")}
}

// abandon breaks the connection off, as a content that has begun can be ended
// in no other way without being taken for complete.
func (t *transaction) abandon(err error) *Error {
	t.client.broken = true
	return &Error{Stage: StageBody, Problem: Local, Err: err}
}

// sourceReader tells errors of our own copy from those of the connection.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
