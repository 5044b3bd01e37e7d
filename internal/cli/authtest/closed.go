package authtest

import (
	"countersign/internal/access/guard"
	"countersign/internal/app/examine"
	"countersign/internal/app/guarding"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/login"
	"countersign/internal/login/walk"
	"countersign/internal/sasl"
)

// barred is what the guard has closed to the client; the zero value is nothing. note is what else it
// does to it.
type barred struct{ text, cause, note string }

// steps says so.
func (b barred) steps() []walk.Step {
	switch {
	case b.text != "":
		return []walk.Step{{Name: "guard", Text: b.text}}
	case b.note != "":
		return []walk.Step{{Name: "guard", Good: true, Text: b.note}}
	}
	return nil
}

// closedTo asks the store what the guard has closed: to those alone whose secret could be
// guessed.
func (cmd *test) closedTo(o *call.Opened, q *login.Question, tried string) (barred, error) {
	m, ok := sasl.Lookup(q.Attempt.Mechanism)
	if !ok || m.Token || m.Certificate || tried == "" {
		return barred{}, nil
	}
	admin := guard.NewAdmin(guard.AdminOptions{Store: o.Store, Actor: o.Env.Actor, Now: o.Env.Now})
	why, until, err := admin.Closed(o.Ctx, guarding.Rules(&o.Cfg.Guard), q.Attempt.Client, tried)
	if why == nil && err == nil {
		note, err := cmd.slowed(o, admin, guard.Caller{Client: q.Attempt.Client, Login: tried})
		return barred{note: note}, err
	}
	if err != nil {
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

// slowed says whom the guard keeps waiting where the client is; "" for nobody.
func (cmd *test) slowed(o *call.Opened, admin *guard.Admin, c guard.Caller) (string, error) {
	if cmd.Hello != "" {
		device, err := examine.Device(o.Ctx, o.Cfg, o.Store)
		if err != nil {
			return "", err
		}
		c.Device = device(c.Login, cmd.Hello)
	}
	s, err := admin.Standing(o.Ctx, guarding.Rules(&o.Cfg.Guard), c)
	if err != nil || s.Wait == 0 {
		return "", err
	}
	text := table.Count(s.Counts, "wrong password counts", "wrong passwords count") + " from " + c.Client.String() + ": an answer to one more waits " + s.Wait.String() +
		", and what comes meanwhile gets 454; "
	switch {
	case cmd.Hello == "":
		text += "--hello NAME says whether that concerns a device"
	case s.Own:
		text += "not so " + cmd.Hello + ", which has logged in before and has turns of its own"
	default:
		text += "so does " + cmd.Hello + ", which has not logged in there yet"
	}
	return text, nil
}
