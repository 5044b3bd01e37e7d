package smtpserver

import (
	"bytes"
	"slices"
	"strings"

	"countersign/internal/smtp"
	"countersign/internal/smtpserver/wire"
)

// state is where a session stands. The bits make sets of them.
type state uint8

const (
	// stateFresh: no EHLO or HELO yet, or TLS has made us forget it.
	stateFresh state = 1 << iota
	// stateReady: greeted, no transaction.
	stateReady
	// stateMail: MAIL accepted.
	stateMail
	// stateRcpt: at least one RCPT accepted.
	stateRcpt
	// stateChunks: a BDAT accepted, the last one not seen; the backend's Data
	// is running and waits for the next chunk.
	stateChunks
	// stateFailed: a BDAT has been refused, the transaction is over, but more
	// of its chunks may be on the way.
	stateFailed

	anyState      = stateFresh | stateReady | stateMail | stateRcpt | stateChunks | stateFailed
	inTransaction = stateMail | stateRcpt | stateChunks
)

// argForm says what may follow a verb.
type argForm uint8

const (
	argNone argForm = iota
	argOptional
	argNeeded
)

// Lengths of command lines in octets with CRLF. 512 is that of RFC 5321
// section 4.5.3.1.4, to which extensions add: for MAIL 17 (RFC 6152 section
// 2), 26 (RFC 1870 section 3), 10 (RFC 6531 section 3.4) and 115 (RFC 3461
// section 4: RET 8, ENVID 107) and 500 (RFC 4954 section 3), for RCPT 529
// (NOTIFY 28, ORCPT 501).
const (
	lineDefault = 512
	lineMail    = lineDefault + 17 + 26 + 10 + 115 + 500
	lineRcpt    = lineDefault + 28 + 501
	// lineResponse is a line of an AUTH exchange (RFC 4954 section 4: 12,288
	// octets of base64). Long initial responses are common, so AUTH itself
	// may be as long and bring one; the mechanism has 20 octets (RFC 4422 section 3.1).
	lineResponse = 12288 + len("\r\n")
	lineAuth     = len("AUTH ") + 20 + len(" ") + lineResponse
	lineLongest  = lineAuth
)

// verb is one row of the table: what a command is, when it is legal, and what
// runs it.
type verb struct {
	name string
	// legal are the states that the command is for.
	legal state
	// plain says that it is answered without TLS; otherwise beforeTLS is the
	// refusal.
	plain     bool
	beforeTLS smtp.Reason
	// needsAuth says that it is answered only after AUTH.
	needsAuth bool
	args      argForm
	// maxLine bounds the command line in octets with CRLF.
	maxLine int
	// endsData says that between two BDAT it abandons the message.
	endsData bool
	// run carries it out.
	run func(*session, string)
	// refused is called after a refusal, before the next command is read; nil for nothing.
	refused func(*session, string)
}

// verbTable returns the commands that are known. A new SMTP verb is a row here
// and a file verb_x.go.
func verbTable() []verb {
	const (
		encrypt     = smtp.EEncryptionRequired
		encryptAuth = smtp.EAuthEncryptionRequired
	)
	return []verb{
		{name: "EHLO", legal: anyState, plain: true, args: argNeeded, maxLine: lineDefault, endsData: true, run: (*session).ehlo},
		{name: "HELO", legal: anyState, plain: true, args: argNeeded, maxLine: lineDefault, endsData: true, run: (*session).helo},
		{name: "STARTTLS", legal: stateFresh | stateReady, plain: true, args: argNone, maxLine: lineDefault, run: (*session).starttls},
		{name: "AUTH", legal: stateReady, beforeTLS: encryptAuth, args: argNeeded, maxLine: lineAuth, run: (*session).auth},
		{name: "MAIL", legal: stateReady | stateFailed, beforeTLS: encrypt, needsAuth: true, args: argNeeded, maxLine: lineMail, run: (*session).mail},
		{name: "RCPT", legal: stateMail | stateRcpt, beforeTLS: encrypt, needsAuth: true, args: argNeeded, maxLine: lineRcpt, run: (*session).rcpt},
		{name: "DATA", legal: stateRcpt, beforeTLS: encrypt, needsAuth: true, args: argNone, maxLine: lineDefault, run: (*session).data, refused: (*session).dataRefused},
		{name: "BDAT", legal: stateRcpt | stateChunks | stateFailed, beforeTLS: encrypt, needsAuth: true, args: argNeeded, maxLine: lineDefault, run: (*session).bdat, refused: (*session).bdatRefused},
		{name: "RSET", legal: anyState, plain: true, args: argNone, maxLine: lineDefault, endsData: true, run: (*session).rset},
		{name: "NOOP", legal: anyState, plain: true, args: argOptional, maxLine: lineDefault, run: (*session).noop},
		{name: "VRFY", legal: anyState, beforeTLS: encrypt, needsAuth: true, args: argNeeded, maxLine: lineDefault, run: (*session).vrfy},
		{name: "HELP", legal: anyState, beforeTLS: encrypt, args: argOptional, maxLine: lineDefault, run: (*session).help},
		{name: "QUIT", legal: anyState, plain: true, args: argNone, maxLine: lineDefault, endsData: true, run: (*session).quit},
	}
}

// foreignVerbs begin the requests of protocols that browsers and proxies speak.
// A session that says one is ended at once: what follows is not for us, and
// may hold lines that somebody chose so that they are SMTP commands. PROXY
// from a peer that is no named proxy is among them.
var foreignVerbs = [...]string{"GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PRI", "PROXY"}

// lookup returns the row of a verb, nil where it is not known.
func (s *Server) lookup(name string) *verb {
	for i := range s.verbs {
		if s.verbs[i].name == name {
			return &s.verbs[i]
		}
	}
	return nil
}

// dispatch runs one command line: the one way to a handler.
func (c *session) dispatch(line []byte) {
	command, err := smtp.ParseCommand(line)
	if err != nil {
		c.refuse("", smtp.ReplyFor(err), countError)
		c.mistrust(line)
		return
	}
	v := c.srv.lookup(command.Verb)
	if v == nil {
		c.unknown(command.Verb)
		c.mistrust(line)
		return
	}
	if c.chatters(v.name) {
		return
	}
	if len(line)+len("\r\n") > v.maxLine {
		c.refuse(v.name, smtp.Refusal(smtp.ELineTooLong, ""), countError)
		c.mistrust(line)
		return
	}
	c.bodyMayFollow = false
	if !c.stands(v, command.Args) {
		return
	}
	if refusal, ok := c.allows(v, command.Args); !ok {
		c.refuse(v.name, refusal, c.outOfOrderBudget(v))
		if v.refused != nil && c.closing == "" {
			v.refused(c, command.Args)
		}
		return
	}
	if c.state == stateChunks && v.endsData {
		c.deferred = &deferred{verb: v, args: command.Args}
		return
	}
	v.run(c, command.Args)
}

// stands asks the backend, before a command is run, whether the client may go on, or need
// not log in. What it answers ends the command; a refusal ends the session, as nothing
// that follows was meant for who is next.
func (c *session) stands(v *verb, args string) bool {
	if v.name == "QUIT" || c.state == stateChunks {
		return true // the message is judged at its end
	}
	err := c.backend.Standing(c.srv.ctx)
	if err == nil {
		return c.authenticated || c.recognise(v, args)
	}
	r := smtp.ReplyFor(err)
	if r.Code != codeClosing {
		return true // trouble of ours: commands that ask for more are refused themselves
	}
	c.refuse(v.name, r, countNothing)
	return false
}

// recognise asks, once, whether the client's address tells who it is.
func (c *session) recognise(v *verb, args string) bool {
	if !v.needsAuth || c.tls == nil || c.unrecognised {
		return true // allows has the answer
	}
	known, err := c.backend.Recognise(c.srv.ctx)
	if err != nil {
		c.refuse(v.name, smtp.ReplyFor(err), countNothing)
		if v.refused != nil && c.closing == "" {
			v.refused(c, args)
		}
		return false
	}
	c.authenticated, c.unrecognised = known, !known
	if known && !c.srv.crowd.Prove(c.guest) {
		c.readFailed(wire.ErrStopped) // too late: it has just made room
		return false
	}
	return true
}

// unknown refuses a verb that is not in the table. It is not recorded by name: it
// may be a password that a client sent after a refused AUTH.
func (c *session) unknown(name string) {
	if slices.Contains(foreignVerbs[:], name) {
		c.refuse("", smtp.Refusal(smtp.EWrongProtocol, ""), countNothing)
		c.end(closedForeign, true)
		return
	}
	c.refuse("", smtp.Refusal(smtp.EUnknownCommand, ""), countError)
}

// mistrust ends the session after a refused line that may have been a BDAT:
// its chunk follows, and nobody knows how long it is. Nor is a line that is no
// command passed over behind a refused DATA.
func (c *session) mistrust(line []byte) {
	const bdat = "BDAT"
	mayBeBdat := len(line) >= len(bdat) && bytes.EqualFold(line[:len(bdat)], []byte(bdat))
	if c.closing == "" && (mayBeBdat || c.bodyMayFollow) {
		c.end(closedProtocol, true)
	}
}

// allows checks a command against its row; the reply is the refusal if it may
// not be run now. TLS comes before authentication, and both before order and
// form, so that a client learns first what it has to do first.
func (c *session) allows(v *verb, args string) (smtp.Reply, bool) {
	switch {
	case c.tls == nil && !v.plain:
		return smtp.Refusal(v.beforeTLS, ""), false
	case v.needsAuth && !c.authenticated:
		return smtp.Refusal(smtp.EAuthRequired, ""), false
	case c.state&v.legal == 0:
		return c.outOfOrder(v), false
	case v.args == argNone && args != "":
		return smtp.Refusal(smtp.ESyntax, v.name+" takes no argument"), false
	case v.args == argNeeded && strings.TrimSpace(args) == "":
		return smtp.Refusal(smtp.ESyntax, v.name+" needs an argument"), false
	}
	return smtp.Reply{}, true
}

// outOfOrder says why a command is not legal in the state of the session.
func (c *session) outOfOrder(v *verb) smtp.Reply {
	sendsMessage := v.name == "DATA" || v.name == "BDAT"
	switch {
	case v.name == "STARTTLS":
		return smtp.Refusal(smtp.ETLSActive, "") // a transaction is open, so TLS is on
	case v.name == "AUTH" && c.state&inTransaction != 0: // RFC 4954 section 4
		return smtp.Refusal(smtp.EAuthInTransaction, "")
	case v.name == "AUTH" && c.authenticated:
		return smtp.Refusal(smtp.EAuthTwice, "")
	case c.state == stateFresh:
		return smtp.Refusal(smtp.EBadSequence, "send EHLO first")
	case sendsMessage && c.state == stateMail:
		return smtp.Refusal(smtp.ENoRecipients, "")
	case v.name == "DATA" && c.state&(stateChunks|stateFailed) != 0: // RFC 3030 section 2
		return smtp.Refusal(smtp.EBdatSequence, "")
	case v.name == "MAIL":
		return smtp.Refusal(smtp.EBadSequence, "a message has been begun already")
	}
	return smtp.Refusal(smtp.EBadSequence, "send MAIL first")
}

// outOfOrderBudget says whether a refusal by the table counts as an error. What a
// pipelining client has sent behind a refused MAIL or RCPT before it could
// know (RFC 2920 section 3.1) does not.
func (c *session) outOfOrderBudget(v *verb) budget {
	follows := v.name == "RCPT" || v.name == "DATA" || v.name == "BDAT"
	if follows && (c.mailRefused || c.state == stateMail || c.state == stateFailed) {
		return countNothing
	}
	return countError
}
