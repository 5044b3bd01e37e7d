package passing

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"countersign/internal/account"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/alike"
	"countersign/internal/login/outside"
	"countersign/internal/login/why"
	"countersign/internal/sasl"
)

// ErrPasses says that a directory runs the exchange: it is the error of keys that are the
// directory's alone.
var ErrPasses = errors.New("login: the exchange is a directory's")

// Host is for whom an exchange runs: it knows who was named, and decides who gets in. It is
// used by one goroutine at a time.
type Host interface {
	// Named returns the login that was named last, as it may be recorded; "" for none.
	Named() string
	// Name notes the login that the client has named to a directory.
	Name(login string)
	// Admit returns who gets in by the answer of a directory, whose proof is right. Errors are
	// those of login.Verifier.Password.
	Admit(ctx context.Context, directory string, answer *directory.Answer) (*account.Principal, error)
	// Settle keeps the outcome, and returns its error.
	Settle(p *account.Principal, err error) error
	// InVain asks a directory about a name that nobody has, in the domain of a login. Errors
	// are those of why.Trouble.
	InVain(ctx context.Context, s directory.Source, login string) error
}

// Front is what was found when keys were asked for: whoever gives them keeps it for the
// exchange.
type Front struct {
	// To is the directory that runs the exchange, nil where none does.
	To outside.Passer
	// Facade stands before the login; nil where nothing does.
	Facade *Facade
	// Posing says that keys are wanted that nothing proves, as a directory has the exchange
	// and has no challenge.
	Posing bool
}

// Options are what an Exchange is made of; all are needed.
type Options struct {
	Host Host
	// Front is what Host keeps in between.
	Front     *Front
	Mechanism sasl.Mechanism
	// Conn is for exchanges of our own; its Verifier is set.
	Conn *sasl.Conn
	// Client is where the exchange comes from.
	Client netip.Addr
	// About is the question to a directory that runs the exchange, Vain the one about a name
	// that nobody has, which is yet to be named.
	About, Vain directory.Question
	Outside     *outside.Asker
	// Places are those of exchanges where a directory runs some.
	Places *alike.Places
}

// Exchange is our own exchange until it says that a directory has it. Leave is to be called
// in the end.
type Exchange struct {
	opt Options
	own sasl.Exchange
	// to is the directory that has it, passed its exchange once that has begun.
	to     outside.Passer
	passed outside.Passed
	// opening is its first step, nil where none was begun. shown says that a challenge of
	// our own was shown where the client may believe it to be the directory's.
	opening *alike.Opening[outside.Passed]
	shown   bool
	// admitted is who gets in when the client has taken the directory's last challenge.
	admitted *account.Principal
	// place is its own among the exchanges before directories, nil where it has none.
	place *alike.Place
}

// New starts an exchange. A challenge that the server makes before it knows the login is the
// directory's from the start (outside.Asker.Challenger), or never.
func New(opt Options) *Exchange {
	x := &Exchange{opt: opt, own: opt.Mechanism.New(opt.Conn)}
	if first := opt.Outside.Challenger(opt.Mechanism.Name); first != nil {
		x.to = first
	}
	return x
}

// Leave ends what passes through, where it is not over, and gives its place back.
func (x *Exchange) Leave() {
	if x.place != nil {
		x.place.Leave()
	}
}

// Failure is for sasl.Failure.
func (x *Exchange) Failure() error {
	if x.passed != nil {
		return nil
	}
	return sasl.Failure(x.own)
}

// Next implements sasl.Exchange.
func (x *Exchange) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	began, step := time.Now(), x.pass
	switch {
	case x.shown:
		step = x.finish
	case x.to == nil:
		challenge, done, err = x.own.Next(ctx, response)
		passes := errors.Is(err, ErrPasses)
		if x.opt.Front.Facade == nil || err != nil && !passes {
			return challenge, done, err
		}
		step = x.open(challenge, passes, began)
	}
	if x.place == nil {
		if x.place = x.opt.Places.Enter(x.opt.Client, x.end); x.place == nil {
			return nil, false, fault.Refuse("login.pass", fault.Busy, why.ReasonBusy)
		}
	}
	err = x.place.Step(ctx, func(ctx context.Context) error {
		challenge, done, err = step(ctx, response)
		return err
	})
	switch {
	case fault.Is(err, fault.Busy):
		return nil, false, x.opt.Host.Settle(nil, why.Trouble(ctx, err))
	case err != nil:
		return nil, false, err
	}
	return challenge, done, nil
}

// end gives back all that the exchange holds.
func (x *Exchange) end() {
	passed := x.passed
	if x.opening != nil {
		x.opening.End()
		if passed == nil {
			passed = x.opening.Passed
		}
	}
	if passed != nil {
		passed.Cancel()
	}
}

// pass takes one step of a directory's exchange.
func (x *Exchange) pass(ctx context.Context, response []byte) ([]byte, bool, error) {
	step, cancel := context.WithTimeout(ctx, x.to.Patience())
	defer cancel()
	if x.passed == nil {
		passed, err := x.to.Begin(step, x.opt.About)
		if err != nil {
			return nil, false, why.Trouble(ctx, err)
		}
		x.passed = passed
	}
	challenge, done, err := x.passed.Next(step, response)
	if err != nil && x.opt.Host.Named() == "" { // no question of ours has named the login
		x.opt.Host.Name(sasl.Named(x.opt.Mechanism.Name, response))
	}
	return x.judge(ctx, challenge, done, err)
}

// judge says what one step of a directory's exchange comes to.
func (x *Exchange) judge(ctx context.Context, challenge []byte, done bool, err error) ([]byte, bool, error) {
	switch {
	case fault.Is(err, fault.Unauthenticated):
		return nil, false, x.opt.Host.Settle(nil, why.Failure(errors.Join(why.ErrWrong, err)))
	case fault.Is(err, fault.Invalid):
		return nil, false, sasl.ErrSyntax
	case err != nil:
		return nil, false, why.Trouble(ctx, err)
	}
	if x.admitted == nil && (done || x.passed.Account() != nil) {
		if x.admitted, err = x.admit(ctx); err != nil {
			return nil, false, x.opt.Host.Settle(nil, x.level(ctx, err))
		}
	}
	if !done {
		return challenge, false, nil
	}
	return nil, true, x.opt.Host.Settle(x.admitted, nil)
}

// admit admits whose account it is, before the directory's proof that the password was right
// goes out (decision 10).
func (x *Exchange) admit(ctx context.Context) (*account.Principal, error) {
	answer := x.passed.Account()
	if answer == nil {
		return nil, why.Failure(why.ErrWrong)
	}
	if cause := outside.Judge(answer, x.opt.Host.Named(), x.opt.Client); cause != nil {
		return nil, why.Failure(cause)
	}
	return x.opt.Host.Admit(ctx, x.to.Name(), answer)
}
