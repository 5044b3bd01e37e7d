package smtp

import (
	"errors"

	"countersign/internal/fault"
)

// replyByKind says how an error is answered that names no reason of the
// catalogue. The texts are silent about the cause.
var replyByKind = map[fault.Kind]Reason{
	fault.Internal:        EInternal,
	fault.Invalid:         ENotAcceptable,
	fault.NotFound:        ENotAcceptable,
	fault.Conflict:        ENotAcceptable,
	fault.Denied:          EDenied,
	fault.Unauthenticated: EAuthFailed,
	fault.Busy:            EBusy,
	fault.Full:            EStoreFull,
	fault.TooLarge:        EMessageTooLarge,
	fault.Unavailable:     EUnavailable,
	fault.Corrupt:         EInternal,
	fault.Fenced:          EUnavailable,
	fault.Canceled:        ECanceled,
}

// replier is an error of this package that knows its reply.
type replier interface {
	error
	Reply() Reply
}

// ReplyFor turns an error into the reply that a client gets. In this order: the reason of
// the outermost *fault.Error that names one of the catalogue, with that error's Detail; a
// Reply, *LineError or *DataError in the chain; the kind of a *fault.Error;
// else 451 4.3.0 without a word about the cause. err must not be nil.
func ReplyFor(err error) Reply {
	if reply, found := replyByReason(err); found {
		return reply
	}
	var reply Reply
	if errors.As(err, &reply) {
		return reply
	}
	var own replier
	if errors.As(err, &own) {
		return own.Reply()
	}
	var fe *fault.Error
	if errors.As(err, &fe) {
		if reason, known := replyByKind[fe.Kind]; known {
			return Refusal(reason, "")
		}
	}
	return Refusal(EInternal, "")
}

// replyByReason answers with the first reason in err's chain that the
// catalogue holds.
func replyByReason(err error) (Reply, bool) {
	var fe *fault.Error
	for errors.As(err, &fe) {
		if _, found := lookup(Reason(fe.Reason)); found {
			return Refusal(Reason(fe.Reason), detailOf(fe)), true
		}
		err = fe.Err
	}
	return Reply{}, false
}

// detailOf returns the Detail of fe, or of the first cause below it with the
// same reason: fault.Wrap hands the reason up and leaves the detail behind.
func detailOf(fe *fault.Error) string {
	reason := fe.Reason
	for fe.Detail == "" {
		var inner *fault.Error
		if !errors.As(fe.Err, &inner) || inner.Reason != reason {
			return ""
		}
		fe = inner
	}
	return fe.Detail
}
