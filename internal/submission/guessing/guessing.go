// Package guessing says what the guard is told of the logins of a session: which of them
// are tries at a secret, whose, and how long their answers wait.
//
// It decides nothing about who is stopped; that is for package access/guard.
//
// Main types: Guard, Door, Attempt.
package guessing

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
	Enter(client netip.Addr, login, device string) error
	Leave(client netip.Addr, login, device string)
	Passed(client netip.Addr, login, device string, password bool)
	Failed(f guard.Failure) time.Duration
	// Digest tells the secrets of a login apart, without saying what they are; the same on
	// all gates that share the store.
	Digest(login, secret string) uint16
}

// nobody lets everybody guess.
type nobody struct{}

func (nobody) Enter(netip.Addr, string, string) error  { return nil }
func (nobody) Leave(netip.Addr, string, string)        {}
func (nobody) Passed(netip.Addr, string, string, bool) {}
func (nobody) Failed(guard.Failure) time.Duration      { return 0 }
func (nobody) Digest(string, string) uint16            { return 0 }

// Door is what all attempts of a gate go through. It is safe for concurrent use.
type Door struct{ guard Guard }

// New returns a Door; of a nil Guard it is open.
func New(g Guard) *Door {
	if g == nil {
		g = nobody{}
	}
	return &Door{guard: g}
}

// Attempt is that of an exchange. The zero value is one that has not begun. It is used by one
// goroutine at a time.
type Attempt struct {
	// Client is where it comes from; it is set by the caller.
	Client netip.Addr
	// Device is what the client has called itself; it is set by the caller.
	Device string
	// login and digest are what was tried, seen says that the secret was shown.
	login  string
	digest uint16
	seen   bool
	// in says that the guard has let it in, and waits for its end; paused, that it is the
	// client's turn, whose silence is not to be in anybody's way.
	in, paused bool
	// shut says that it is to fail, whatever is tried.
	shut bool
}

// Shut reports whether the attempt is to fail as that of a banned login does: its network is
// closed. Else a quick answer, which those who are known there do not get, would tell
// others there who has an account.
func (a *Attempt) Shut() bool { return a.shut }

// Begin has the guard say whether a login may be looked at. tried is its form as of
// accounts, "" for what is no address, given is what the client has sent; password is "" where the
// mechanism does not show it. An error is fault.Busy, with the guard's as its cause.
func (d *Door) Begin(a *Attempt, tried, given, password string) error {
	if a.in { // the same exchange asks once more
		return nil
	}
	a.login = d.named(tried, given)
	a.seen = password != ""
	if a.seen {
		a.digest = d.guard.Digest(a.login, password)
	}
	err := d.enter(a)
	if errors.Is(err, guard.ErrNetworkClosed) {
		a.shut, err = true, nil
	}
	return err
}

// named is the login as the guard counts it: something else stands for what is no address.
func (d *Door) named(tried, given string) string {
	if tried != "" {
		return tried
	}
	return fmt.Sprintf("%s%04x", guard.NoAddress, d.guard.Digest("", given))
}

// enter asks the guard. Errors: guard.ErrNetworkClosed, after which the attempt is in all the
// same, and fault.Busy.
func (d *Door) enter(a *Attempt) error {
	err := d.guard.Enter(a.Client, a.login, a.Device)
	a.in = err == nil || errors.Is(err, guard.ErrNetworkClosed)
	if a.in {
		return err
	}
	return &fault.Error{Op: "submission.guard", Kind: fault.Busy, Reason: string(smtp.EAuthTooMany), Err: err}
}

// Pause says that the client has been asked something: until it answers nothing is verified.
func (d *Door) Pause(a *Attempt) {
	if a.in {
		d.guard.Leave(a.Client, a.login, a.Device)
		a.in, a.paused = false, true
	}
}

// Resume says that the client has answered. Errors are those of Begin, and fault.Unauthenticated
// where the network was closed meanwhile.
func (d *Door) Resume(a *Attempt) error {
	if !a.paused {
		return nil
	}
	a.paused = false
	err := d.enter(a)
	if errors.Is(err, guard.ErrNetworkClosed) {
		if a.shut {
			return nil
		}
		a.shut = true
		err = &fault.Error{Op: "submission.guard", Kind: fault.Unauthenticated, Reason: string(smtp.EAuthFailed), Err: err}
	}
	return err
}

// Leave tells the guard that an attempt is over, if it has begun. One that the client has left
// unanswered is a failure whose secret was not seen.
func (d *Door) Leave(a *Attempt) {
	switch {
	case a.in:
		d.guard.Leave(a.Client, a.login, a.Device)
	case a.paused:
		d.guard.Failed(guard.Failure{Client: a.Client, Login: a.login, Closed: a.shut, Left: true, Device: a.Device})
	}
	*a = Attempt{Client: a.Client, Device: a.Device}
}

// End is how an exchange has ended.
type End struct {
	// Login is who has logged in, or was tried; "" for what is no address. Given is what the
	// client has sent.
	Login, Given string
	// Password says that it is the account's own password that somebody has logged in by.
	Password bool
	// Secret says that the mechanism proves a secret, which can be guessed; bearer tokens
	// and certificates cannot.
	Secret bool
	// Err is nil where somebody has logged in.
	Err error
}

// Judge tells the guard how an attempt has ended, which is over then, and returns how long the
// answer is to wait.
func (d *Door) Judge(a *Attempt, end End) time.Duration {
	defer d.Leave(a)
	switch {
	case end.Err == nil:
		d.guard.Passed(a.Client, end.Login, a.Device, end.Password)
		return 0
	case a.shut && fault.Is(end.Err, fault.Unauthenticated):
		return d.guard.Failed(guard.Failure{Client: a.Client, Login: a.login, Digest: a.digest, Seen: a.seen, Closed: true, Device: a.Device})
	case a.shut || !end.Secret || !isGuess(end.Err):
		return 0
	}
	f := guard.Failure{Client: a.Client, Login: a.login, Digest: a.digest, Seen: a.seen, Device: a.Device}
	if !a.in { // a directory has run all of it
		f = guard.Failure{Client: a.Client, Login: d.named(end.Login, end.Given), Device: a.Device}
	}
	f.Missing = errors.Is(end.Err, why.ErrUnknown) || errors.Is(end.Err, why.ErrHomeless)
	return d.guard.Failed(f)
}

// Known tells the guard of somebody who has come in without an exchange, as their network is
// enough.
func (d *Door) Known(client netip.Addr, login string) { d.guard.Passed(client, login, "", false) }

// Delay waits until it is time for an answer, or ctx ends. Who calls it is to hold nothing that
// others wait for: then it costs what an idle connection does, of which there are only so many.
func (d *Door) Delay(ctx context.Context, wait time.Duration) {
	if wait <= 0 {
		return
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	}
}

// isGuess reports whether a login has failed in a way that tells who guesses something, or
// would if it were right. Trouble of ours does not count, nor what came with the right
// secret, but where a secret that is not counted would show itself as right.
func isGuess(err error) bool {
	if !fault.Is(err, fault.Unauthenticated) {
		return false
	}
	for _, counts := range []error{
		why.ErrUnknown, why.ErrHomeless, why.ErrTaken, why.ErrNone, why.ErrWrong, why.ErrPrepared,
		why.ErrSuspended, why.ErrExpired, why.ErrNetwork, why.ErrMechanism, why.ErrDenied,
	} {
		if errors.Is(err, counts) {
			return true
		}
	}
	return false
}

// Why adds to the error in which an attempt ends that it was to fail, for the record.
func (a *Attempt) Why(err error) error {
	if a.shut && err != nil {
		return errors.Join(err, guard.ErrNetworkClosed)
	}
	return err
}

// Cause says in a few words, for the record, why the guard has turned an attempt away; ""
// where it has not.
func Cause(err error) string {
	for _, reason := range guard.All() {
		if errors.Is(err, reason) {
			return "guard: " + reason.Error()
		}
	}
	return ""
}
