package directories

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"countersign/internal/directory"
	"countersign/internal/directory/dovecot"
	"countersign/internal/login/outside"
)

// source returns what is asked: where it is a Dovecot, one that runs exchanges too.
func (e *entry) source() directory.Source {
	if e.dovecot != nil {
		return &passer{e.Guard, e}
	}
	return &asker{e.Guard, e}
}

// asker is a guard that says how much it takes.
type asker struct {
	*directory.Guard
	entry *entry
}

// Width is how many questions it takes at once.
func (a *asker) Width() int { return a.entry.Connections }

// Witnesses implements directory.Witness: it is asked how accounts stand where it knows,
// and the configuration wants it.
func (a *asker) Witnesses() bool { return a.entry.AskStanding && a.Guard.Witnesses() }

// passer lets exchanges pass to a Dovecot. It implements outside.Passer.
type passer struct {
	*directory.Guard
	entry *entry
}

// Offers implements outside.Passer. What Dovecot offers is known from its last greeting;
// before the first one an exchange is begun all the same, which finds out: its accounts
// are told to come again, not that they do not exist, and nobody is told which they are.
func (p *passer) Offers(mechanism string, first bool) bool {
	if first && !p.entry.PassChallenges {
		return false
	}
	offered := p.entry.dovecot.Offered()
	return offered == nil || slices.ContainsFunc(offered, func(m dovecot.Mechanism) bool { return m.Name == mechanism })
}

// Begin implements outside.Passer.
func (p *passer) Begin(ctx context.Context, q directory.Question) (outside.Passed, error) {
	var x *dovecot.Exchange
	err := p.Guard.Step(ctx, func(ctx context.Context) (err error) {
		x, err = p.entry.dovecot.Begin(ctx, q.Mechanism, dovecot.Info{Client: netip.AddrPortFrom(q.Client, 0), Session: q.Session})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &passed{x, p.Guard}, nil
}

// passed is an exchange each of whose steps the guard bounds.
type passed struct {
	*dovecot.Exchange
	guard *directory.Guard
}

// Next implements sasl.Exchange.
func (x *passed) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	failed := x.guard.Step(ctx, func(ctx context.Context) error {
		challenge, done, err = x.Exchange.Next(ctx, response)
		if err == nil && done {
			err = x.Exchange.Account().CheckProven()
		}
		return err
	})
	return challenge, done && failed == nil, failed
}

// Account implements outside.Passed.
func (x *passed) Account() *directory.Answer { return x.Exchange.Said() }

// TakesTokens implements directory.Bearer.
func (p *passer) TakesTokens() bool { return p.entry.tokens.TakesTokens() }

// AskToken implements directory.Bearer, behind a guard of its own: Dovecot asks an identity
// provider, and where that is away or slow, passwords are verified all the same.
func (p *passer) AskToken(ctx context.Context, q directory.Question, token string) (*directory.Answer, error) {
	return p.entry.tokens.AskToken(ctx, q, token)
}

// Believes implements directory.Believer: certificates open accounts by the name that they
// have where the configuration wants it.
func (p *passer) Believes() bool { return p.entry.CertificatesByName() && p.Guard.Believes() }

// Witnesses implements directory.Witness, as that of an asker.
func (p *passer) Witnesses() bool { return p.entry.AskStanding && p.Guard.Witnesses() }

// Width is how many questions it takes at once.
func (p *passer) Width() int { return p.entry.Connections }

// Patience implements outside.Passer.
func (p *passer) Patience() time.Duration { return p.entry.Timeout.Std() }

// TakesTokens implements login.Directories.
func (s *Set) TakesTokens() bool {
	return slices.ContainsFunc(s.list, func(e entry) bool { return e.tokens != nil && e.tokens.TakesTokens() })
}

// greetAgain is how often a Dovecot is greeted that has not answered yet.
const greetAgain = 5 * time.Second

// Greet connects to each Dovecot until it has answered once, so that it is known what they
// offer, or until ctx ends.
func (s *Set) Greet(ctx context.Context) {
	for !s.GreetOnce(ctx) {
		select {
		case <-time.After(greetAgain):
		case <-ctx.Done():
			return
		}
	}
}

// GreetOnce greets those that have not answered yet, and reports whether all have.
func (s *Set) GreetOnce(ctx context.Context) bool {
	all := true
	for i := range s.list {
		e := &s.list[i]
		if e.dovecot == nil || e.dovecot.Offered() != nil {
			continue
		}
		within, cancel := context.WithTimeout(ctx, e.Timeout.Std())
		_, err := e.dovecot.Mechanisms(within)
		cancel()
		all = all && err == nil
	}
	return all
}
