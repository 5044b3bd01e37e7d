// Package authtest is "countersign auth": it has a login explained, and prints what the
// gate met on the way.
//
// Package login goes the way, and package login/walk puts it into words.
//
// Main types: Group.
package authtest

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"countersign/internal/app/examine"
	"countersign/internal/audit"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/password"
	"countersign/internal/cli/table"
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
	Login       string           `arg:"" help:"The name as a client gives it."`
	Mech        string           `help:"The SASL mechanism; none for a client that does not log in." default:"PLAIN" placeholder:"NAME"`
	Listener    string           `help:"The listener that the client comes to; without it, one that offers the mechanism." placeholder:"NAME"`
	From        argument.Network `help:"The client's address; without it, credentials that are bound to networks do not match." placeholder:"IP"`
	Hello       string           `help:"What the client calls itself in EHLO: where somebody guesses, it says whether that is in its way." placeholder:"NAME"`
	Certificate string           `help:"What the client presents, its own certificate first, as a file in PEM: for EXTERNAL." placeholder:"FILE"`
	Authzid     argument.Address `help:"Whom the client asks to act as, beside its login." placeholder:"ADDRESS"`
	Sender      argument.Address `help:"Also say whether this may be sent under." placeholder:"ADDRESS"`
	call.AsJSON
}

// Help is what "auth test --help" says beside the flags.
func (*test) Help() string {
	return "Nothing is changed: no hash is made anew, no last use noted, no failure counted. The record notes who tested. With " +
		"OAUTHBEARER and XOAUTH2 the password is a token; with EXTERNAL the certificate is judged as a listener judges it, and that the " +
		"client has its key is taken for granted. " +
		"The exit status is 1 where the login is refused, is offered nowhere or could not be decided, or --sender may not be sent under."
}

// view is an explanation as it is printed.
type view struct {
	Login string      `json:"login"`
	Steps []walk.Step `json:"steps"`
	// Outcome is walk.Passed, walk.Refused or walk.Undecided.
	Outcome string `json:"outcome"`
	// Cause is why not, as the record has it; "not-offered" where no client gets so far.
	Cause string `json:"cause,omitempty"`
}

// question is what is asked of package login.
func (cmd *test) question(c *call.Call) (q login.Question, err error) {
	q = login.Question{Login: cmd.Login, Attempt: login.Attempt{Listener: cmd.Listener, Program: "countersign auth test"}}
	if cmd.From.IsValid() {
		if !cmd.From.IsSingleIP() {
			return q, call.Usage("--from is one address, not a network")
		}
		q.Attempt.Client = cmd.From.Addr()
	}
	m, ok := sasl.Lookup(cmd.Mech)
	switch {
	case !ok && !strings.EqualFold(cmd.Mech, "none"):
		return q, call.Usage("--mech %q is not a mechanism of this program; it knows %s, and none for a client that does not log in", cmd.Mech, strings.Join(mechanisms(), ", "))
	case cmd.Certificate != "" && !m.Certificate:
		return q, call.Usage("--certificate is for --mech EXTERNAL; others do not look at it")
	case !cmd.Authzid.IsNull() && !actsAs(m):
		return q, call.Usage("--authzid: a client can ask to act as somebody else with PLAIN, SCRAM, DIGEST-MD5 and EXTERNAL")
	case !cmd.Authzid.IsNull():
		q.Authzid = cmd.Authzid.String()
	}
	q.Attempt.Mechanism = m.Name
	if ok && !m.Certificate {
		q.Password, err = password.Maybe(c.Stdin, c.Stderr)
	}
	return q, err
}

// actsAs reports whether a client of a mechanism can name an authorization identity beside
// its login. That of a token is its login (RFC 7628 section 3.1).
func actsAs(m sasl.Mechanism) bool {
	return !m.Token && !slices.Contains([]string{"", "LOGIN", "CRAM-MD5"}, m.Name)
}

// Run does it.
func (cmd *test) Run(c *call.Call) error {
	q, err := cmd.question(c)
	if err != nil {
		return err
	}
	way := examine.Way{Mechanism: q.Attempt.Mechanism, Listener: cmd.Listener}
	if cmd.Certificate != "" {
		if way.Presented, err = argument.Certificates(cmd.Certificate); err != nil {
			return fault.New("cli.auth", fault.Invalid, "--certificate: %v", err)
		}
	}
	return c.Needing("auth", "dkim.key_file", "guard", "hostname", "issuer", "directory", "listener").With(func(o *call.Opened) error {
		doors, err := examine.Doors(o.Cfg, way)
		if err != nil {
			return err
		}
		found := entry{cfg: o.Cfg, way: way, doors: doors}
		q.Subjects = found.subjects()
		x, err := o.Env.Examine(c.Ctx, o.Cfg, o.Store, q)
		if err != nil {
			return err
		}
		found.noTokens = x.NoTokens
		barred, err := cmd.turnedAway(o, &q, x.Login)
		if err != nil {
			return err
		}
		tried := walk.Tried{
			Name: cmd.Login, Place: place(q.Attempt.Client), Mechanism: q.Attempt.Mechanism, Sender: cmd.Sender.Address, At: c.Env.Now(), Withheld: cmp.Or(found.withheld(), barred.text),
		}
		v := view{Login: x.Login, Outcome: x.Outcome(tried), Cause: cmp.Or(found.cause(), barred.cause, x.Recorded())}
		v.Steps = append(append(found.steps(), barred.steps()...), x.Steps(tried)...)
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
		return "directory " + x.Away + " is there, but its entry of this login must be put right, or the trouble that its own log tells of; neither the user nor the password is to blame"
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
