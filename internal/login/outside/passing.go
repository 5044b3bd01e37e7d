package outside

import (
	"context"
	"time"

	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/alike"
	"countersign/internal/login/secrets"
	"countersign/internal/sasl"
)

// Passer is a directory that runs exchanges of its own, which pass through the gate: it
// shows no keys, but knows how to prove them.
type Passer interface {
	directory.Source
	// Offers reports whether it runs a mechanism. first says that the server speaks
	// first in it, so that all exchanges of it are the directory's.
	Offers(mechanism string, first bool) bool
	// Begin starts an exchange in q.Mechanism; q has neither login nor password. Errors:
	// fault.Unavailable, fault.Busy, fault.Canceled.
	Begin(ctx context.Context, q directory.Question) (Passed, error)
	// Patience is how long one step may take.
	Patience() time.Duration
}

// MaxExchanges is how many exchanges are under way at a Passer at most.
const MaxExchanges = alike.MaxPlaces * alike.PerPlace

// Passed is an exchange that passes through.
type Passed interface {
	sasl.Exchange
	// Account returns whose it is, as soon as the directory has said so, also where its last
	// challenge has yet to go to the client.
	Account() *directory.Answer
	// Cancel ends it where it is not over. It is called in any case, by whoever called Next.
	Cancel()
}

// Passing returns the first of some directories that runs exchanges of a mechanism in which
// the client speaks first, nil where none does.
func Passing(sources []directory.Source, mechanism string) Passer {
	for _, s := range sources {
		if p, ok := s.(Passer); ok && !ServerFirst(mechanism) && p.Offers(mechanism, false) {
			return p
		}
	}
	return nil
}

// ServerFirst reports whether the server speaks first in a mechanism with keys.
func ServerFirst(mechanism string) bool {
	return mechanism == secrets.CramMD5 || mechanism == secrets.DigestMD5
}

// Challenger returns the directory that runs all exchanges of a mechanism in which the
// server speaks first; nil where the store does.
func (a *Asker) Challenger(mechanism string) Passer {
	if a.from == nil || !ServerFirst(mechanism) {
		return nil
	}
	for _, s := range a.from.For("") {
		if p, ok := s.(Passer); ok && p.Offers(mechanism, true) {
			return p
		}
	}
	return nil
}

// PassInVain begins an exchange of SCRAM for a name that nobody has, in the domain of a
// login: the directory refuses it as it refuses anything. q has session and mechanism alone.
// Errors are those of Passer.Begin and of the step.
func (a *Asker) PassInVain(ctx context.Context, to Passer, login string, q directory.Question) error {
	step, cancel := context.WithTimeout(ctx, to.Patience())
	defer cancel()
	name, nonce := a.nobody(login)
	x, err := to.Begin(step, q)
	if err == nil {
		defer x.Cancel()
		_, _, err = x.Next(step, []byte("n,,n="+name+",r="+nonce))
	}
	if err == nil || fault.Is(err, fault.Unauthenticated) {
		return nil
	}
	return err
}
