package authtest

import (
	"countersign/internal/access/guard"
	"countersign/internal/app/guarding"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/login"
	"countersign/internal/login/walk"
	"countersign/internal/sasl"
)

// barred is what the guard has closed to the client; the zero value is nothing.
type barred struct{ text, cause string }

// steps says so.
func (b barred) steps() []walk.Step {
	if b.text == "" {
		return nil
	}
	return []walk.Step{{Name: "guard", Text: b.text}}
}

// closedTo asks the store what the guard has closed: to those alone whose secret could be
// guessed.
func closedTo(o *call.Opened, q *login.Question, tried string) (barred, error) {
	m, ok := sasl.Lookup(q.Attempt.Mechanism)
	if !ok || m.Token || m.Certificate || tried == "" {
		return barred{}, nil
	}
	admin := guard.NewAdmin(guard.AdminOptions{Store: o.Store, Actor: o.Env.Actor, Now: o.Env.Now})
	why, until, err := admin.Closed(o.Ctx, guarding.Rules(&o.Cfg.Guard), q.Attempt.Client, tried)
	if why == nil {
		return barred{}, err
	}
	b := barred{cause: "guard: " + why.Error()}
	switch why {
	case guard.ErrLoginClosed:
		b.text = "the login is guessed at, and closed until " + table.Stamp(until) + " where it is not known, as from " + place(q.Attempt.Client) +
			": a client would get 454; \"countersign guard forget " + tried + "\" opens it"
	case guard.ErrNetworkClosed:
		b.text = "the network of " + place(q.Attempt.Client) + " is closed until " + table.Stamp(until) +
			" to logins that are not known there: a client would get 535; \"countersign guard forget " + q.Attempt.Client.String() + "\" opens it"
	}
	return b, nil
}
