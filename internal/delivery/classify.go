package delivery

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

// host is the server that an answer came from.
type host struct {
	// name is as DNS or the route has it, addr where it was connected to.
	name string
	addr netip.Addr
	// tls is the version of TLS, "none", "refused" or "failed".
	tls string
	// dsn says that the server passes DSN parameters on (RFC 3461).
	dsn bool
}

// String returns "mx.example.org [192.0.2.1]", or what is known of that.
func (h host) String() string {
	switch {
	case !h.addr.IsValid():
		return h.name
	case h.name == "" || h.name == h.addr.String():
		return "[" + h.addr.String() + "]"
	}
	return h.name + " [" + h.addr.String() + "]"
}

// answer is what one try means for one recipient.
type answer struct {
	// state is Delivered, Failed or Deferred.
	state queue.State
	// code, enhanced and text are the remote reply's, or ours.
	code           int
	enhanced, text string
	// cause is what the system said of a connection that was not made, for the
	// record: "dial tcp 192.0.2.1:25: connect: connection refused".
	cause string
	// remote says that they are the remote reply's.
	remote bool
	// host is whom they came from, or who did not answer.
	host host
	// next says that another host may do better.
	next bool
	// site says that it is about the site, whatever the message.
	site bool
	// maybe says that the server may have taken the message all the same.
	maybe bool
	// canceled says that it is no answer, as we stopped.
	canceled bool
}

// ours makes an answer from the catalogue of refusals.
func ours(state queue.State, reason smtp.Reason, h host) answer {
	reply := smtp.Refusal(reason, h.String())
	return answer{state: state, code: reply.Code, enhanced: reply.Enhanced.String(), text: reply.Text, host: h}
}

// theirs makes an answer from a remote reply. Where the server gave no enhanced
// code, the general one of the reply's class stands in (RFC 3463 section 2).
func theirs(state queue.State, r smtpclient.Reply, h host) answer {
	if r.Enhanced == "" {
		r.Enhanced = string(rune('0'+r.Code/100)) + ".0.0"
	}
	return answer{state: state, code: r.Code, enhanced: r.Enhanced, text: r.Text, remote: true, host: h}
}

// classify says what the result of a transaction means for one recipient.
//
// A reply is the last word of the domain on this attempt, whichever of its
// hosts gave it, but for 421, with which a host closes. What breaks before the
// end of the content is tried at the next host. What breaks after it is not: the
// message may have arrived.
func classify(r smtpclient.Result, h host) answer {
	if r.Err == nil {
		return theirs(queue.Delivered, r.Reply, h)
	}
	e := r.Err
	switch e.Problem {
	case smtpclient.Refused:
		return classifyReply(e, h)
	case smtpclient.NoUTF8:
		return ours(queue.Failed, smtp.EDeliveryUTF8Unsupported, h)
	case smtpclient.No8Bit:
		return ours(queue.Failed, smtp.EDelivery8BitUnsupported, h)
	case smtpclient.TooBig:
		return ours(queue.Failed, smtp.EDeliverySizeUnsupported, h)
	case smtpclient.Local:
		return ours(queue.Deferred, smtp.EInternal, host{})
	case smtpclient.Canceled:
		a := ours(queue.Deferred, smtp.EDeliveryInterrupted, h)
		a.canceled, a.maybe = !e.MaybeDelivered(), e.MaybeDelivered()
		return a
	}
	reason := smtp.EDeliveryInterrupted
	switch {
	case e.Problem == smtpclient.Garbage:
		reason = smtp.EDeliveryProtocol
	case e.Problem == smtpclient.NoTLS:
		reason = smtp.EDeliveryTLS
	}
	a := ours(queue.Deferred, reason, h)
	a.maybe = e.MaybeDelivered()
	a.next = !a.maybe
	return a
}

// classifyReply says what a 4yz or 5yz within a transaction means.
func classifyReply(e *smtpclient.Error, h host) answer {
	state := queue.Failed
	if e.Reply.Code/100 != 5 || tooManyRecipients(e) {
		state = queue.Deferred
	}
	a := theirs(state, e.Reply, h)
	a.next = e.Reply.Code == 421 // RFC 5321 section 3.8
	return a
}

// tooManyRecipients reports whether a RCPT was refused because of those before
// it: 452, or 552 as older servers say it (RFC 5321 section 4.5.3.1.10).
func tooManyRecipients(e *smtpclient.Error) bool {
	if e == nil || e.Stage != smtpclient.StageRcpt || e.Problem != smtpclient.Refused {
		return false
	}
	switch e.Reply.Enhanced {
	case "", "4.5.3", "5.5.3":
		return e.Reply.Code == 452 || e.Reply.Code == 552
	}
	return false
}

// classifyOpen says what a connection that came to no transaction means: always
// something about the site. A 5yz to greeting or EHLO is the host's; whether
// it is final is for worst to say, which sees what the others answered. A refused
// login is a mistake in our configuration, which an operator can mend: temporary.
func classifyOpen(e *smtpclient.Error, h host) answer {
	a := classify(smtpclient.Result{Err: e}, h)
	a.site = true
	a.next = !a.canceled
	if e.Stage == smtpclient.StageAuth {
		a.state, a.next = queue.Deferred, false
	}
	return a
}

// classifyLookup says what an error of package mx means.
func classifyLookup(err error, h host) answer {
	var a answer
	switch fault.ReasonOf(err) {
	case mx.ReasonNoDomain:
		a = ours(queue.Failed, smtp.ERecipientDomainNotFound, h)
	case mx.ReasonNullMX: // RFC 7505 section 4.1
		a = ours(queue.Failed, smtp.ERecipientDomainNoMail, h)
	case mx.ReasonNoHost: // RFC 5321 section 5.1: to be reported as an error
		a = ours(queue.Failed, smtp.EDeliveryNoHost, h)
	case mx.ReasonRefusedTarget:
		a = ours(queue.Failed, smtp.EDeliveryRefusedTarget, h)
	default:
		a = ours(queue.Deferred, smtp.EDeliveryDNS, h)
		a.canceled = errors.Is(err, context.Canceled)
	}
	a.next, a.site = !a.canceled, true
	return a
}

// unreachable is the answer of a host to which no connection could be made.
func unreachable(err error, h host) answer {
	a := ours(queue.Deferred, smtp.EDeliveryUnreachable, h)
	a.cause = err.Error()
	a.canceled = errors.Is(err, context.Canceled)
	a.next, a.site = !a.canceled, true
	return a
}

// hostBusy is the answer of a host that has as many connections of ours as it
// gets.
func hostBusy(h host) answer {
	a := ours(queue.Deferred, smtp.EDeliveryHostBusy, h)
	a.next = true
	return a
}

// worst chooses, from what the hosts of a site answered one after the other,
// what counts: a failure only where every one of them failed for good, else
// the last that did not. all holds at least one.
func worst(all []answer) answer {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].state != queue.Failed {
			return all[i]
		}
	}
	return all[len(all)-1]
}

// expired turns a deferred answer into the failure of a delivery whose lifetime
// is over.
func expired(a answer) answer {
	last := strings.TrimSpace(a.enhanced + " " + a.text)
	reply := smtp.Refusal(smtp.EDeliveryExpired, last)
	a.state = queue.Failed
	a.code, a.enhanced, a.text = reply.Code, reply.Enhanced.String(), reply.Text
	a.remote = false
	return a
}
