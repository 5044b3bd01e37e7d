package smtpserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"countersign/internal/crowd"
	"countersign/internal/smtp"
	"countersign/internal/smtp/strict"
	"countersign/internal/smtpserver/bounds"
	"countersign/internal/smtpserver/wire"
)

// session is the protocol's side of one connection. It belongs to one
// goroutine.
type session struct {
	srv      *Server
	listener *ListenerConfig
	wire     *wire.Conn
	peer     Peer
	// began is when the connection was accepted.
	began time.Time
	// guest is the session's place, nil while it has none. displaced says that
	// it has lost it to another one; that one sets it.
	guest     *crowd.Guest
	displaced atomic.Bool
	backend   Session
	// limits are those of the current command.
	limits *bounds.Limits

	state         state
	tls           *tls.Conn
	authenticated bool
	// unrecognised says that its address tells nothing.
	unrecognised bool
	// bodyMayFollow says that DATA has been refused and no command has come since.
	bodyMayFollow bool
	// begun says that a first command has been read.
	begun bool
	// utf8 says that the transaction is one of SMTPUTF8.
	utf8 bool
	// recipients of the transaction, and transactions so far.
	recipients, messages int
	// mailRefused says that the last MAIL was refused, so that what was
	// pipelined behind it is no fault of the client's.
	mailRefused bool
	counts      counts

	// inData says that the backend's Data is running; held is what it shall
	// be told afterwards, and omitted how much more there was.
	inData  bool
	held    []Observation
	omitted int
	// chunks is the message that BDAT brings, nil outside stateChunks.
	chunks *chunks
	// over is how many recipients of the transaction a limit has refused for good.
	over int
	// skipped is the octets of refused chunks thrown away since the last MAIL.
	skipped int64
	// deferred is the command that ended such a message early.
	deferred *deferred

	// closing says why the session ends after the current command; "" while it
	// goes on. linger is for wire.Close.
	closing string
	linger  bool
}

// deferred is a command that is run after the backend's Data has returned.
type deferred struct {
	verb *verb
	args string
}

// run serves the connection to its end.
func (c *session) run() {
	defer c.leave()
	defer func() {
		c.wire.Close(c.linger)
	}()
	defer c.finish()
	defer c.recoverPanic()
	c.wire.SetReplyTime(c.limits.Timeouts.Command)
	if c.listener.Kind == Submissions {
		c.wire.AwaitTLS()
	}
	if !c.identify() {
		return
	}
	if err := c.srv.opt.Backend.Admit(c.peer); err != nil {
		c.turnAway(smtp.ReplyFor(err))
		return
	}
	if reason := c.enter(); reason != "" {
		c.refuseOverLimit(reason)
		return
	}
	c.serve()
}

// identify finds out who the client is. It reports false for a proxy that does
// not say so, which nobody answers: whatever it speaks, it is not SMTP.
func (c *session) identify() bool {
	ends, err := c.wire.Identify(c.listener.Proxies, c.limits.Timeouts.Greeting)
	c.peer = Peer{
		ID: c.srv.opt.IDs.New(), Listener: c.listener.Name,
		Client: ends.Client, Local: ends.Local, Proxy: ends.Proxy,
	}
	if errors.Is(err, wire.ErrNoHeader) {
		c.srv.refused.Add(1)
		c.srv.tellRefused(c.peer, smtp.EProxyHeaderMissing)
	}
	return err == nil
}

// serve is a session from its opening to its last command.
func (c *session) serve() {
	backend, err := c.srv.opt.Backend.Open(c.srv.ctx, c.peer)
	if err != nil {
		c.refuseConnection(smtp.ReplyFor(err), c.limits.Timeouts.Handshake)
		return
	}
	c.backend = backend
	c.setState(stateFresh)
	if c.listener.Kind == Submissions && !c.implicitTLS() {
		return
	}
	c.wire.Ready()
	if !c.greet() {
		return
	}
	for c.closing == "" {
		c.next(time.Time{})
	}
}

// next reads one command and runs it. It must arrive before end, if that is
// not zero, and before the time to log in is over.
func (c *session) next(end time.Time) {
	c.limits = c.srv.limits.Load()
	c.wire.SetReplyTime(c.patience(c.limits.Timeouts.Command))
	if !c.authenticated {
		end = c.loginBy()
	}
	if c.wire.Stopped() {
		c.readFailed(wire.ErrStopped)
		return
	}
	wait := c.limits.Timeouts.Command
	if !c.begun {
		wait = c.limits.Timeouts.Greeting
	}
	c.wire.Expect(wait, end)
	if !c.begun {
		first, _ := c.wire.Reader().Peek(1) // its error comes again below
		if c.meetsTLS(first) {
			return
		}
	}
	line, err := c.wire.Reader().ReadLine(lineLongest)
	if err != nil {
		c.readFailed(err)
		return
	}
	c.begun = true
	c.dispatch(line)
}

// readFailed ends the session after a read has failed, with a last word where
// the client may still hear it. Not even a line that is only too long or
// holds a NUL is passed over: it might have been a BDAT, and its chunk would be read as commands.
func (c *session) readFailed(err error) {
	var line *strict.LineError
	switch {
	case errors.Is(err, wire.ErrStopped) && c.displaced.Load():
		c.refuse("", smtp.Refusal(smtp.EMadeRoom, ""), countNothing) // a 421
	case errors.Is(err, wire.ErrStopped):
		c.reply(c.named(smtp.Refusal(smtp.EShutdown, "")))
		c.end(closedShutdown, false)
	case errors.As(err, &line):
		c.refuse("", line.Reply(), countNothing)
		c.end(closedProtocol, true)
	case wire.IsTimeout(err) && !c.authenticated && !time.Now().Before(c.loginBy()):
		c.reply(c.named(smtp.Refusal(smtp.ELoginTimeout, "")))
		c.end(string(smtp.ELoginTimeout), false)
	case wire.IsTimeout(err):
		c.reply(c.named(smtp.Refusal(smtp.ETimeout, "")))
		c.end(closedTimeout, false)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		c.end(closedEOF, false)
	case errors.Is(err, strict.ErrDrainLimit):
		c.end(closedNeverEnded, true)
	case c.wire.Forced():
		c.end(c.stoppedFor(), false)
	default:
		c.end(closedIO, false)
	}
}

// loginBy is when a client must have logged in. RFC 5321 section 4.5.3.2.7 has
// a server wait 5 minutes for each command; here it is one time for all of them
// up to AUTH, as who has not logged in has nothing else to do.
func (c *session) loginBy() time.Time { return c.began.Add(c.limits.Timeouts.Login) }

// minPatience leaves a client the time to hear that its own is over.
const minPatience = time.Second

// patience returns how long the client may take for something that has a limit
// of its own: no longer than it has to log in.
func (c *session) patience(limit time.Duration) time.Duration {
	if c.authenticated {
		return limit
	}
	return min(limit, max(time.Until(c.loginBy()), minPatience))
}

// stoppedFor is why a session ends that has to end at once.
func (c *session) stoppedFor() string {
	if c.displaced.Load() {
		return string(smtp.EMadeRoom)
	}
	return closedShutdown
}

// setState moves the session to st.
func (c *session) setState(st state) {
	c.state = st
	c.wire.SetBusy(st&inTransaction != 0)
}

// recoverPanic ends a session that panicked, and no more than that.
func (c *session) recoverPanic() {
	value := recover()
	if value == nil {
		return
	}
	err := c.logPanic(value)
	c.closing, c.linger = closedPanic, true // whatever it was ending for
	c.setState(stateFresh)
	c.reply(c.named(smtp.Refusal(smtp.ESessionFailed, "")))
	c.guard(func() {
		c.release()
		c.observe(Observation{Kind: ObservedPanic, Err: err})
	})
}

// logPanic makes an error of what a panic said and where, and logs it.
func (c *session) logPanic(value any) error {
	err := fmt.Errorf("panic: %v\n%s", value, debug.Stack())
	c.srv.opt.Logger.Error("a session panicked", "session", c.peer.ID.String(), "err", err)
	return err
}

// guard calls f and survives its panic.
func (c *session) guard(f func()) {
	defer func() {
		if value := recover(); value != nil {
			c.logPanic(value)
		}
	}()
	f()
}

// finish is the last the backend hears of a session.
func (c *session) finish() {
	if c.backend == nil {
		return
	}
	c.guard(c.resetTransaction)
	c.guard(func() { c.observe(Observation{Kind: ObservedClose, Text: c.closing}) })
}

// resetTransaction drops the transaction, if one is open.
func (c *session) resetTransaction() {
	if c.state&(stateMail|stateRcpt) != 0 {
		c.backend.Reset()
	}
	if c.state != stateFresh {
		c.setState(stateReady)
	}
	c.mailRefused = false
}
