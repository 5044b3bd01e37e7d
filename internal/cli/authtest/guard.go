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

// barred is what the guard turns the client away for; the zero value is nothing. note is what else it
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

// turnedAway asks the store how the login stands with the guard: of those alone whose secret could be
// guessed.
func (cmd *test) turnedAway(o *call.Opened, q *login.Question, tried string) (barred, error) {
	m, ok := sasl.Lookup(q.Attempt.Mechanism)
	if !ok || m.Token || m.Certificate || tried == "" {
		return barred{}, nil
	}
	c := guard.Caller{Client: q.Attempt.Client, Login: tried}
	if cmd.Hello != "" {
		device, err := examine.Device(o.Ctx, o.Cfg, o.Store)
		if err != nil {
			return barred{}, err
		}
		c.Device = device(c.Login, cmd.Hello)
	}
	admin := guard.NewAdmin(guard.AdminOptions{Store: o.Store, Actor: o.Env.Actor, Now: o.Env.Now})
	s, err := admin.Standing(o.Ctx, guarding.Rules(&o.Cfg.Guard), c)
	switch {
	case err != nil:
		return barred{}, err
	case s.Turned == nil && s.Wait == 0:
		return barred{}, nil
	case s.Turned == nil:
		return barred{note: cmd.counted(c, s) + ": an answer to one more waits " + s.Wait.String() + ", and what comes meanwhile gets 454; " + cmd.concerns(s)}, nil
	}
	b := barred{cause: "guard: " + s.Turned.Error()}
	switch s.Turned {
	case guard.ErrTooSoon:
		b.text = cmd.counted(c, s) + ": what comes before " + table.Stamp(s.Until) + " gets 454; " + cmd.concerns(s)
	case guard.ErrLoginClosed:
		b.text = "the login is guessed at, and closed until " + table.Stamp(s.Until) + " where it is not known, as from " + place(c.Client) +
			": a client would get 454; \"countersign guard forget " + tried + "\" opens it"
	case guard.ErrNetworkClosed:
		b.text = "the network of " + place(c.Client) + " is closed until " + table.Stamp(s.Until) +
			" to logins that are not known there: a client would get 535; \"countersign guard forget " + c.Client.String() + "\" opens it"
	}
	return b, nil
}

// counted says what counts where the client is.
func (*test) counted(c guard.Caller, s guard.Standing) string {
	return table.Count(s.Counts, "wrong password counts", "wrong passwords count") + " from " + c.Client.String()
}

// concerns says whether that is in the way of the client.
func (cmd *test) concerns(s guard.Standing) string {
	switch {
	case cmd.Hello == "":
		return "--hello NAME says whether that concerns a device"
	case s.Own:
		return "not so " + cmd.Hello + ", which has logged in before and has turns of its own"
	}
	return "so does " + cmd.Hello + ", which has not logged in there yet"
}
