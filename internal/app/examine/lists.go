package examine

import (
	"countersign/internal/access/entrance"
	"countersign/internal/access/list"
	"countersign/internal/account"
	"countersign/internal/login"
	"countersign/internal/submission/visit"
)

// lists are the access lists of a store, with the places of a configuration.
type lists struct{ entrance *entrance.Entrance }

// denied is login.Options.Denied.
func (l lists) denied(a *login.Attempt, p *account.Principal) string {
	d := l.decide(a, p.Sender, &p.Credential)
	if !d.Denied {
		return ""
	}
	return d.Rule()
}

func (l lists) decide(a *login.Attempt, s *account.Sender, c *account.Credential) list.Decision {
	return l.entrance.Known(&entrance.Visitor{Who: visit.Who(a.Listener, s, c), Client: a.Client})
}

// about says by which entry an account is denied there, whatever it proves itself by; "" for
// none, and for no account.
func (l lists) about(a *login.Attempt, s *account.Sender) string {
	if s == nil {
		return ""
	}
	d := l.decide(a, s, new(account.Credential))
	switch {
	case !d.Denied:
		return ""
	case d.Entry == nil:
		return "from here nobody is allowed in: " + d.Rule() + "; see \"countersign access show\""
	}
	return d.Rule() + " refuses it: " + d.Entry.Reason + "; \"countersign access remove " + string(d.Entry.ID) + "\" ends it"
}
