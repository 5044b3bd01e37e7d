package smtpclient

import "fmt"

// Stage says how far a connection or transaction had come.
type Stage string

// The stages in their order.
const (
	StageGreeting Stage = "greeting"
	StageHello    Stage = "hello"
	StageTLS      Stage = "tls"
	StageAuth     Stage = "auth"
	StageMail     Stage = "mail"
	StageRcpt     Stage = "rcpt"
	StageData     Stage = "data"
	// StageBody: the content is on its way, its end is not.
	StageBody Stage = "body"
	// StageEnd: the end of the content may have reached the peer.
	StageEnd Stage = "end"
)

// Problem says in what way something failed.
type Problem string

// The problems. If you add one, teach delivery/verdict what it means for a
// delivery; a test fails until it is done.
const (
	// Refused: the peer answered 4yz or 5yz; Reply has it.
	Refused Problem = "refused"
	// Broken: the connection ended or could not be written to.
	Broken Problem = "broken"
	// TimedOut: the peer was silent, or slow, for too long, or the deadline of the
	// caller's context has passed.
	TimedOut Problem = "timed-out"
	// Garbage: the peer's answer is not SMTP, too long, or of a class that has
	// no place here.
	Garbage Problem = "garbage"
	// NoTLS: TLS is required and was not offered, refused, failed, or its
	// certificate did not verify; or the handshake failed where TLS is opportunistic.
	NoTLS Problem = "no-tls"
	// NoUTF8: the message needs SMTPUTF8 and the peer lacks it.
	NoUTF8 Problem = "no-utf8"
	// No8Bit: the message is 8-bit and the peer lacks 8BITMIME.
	No8Bit Problem = "no-8bit"
	// TooBig: the message is larger than the peer said it takes.
	TooBig Problem = "too-big"
	// Local: our own copy of the message could not be read or is unfit.
	Local Problem = "local"
	// Canceled: the caller's context was canceled, or Message.Proceed said no.
	Canceled Problem = "canceled"
)

// Problems returns every problem, for exhaustiveness tests.
func Problems() []Problem {
	return []Problem{Refused, Broken, TimedOut, Garbage, NoTLS, NoUTF8, No8Bit, TooBig, Local, Canceled}
}

// Error is why a connection, or one recipient in a transaction, failed. It is
// not a fault: it may carry the reply of another server.
type Error struct {
	Stage   Stage
	Problem Problem
	// Reply is the peer's answer where Problem is Refused, else zero.
	Reply Reply
	// Err is the cause where there is one, for the log.
	Err error
}

// Error returns stage, problem, reply and cause in one line.
func (e *Error) Error() string {
	text := fmt.Sprintf("smtpclient: %s at %s", e.Problem, e.Stage)
	if e.Reply.Code != 0 {
		text += ": " + e.Reply.String()
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// MaybeDelivered reports whether the peer may have taken the message although
// we have no answer that says so (RFC 1047). Until the 250 has come, the message
// is ours to keep (RFC 5321 section 4.1.1.4), at the price of a duplicate.
func (e *Error) MaybeDelivered() bool {
	return e.Stage == StageEnd && e.Problem != Refused
}
