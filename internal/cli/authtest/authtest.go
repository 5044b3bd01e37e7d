// Package authtest is "countersign auth": it has a login explained, and prints what the
// gate met on the way.
//
// Package login goes the way, and package login/walk puts it into words.
//
// Main types: Group.
package authtest

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/password"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/login"
	"countersign/internal/login/walk"
	"countersign/internal/sasl"
)

// Group is "countersign auth".
type Group struct {
	Test test `cmd:"" help:"Go through a login as the gate does, and say what happens at each step. The password is asked for, or read as one line from standard input; without one, what can be seen is shown."`
}

type test struct {
	Login  string           `arg:"" help:"The name as a client gives it."`
	Mech   string           `help:"The SASL mechanism; none for a client that does not log in." default:"PLAIN" placeholder:"NAME"`
	From   argument.Network `help:"The client's address; without it, credentials that are bound to networks do not match." placeholder:"IP"`
	Sender argument.Address `help:"Also say whether this may be sent under." placeholder:"ADDRESS"`
	call.AsJSON
}

// Help is what "auth test --help" says beside the flags.
func (*test) Help() string {
	return "Nothing is changed: no hash is made anew, no last use noted, no failure counted. The record notes who tested. With " +
		"OAUTHBEARER and XOAUTH2 the password is a token; with EXTERNAL, whose certificate is not at hand, nothing is decided. " +
		"The exit status is 1 where the login is refused or could not be decided, or --sender may not be sent under."
}

// view is an explanation as it is printed.
type view struct {
	Login string      `json:"login"`
	Steps []walk.Step `json:"steps"`
	// Outcome is walk.Passed, walk.Refused or walk.Undecided.
	Outcome string `json:"outcome"`
	Cause   string `json:"cause,omitempty"`
}

// question is what is asked of package login.
func (cmd *test) question(c *call.Call) (q login.Question, err error) {
	q = login.Question{Login: cmd.Login, Attempt: login.Attempt{Program: "countersign auth test"}}
	if cmd.From.IsValid() {
		if !cmd.From.IsSingleIP() {
			return q, call.Usage("--from is one address, not a network")
		}
		q.Attempt.Client = cmd.From.Addr()
	}
	if strings.EqualFold(cmd.Mech, "none") {
		return q, nil
	}
	m, ok := sasl.Lookup(cmd.Mech)
	if !ok {
		return q, call.Usage("--mech %q is not a mechanism of this program; it knows %s, and none for a client that does not log in", cmd.Mech, strings.Join(mechanisms(), ", "))
	}
	q.Attempt.Mechanism = m.Name
	if !m.Certificate {
		q.Password, err = password.Maybe(c.Stdin, c.Stderr)
	}
	return q, err
}

// Run does it.
func (cmd *test) Run(c *call.Call) error {
	q, err := cmd.question(c)
	if err != nil {
		return err
	}
	return c.Needing("auth", "dkim.key_file", "hostname", "issuer", "directory").With(func(o *call.Opened) error {
		x, err := o.Env.Examine(c.Ctx, o.Cfg, o.Store, q)
		if err != nil {
			return err
		}
		tried := walk.Tried{Name: cmd.Login, Place: place(q.Attempt.Client), Mechanism: q.Attempt.Mechanism, Sender: cmd.Sender.Address}
		v := view{Login: x.Login, Outcome: x.Outcome(tried), Cause: x.Cause}
		v.Steps = append(offers(o.Cfg, o.Env.Offered(o.Cfg), q.Attempt.Mechanism), x.Steps(tried)...)
		if err := cmd.record(o, &q, &v); err != nil {
			return err
		}
		if err := c.Show(cmd.AsJSON, v); err != nil {
			return err
		}
		switch {
		case x.Away != "":
			return &fault.Error{Op: "cli.auth", Kind: fault.Unavailable, Detail: advice(x), Err: x.Why}
		case x.Trouble != nil:
			return x.Trouble
		case v.Outcome == walk.Refused:
			return fault.New("cli.auth", fault.Unauthenticated, "the login is refused")
		case slices.ContainsFunc(v.Steps, func(s walk.Step) bool { return s.Name == "sender" && !s.Good }):
			return fault.New("cli.auth", fault.Denied, "%s may not be sent under", cmd.Sender)
		}
		return nil
	})
}

// advice says what to do about a directory that has no answer.
func advice(x *walk.Explanation) string {
	if x.Odd {
		return "directory " + x.Away + " is there, but its entry of this login must be put right; neither the user nor the password is to blame"
	}
	return "directory " + x.Away + " cannot be asked; see that it runs and can be reached as [[directory]] says, then try again"
}

// record notes who tested.
func (cmd *test) record(o *call.Opened, q *login.Question, v *view) error {
	e := o.Event(audit.AuthTested, "")
	e.Data = map[string]string{"mechanism": q.Attempt.Mechanism, "outcome": v.Outcome}
	if q.Attempt.Mechanism == "" {
		e.Data["mechanism"] = "none"
	}
	if v.Cause != "" {
		e.Data["cause"] = v.Cause
	}
	if v.Login != "" { // another text may be a password in the wrong place
		e.Login, e.Object = v.Login, "account "+v.Login
	}
	if q.Attempt.Client.IsValid() {
		e.Client = q.Attempt.Client.String()
	}
	return o.Store.Append(context.WithoutCancel(o.Ctx), []audit.Event{e})
}

// place says where a client is.
func place(a netip.Addr) string {
	if !a.IsValid() {
		return "an unknown place"
	}
	return a.String()
}

// mechanisms are all names of the table.
func mechanisms() (names []string) {
	for _, m := range sasl.Mechanisms() {
		names = append(names, m.Name)
	}
	return names
}

// offers says whether the configuration offers the mechanism; nothing for none.
func offers(cfg *config.Config, offered []string, mechanism string) []walk.Step {
	if mechanism == "" {
		return nil
	}
	m, _ := sasl.Lookup(mechanism)
	step := walk.Step{Name: "mechanism", Good: slices.Contains(offered, mechanism)}
	switch {
	case step.Good:
		step.Text = mechanism + " is offered, once the connection is encrypted"
	case m.Token && len(cfg.Issuers) == 0:
		step.Text = mechanism + " is not offered, as there is no [[issuer]]: a client would get 504"
	case strings.HasPrefix(mechanism, "SCRAM-") && cfg.ScramIsVain():
		step.Text = mechanism + " is not offered, as a directory that cannot take part in it knows accounts of every domain: a client would get 504"
	case m.Binds && slices.Contains(cfg.Auth.Mechanisms, mechanism):
		step.Text = mechanism + " is not offered beside a Dovecot, which does not see the connection: a client would get 504"
	default:
		step.Text = mechanism + " is not among auth.mechanisms: a client would get 504; what follows is as if it was"
	}
	return []walk.Step{step}
}

// Details implements what call.Show prints.
func (v view) Details(t table.Table) {
	for _, s := range v.Steps {
		mark := "ok"
		if !s.Good {
			mark = "NO"
		}
		t.Row(s.Name, mark, s.Text)
	}
}
