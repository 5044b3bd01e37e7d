package verdict

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/mx"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/smtpclient"
)

// Host is the server that an answer came from.
type Host struct {
	// Name is as DNS or the route has it, Addr where it was connected to.
	Name string
	Addr netip.Addr
	// TLS is the version of TLS, "none", "refused" or "failed".
	TLS string
	// DSN says that the server passes DSN parameters on (RFC 3461).
	DSN bool
}

// String returns "mx.example.org [192.0.2.1]", or what is known of that.
func (h Host) String() string {
	switch {
	case !h.Addr.IsValid():
		return h.Name
	case h.Name == "" || h.Name == h.Addr.String():
		return "[" + h.Addr.String() + "]"
	}
	return h.Name + " [" + h.Addr.String() + "]"
}

// Answer is what one try means for one recipient.
type Answer struct {
	// State is Delivered, Failed or Deferred.
	State queue.State
	// Code, Enhanced and Text are the remote reply's, or ours.
	Code           int
	Enhanced, Text string
	// Cause is what the system said of a connection that was not made, for the
	// record: "dial tcp 192.0.2.1:25: connect: connection refused".
	Cause string
	// Remote says that they are the remote reply's.
	Remote bool
	// Host is whom they came from, or who did not answer.
	Host Host
	// Next says that another host may do better.
	Next bool
	// Site says that it is about the site, whatever the message.
	Site bool
	// Maybe says that the server may have taken the message all the same.
	Maybe bool
	// Canceled says that it is no answer, as we stopped.
	Canceled bool
}

// Ours makes an answer from the catalogue of refusals.
func Ours(state queue.State, reason smtp.Reason, h Host) Answer {
	reply := smtp.Refusal(reason, h.String())
	return Answer{State: state, Code: reply.Code, Enhanced: reply.Enhanced.String(), Text: reply.Text, Host: h}
}

// theirs makes an answer from a remote reply. Where the server gave no enhanced
// code, the general one of the reply's class stands in (RFC 3463 section 2).
func theirs(state queue.State, r smtpclient.Reply, h Host) Answer {
	if r.Enhanced == "" {
		r.Enhanced = string(rune('0'+r.Code/100)) + ".0.0"
	}
	return Answer{State: state, Code: r.Code, Enhanced: r.Enhanced, Text: r.Text, Remote: true, Host: h}
}

// Of says what the result of a transaction means for one recipient.
//
// A reply is the last word of the domain on this attempt, whichever of its
// hosts gave it, but for 421, with which a host closes. What breaks before the
// end of the content is tried at the next host. What breaks after it is not: the
// message may have arrived.
func Of(r smtpclient.Result, h Host) Answer {
	if r.Err == nil {
		return theirs(queue.Delivered, r.Reply, h)
	}
	e := r.Err
	switch e.Problem {
	case smtpclient.Refused:
		return ofReply(e, h)
	case smtpclient.NoUTF8:
		return Ours(queue.Failed, smtp.EDeliveryUTF8Unsupported, h)
	case smtpclient.No8Bit:
		return Ours(queue.Failed, smtp.EDelivery8BitUnsupported, h)
	case smtpclient.TooBig:
		return Ours(queue.Failed, smtp.EDeliverySizeUnsupported, h)
	case smtpclient.Local:
		return Ours(queue.Deferred, smtp.EInternal, Host{})
	case smtpclient.Canceled:
		a := Ours(queue.Deferred, smtp.EDeliveryInterrupted, h)
		a.Canceled, a.Maybe = !e.MaybeDelivered(), e.MaybeDelivered()
		return a
	}
	reason := smtp.EDeliveryInterrupted
	switch {
	case e.Problem == smtpclient.Garbage:
		reason = smtp.EDeliveryProtocol
	case e.Problem == smtpclient.NoTLS:
		reason = smtp.EDeliveryTLS
	}
	a := Ours(queue.Deferred, reason, h)
	a.Maybe = e.MaybeDelivered()
	a.Next = !a.Maybe
	return a
}

// ofReply says what a 4yz or 5yz within a transaction means.
func ofReply(e *smtpclient.Error, h Host) Answer {
	state := queue.Failed
	if e.Reply.Code/100 != 5 || TooManyRecipients(e) {
		state = queue.Deferred
	}
	a := theirs(state, e.Reply, h)
	a.Next = e.Reply.Code == 421 // RFC 5321 section 3.8
	return a
}

// TooManyRecipients reports whether a RCPT was refused because of those before
// it: 452, or 552 as older servers say it (RFC 5321 section 4.5.3.1.10).
func TooManyRecipients(e *smtpclient.Error) bool {
	if e == nil || e.Stage != smtpclient.StageRcpt || e.Problem != smtpclient.Refused {
		return false
	}
	switch e.Reply.Enhanced {
	case "", "4.5.3", "5.5.3":
		return e.Reply.Code == 452 || e.Reply.Code == 552
	}
	return false
}

// OfConnection says what a connection that came to no transaction means: always
// something about the site. A 5yz to greeting or EHLO is the host's; whether
// it is final is for Worst to say, which sees what the others answered. A refused
// login is a mistake in our configuration, which an operator can mend: temporary.
func OfConnection(e *smtpclient.Error, h Host) Answer {
	a := Of(smtpclient.Result{Err: e}, h)
	a.Site = true
	a.Next = !a.Canceled
	if e.Stage == smtpclient.StageAuth {
		a.State, a.Next = queue.Deferred, false
	}
	return a
}

// OfLookup says what an error of package mx means.
func OfLookup(err error, h Host) Answer {
	var a Answer
	switch fault.ReasonOf(err) {
	case mx.ReasonNoDomain:
		a = Ours(queue.Failed, smtp.ERecipientDomainNotFound, h)
	case mx.ReasonNullMX: // RFC 7505 section 4.1
		a = Ours(queue.Failed, smtp.ERecipientDomainNoMail, h)
	case mx.ReasonNoHost: // RFC 5321 section 5.1: to be reported as an error
		a = Ours(queue.Failed, smtp.EDeliveryNoHost, h)
	case mx.ReasonRefusedTarget:
		a = Ours(queue.Failed, smtp.EDeliveryRefusedTarget, h)
	default:
		a = Ours(queue.Deferred, smtp.EDeliveryDNS, h)
		a.Canceled = errors.Is(err, context.Canceled)
	}
	a.Next, a.Site = !a.Canceled, true
	return a
}

// Unreachable is the answer of a host to which no connection could be made.
func Unreachable(err error, h Host) Answer {
	a := Ours(queue.Deferred, smtp.EDeliveryUnreachable, h)
	a.Cause = err.Error()
	a.Canceled = errors.Is(err, context.Canceled)
	a.Next, a.Site = !a.Canceled, true
	return a
}

// HostBusy is the answer of a host that has as many connections of ours as it
// gets.
func HostBusy(h Host) Answer {
	a := Ours(queue.Deferred, smtp.EDeliveryHostBusy, h)
	a.Next = true
	return a
}

// Worst chooses, from what the hosts of a site answered one after the other,
// what counts: a failure only where every one of them failed for good, else
// the last that did not. all holds at least one.
func Worst(all []Answer) Answer {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].State != queue.Failed {
			return all[i]
		}
	}
	return all[len(all)-1]
}

// Expired turns a deferred answer into the failure of a delivery whose lifetime
// is over.
func Expired(a Answer) Answer {
	last := strings.TrimSpace(a.Enhanced + " " + a.Text)
	reply := smtp.Refusal(smtp.EDeliveryExpired, last)
	a.State = queue.Failed
	a.Code, a.Enhanced, a.Text = reply.Code, reply.Enhanced.String(), reply.Text
	a.Remote = false
	return a
}
