// Package fault holds the one error that crosses packages: what kind of thing
// went wrong, where, under which reason code, and the sentence that may be
// shown to an outsider, apart from the cause, which may not.
//
// Packages of the domain return a *Error; the edges (SMTP, command line, web)
// turn its Kind or Reason into a reply, an exit status or a page. Errors are
// compared by Kind, never by text.
package fault

import (
	"errors"
	"fmt"
)

// Error is a failure with its meaning. The zero Kind is Internal.
type Error struct {
	// Op says where: "account.add", "queue.accept".
	Op string
	// Kind says what class of failure it is.
	Kind Kind
	// Reason is the stable code of a refusal in the catalogue of package smtp
	// ("sender-not-owned"), "" when the Kind alone decides the reply.
	Reason string
	// Detail is the sentence for the person who caused it. It holds no secret
	// and does not tell whether an account exists.
	Detail string
	// Err is the cause, for the log only; may be nil.
	Err error
}

// Error returns op, detail and cause in one line, for logs and terminals of
// the operator.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Kind.String()
	}
	if e.Op != "" {
		text = e.Op + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error without a cause; detail is formatted like fmt.Sprintf.
func New(op string, kind Kind, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Wrap gives a cause its op and kind. It returns nil for a nil cause. Of a
// cause that is already an *Error the reason is taken over, and the kind too
// when kind is Internal; its detail stays with it, one step down the chain.
func Wrap(op string, kind Kind, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op, Kind: kind, Err: err}
	var inner *Error
	if errors.As(err, &inner) {
		e.Reason = inner.Reason
		if kind == Internal {
			e.Kind = inner.Kind
		}
	}
	return e
}

// Refuse makes the error of a refusal that is in the catalogue of package
// smtp; kind tells whether a retry can help (Busy, Full) or not (Denied).
func Refuse(op string, kind Kind, reason string) *Error {
	return &Error{Op: op, Kind: kind, Reason: reason}
}

// KindOf returns the Kind of the outermost *Error in err's chain, Internal for
// any other error, and Internal for nil too.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// ReasonOf returns the first Reason in err's chain, "" where there is none.
func ReasonOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Reason != "" {
			return e.Reason
		}
		err = e.Err
	}
	return ""
}

// DetailOf returns the first Detail of an *Error of the given kind in err's chain,
// "" where there is none.
func DetailOf(err error, kind Kind) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Kind == kind && e.Detail != "" {
			return e.Detail
		}
		err = e.Err
	}
	return ""
}

// Is reports whether err is an *Error of the given kind.
func Is(err error, kind Kind) bool {
	if err == nil {
		return false // mostly so, and without a look at it
	}
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}
