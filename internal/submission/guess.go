package submission

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"countersign/internal/access/guard"
	"countersign/internal/fault"
	"countersign/internal/login/why"
	"countersign/internal/smtp"
)

// Guard stops those who guess passwords; access/guard.Guard does, and says what its methods
// mean. It is called concurrently, and waits for nobody.
type Guard interface {
	Enter(client netip.Addr, login string) error
	Leave(client netip.Addr, login string)
	Passed(client netip.Addr, login string)
	Failed(f guard.Failure) time.Duration
	// Digest tells the secrets of a login apart, without saying what they are; the same on
	// all gates that share the store.
	Digest(login, secret string) uint16
}

// noGuard lets everybody guess.
type noGuard struct{}

func (noGuard) Enter(netip.Addr, string) error     { return nil }
func (noGuard) Leave(netip.Addr, string)           {}
func (noGuard) Passed(netip.Addr, string)          {}
func (noGuard) Failed(guard.Failure) time.Duration { return 0 }
func (noGuard) Digest(string, string) uint16       { return 0 }

// maxDelayed is how many answers wait at the same time: beyond, a failure is answered at
// once, and the guard goes on turning away what comes too soon.
const maxDelayed = 1000

// guess is the attempt of an exchange. The zero value is none.
type guess struct {
	// in says that the guard has let it in, and waits for its end.
	in      bool
	failure guard.Failure
}

// before is login.Client.Before: it has the guard say whether a login may be looked at.
func (s *session) before(login, password string) error {
	if s.guess.in { // the same exchange asks once more
		return nil
	}
	g := s.gate.opt.Guard
	f := guard.Failure{Client: s.peer.Client.Addr(), Login: s.client.Tried}
	if f.Login == "" {
		f.Login = fmt.Sprintf("%s%04x", guard.NoAddress, g.Digest("", login))
	}
	if password != "" {
		f.Digest, f.Seen = g.Digest(f.Login, password), true
	}
	if err := g.Enter(f.Client, f.Login); err != nil {
		s.gate.opt.Metrics.turnedAway()
		return &fault.Error{Op: "submission.guard", Kind: fault.Busy, Reason: string(smtp.EAuthTooMany), Err: err}
	}
	s.guess = guess{in: true, failure: f}
	return nil
}

// leave tells the guard that the attempt is over, if there is one.
func (s *session) leave() {
	if s.guess.in {
		s.gate.opt.Guard.Leave(s.guess.failure.Client, s.guess.failure.Login)
	}
	s.guess = guess{}
}

// judged tells the guard how an exchange has ended, and returns how long the answer waits.
// secret says that it was about one, which can be guessed: bearer tokens and certificates
// cannot.
func (s *session) judged(secret bool, err error) time.Duration {
	defer s.leave()
	g := s.gate.opt.Guard
	switch {
	case err == nil:
		g.Passed(s.peer.Client.Addr(), s.login)
		return 0
	case !secret || !isGuess(err):
		return 0
	}
	f := s.guess.failure
	if !s.guess.in { // a directory has run all of it
		f = guard.Failure{Client: s.peer.Client.Addr(), Login: s.tried()}
	}
	f.Missing = errors.Is(err, why.ErrUnknown) || errors.Is(err, why.ErrHomeless)
	return g.Failed(f)
}

// delay waits, unless too many do. It keeps its session waiting, and nothing else.
func (g *Gate) delay(ctx context.Context, wait time.Duration) {
	defer g.delayed.Add(-1)
	if g.delayed.Add(1) > maxDelayed || wait <= 0 {
		return
	}
	g.opt.Metrics.delayed()
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	}
}

// isGuess reports whether a login has failed in a way that tells who guesses something, or
// would if it were right. Trouble of ours does not count, nor what came with the right secret.
func isGuess(err error) bool {
	if !fault.Is(err, fault.Unauthenticated) {
		return false
	}
	for _, counts := range []error{
		why.ErrUnknown, why.ErrHomeless, why.ErrNone, why.ErrWrong, why.ErrPrepared,
		why.ErrSuspended, why.ErrExpired, why.ErrNetwork, why.ErrMechanism,
	} {
		if errors.Is(err, counts) {
			return true
		}
	}
	return false
}

// guardCause says in one word why the guard has turned an attempt away, "" where it has not.
func guardCause(err error) string {
	for _, reason := range guard.All() {
		if errors.Is(err, reason) {
			return reason.Error()
		}
	}
	return ""
}
