package login

import (
	"net/netip"

	"countersign/internal/directory"
	"countersign/internal/login/pool"
	"countersign/internal/mail"
)

// Attempt is where and how somebody tries to log in.
type Attempt struct {
	// Client is where it came from; invalid where nobody knows.
	Client netip.Addr
	// Listener is the name of the listener that it came to; "" where there is none.
	Listener string
	// Shut has every secret fail as that of a banned login does, after the same work.
	Shut bool
	// Session stands in the record.
	Session mail.ID
	// Mechanism is the SASL mechanism's name, in upper case.
	Mechanism string
	// Program is what the client called itself.
	Program string
}

// keys are the secrets.Respects that the workers are shared out among: the wide and the narrow
// network that a client is in, and the login, which is given as mail.KeyOf makes
// it, "" for all that are none.
func (a *Attempt) keys(login string) []string {
	wide, narrow := pool.Networks(a.Client)
	return []string{wide, narrow, login}
}

// about is a question about a login, without a password.
func (a *Attempt) about(login string) directory.Question {
	return directory.Question{Login: login, Client: a.Client, Session: string(a.Session), Mechanism: a.Mechanism}
}

// vain is the question about a name that nobody has, which is yet to be named.
func (a *Attempt) vain() directory.Question {
	return directory.Question{Session: string(a.Session), Mechanism: a.Mechanism}
}
