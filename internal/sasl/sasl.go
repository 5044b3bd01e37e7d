package sasl

import (
	"context"
	"errors"

	"countersign/internal/fault"
)

// Exchange is the server's side of one authentication exchange (RFC 4422
// section 3). It is used by one goroutine and thrown away when done.
type Exchange interface {
	// Next takes the client's response, already decoded from base64, and
	// returns the next challenge, or done. The first call gives nil where the
	// client sent no initial response, and an empty slice where it sent "=".
	// The response is not kept beyond the call. After done or an error the
	// exchange is over. Errors: ErrSyntax for a response that breaks the
	// mechanism's form; ErrDowngrade, ErrBinding, ErrReplay and ErrElsewhere;
	// whatever the Verifier returned otherwise.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
}

// Failure returns the error that x will end in while it still tells its client
// why (RFC 7628 section 3.2.3), else nil. Whoever runs an exchange asks when
// the client has cancelled or gone in place of an answer. An Exchange from
// elsewhere takes part by a method of this name.
func Failure(x Exchange) error {
	if s, ok := x.(interface{ Failure() error }); ok {
		return s.Failure()
	}
	return nil
}

// ErrSyntax marks a response that is not of the mechanism's form (501 5.5.2
// at the edge).
var ErrSyntax = errors.New("sasl: malformed response")

// The failures that mechanisms find themselves. Each is a fault.Unauthenticated,
// answered as a wrong password is, and none depends on the account.
var (
	// ErrDowngrade: the client could bind to the channel and believes that we
	// cannot, although it was offered: somebody between changed the offer (RFC
	// 5802 section 6).
	ErrDowngrade = refusal("the client was not told of a -PLUS mechanism that was offered")
	// ErrBinding: the client is bound to another channel than this one, to a
	// type that this one does not have, or not at all where it must be.
	ErrBinding = refusal("the channel binding does not match")
	// ErrReplay: the response answers a challenge other than this exchange's.
	ErrReplay = refusal("the response belongs to another challenge")
	// ErrElsewhere: the client means to log in to another server, or realm.
	ErrElsewhere = refusal("the client names another server or realm")
)

func refusal(why string) error {
	return &fault.Error{Op: "sasl", Kind: fault.Unauthenticated, Err: errors.New(why)}
}

// trouble is an error of ours or of the Verifier's; the text holds no secret.
func trouble(why string) error { return fault.New("sasl", fault.Internal, "%s", why) }

// errInitial answers an initial response to a mechanism in which the server
// speaks first: 501 5.7.0 (RFC 4954 section 4). The reason stands in the
// catalogue of package smtp.
func errInitial() error {
	return fault.Refuse("sasl", fault.Invalid, "auth-initial-response")
}

// step takes one response and returns a challenge with the step that takes its
// answer, or no step when the exchange has succeeded.
type step func(ctx context.Context, response []byte) (challenge []byte, next step, err error)

// steps is an Exchange made of a chain of steps.
type steps struct {
	next step
	// failure is for Failure.
	failure error
}

// Failure is for the function of that name.
func (s *steps) Failure() error { return s.failure }

// Next implements Exchange. A step is run once, whatever comes of it.
func (s *steps) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	now := s.next
	s.next = nil
	if now == nil {
		return nil, false, ErrSyntax
	}
	challenge, next, err := now(ctx, response)
	if err != nil {
		return nil, false, err
	}
	s.next = next
	return challenge, next == nil, nil
}

// clientFirst begins an exchange in which the client speaks first. Without an
// initial response it is asked for by an empty challenge (RFC 4954 section 4).
func clientFirst(take step) *steps {
	return &steps{next: func(ctx context.Context, response []byte) ([]byte, step, error) {
		if response == nil {
			return []byte{}, take, nil
		}
		return take(ctx, response)
	}}
}

// serverFirst begins an exchange in which the server speaks first.
func serverFirst(challenge func() ([]byte, step, error)) *steps {
	return &steps{next: func(_ context.Context, response []byte) ([]byte, step, error) {
		if response != nil {
			return nil, nil, errInitial()
		}
		return challenge()
	}}
}

// expectEmpty takes the empty response to a last challenge: RFC 4954 has no room for data
// beside the success, so RFC 4422 section 3.3 sends them before it.
func expectEmpty(_ context.Context, response []byte) ([]byte, step, error) {
	if len(response) > 0 {
		return nil, nil, ErrSyntax
	}
	return nil, nil, nil
}
