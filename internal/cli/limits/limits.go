// Package limits is "countersign limit": the commands about how much may be sent in a time,
// by whom.
//
// What a limit is, and what is refused as a mistake, stands in package limit; here it gets
// names, flags and tables.
//
// Main types: Group, View.
package limits

import (
	"fmt"
	"strings"

	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/limit"
	"countersign/internal/limit/admin"
	"countersign/internal/limit/usage"
	"countersign/internal/mail"
)

// Group is "countersign limit".
type Group struct {
	Set      set      `cmd:"" help:"Limit what is sent, in place of what is set for the same; felt on all gates within a second."`
	Allow    allow    `cmd:"" help:"Allow more on top of a limit for a while, once."`
	Lift     lift     `cmd:"" help:"End a limit or an allowance before its time."`
	List     list     `cmd:"" help:"List the limits that hold."`
	Show     show     `cmd:"" help:"Show all limits of an account: how much is used, and when there is room."`
	Simulate simulate `cmd:"" help:"Say what limits would have refused of the mail of the past."`
}

// wanted is an argument that is a limit: "recipients/hour=100".
type wanted struct{ limit.Limit }

// UnmarshalText reads it.
func (w *wanted) UnmarshalText(text []byte) (err error) {
	w.Limit, err = limit.Parse(string(text))
	if err != nil && strings.Contains(string(text), "=+") {
		return fmt.Errorf("%w; \"countersign limit allow\" is for more on top", argument.Plain(err))
	}
	return argument.Plain(err)
}

// more is an argument that is had on top of a limit: "recipients/day=+500".
type more struct{ limit.Limit }

// UnmarshalText reads it, with the plus sign or without.
func (m *more) UnmarshalText(text []byte) (err error) {
	m.Limit, err = limit.Parse(strings.Replace(string(text), "=+", "=", 1))
	return argument.Plain(err)
}

// action is an argument that says what becomes of what is over a limit.
type action struct {
	limit.Action
	set bool
}

// UnmarshalText reads its name.
func (a *action) UnmarshalText(text []byte) (err error) {
	a.Action, err = limit.ParseAction(string(text))
	a.set = true
	return argument.Plain(err)
}

// away is an argument that says what happens while the store is away.
type away struct {
	limit.Away
	set bool
}

// UnmarshalText reads its name.
func (a *away) UnmarshalText(text []byte) (err error) {
	a.Away, err = limit.ParseAway(string(text))
	a.set = true
	return argument.Plain(err)
}

// administrator sets and lifts limits in the name of who runs the command.
func administrator(o *call.Opened) *admin.Admin {
	return admin.New(admin.Options{
		Store: o.Store, IDs: &mail.IDSource{Now: o.Env.Now}, Actor: o.Env.Actor, Now: o.Env.Now,
	})
}

type set struct {
	whose
	Limits  []wanted        `arg:"" name:"measure/window=number" help:"recipients/hour=100: messages, recipients, bytes, new-recipients, failed-recipients, failed-share (percent) or connections in a minute, hour, day or month, connections also at-once; messages, recipients or bytes in one connection, recipients or bytes in one message; bytes also with a unit: 25MiB, 1GB."`
	Until   argument.Expiry `help:"When it ends: 90d, 2027-01-31 or '2027-01-31 18:00' (in UTC), 2027-01-31T18:00:00Z, midnight (in UTC), or never. Meanwhile it counts in place of one without an end." placeholder:"WHEN"`
	Action  action          `help:"What becomes of a message that is over it: defer (refuse it for now), refuse (for good), slow (accept it, to be sent when there is room; not in one message or connection), or hold; defer where nothing is said." placeholder:"ACTION"`
	Share   *int            `help:"How much of it one account may have once half of it is used, in percent." placeholder:"PERCENT"`
	Away    away            `name:"store-away" help:"Of connections: what happens while the store is away: open (they come in), closed, or share (each gate takes its share of the limit); open where nothing is said." placeholder:"WHAT"`
	Least   *int64          `help:"Of a failed-share: how many recipients have to have failed before it counts; 20 where nothing is said." placeholder:"NUMBER"`
	NoMail  bool            `help:"Nobody gets a mail when most of it is used; the record has it all the same."`
	Shadow  bool            `help:"Let pass what is over it, and record that it was; beside the limit that counts, which stays."`
	Because string          `help:"Why: the helpdesk reads it." placeholder:"TEXT"`
	Force   bool            `help:"Set also a limit of 0, which stops all mail."`
}

// Help is what "limit set --help" says beside the flags.
func (*set) Help() string {
	return "One of --account, --credential, --domain, --customer, --plan, --network, --node, --everything and --each says whom it is for. " +
		"A message passes when each of these that it belongs to has room; an account's own limit counts in place of its plan's, and that in place of --each."
}

// Run does it.
func (cmd *set) Run(c *call.Call) error {
	if err := cmd.named(); err != nil {
		return err
	}
	w := admin.Wanted{Because: cmd.Because, End: cmd.Until.Of(c.Env.Now()), Force: cmd.Force}
	for _, l := range cmd.Limits {
		if cmd.Action.set {
			l.Action = cmd.Action.Action
		}
		if cmd.Away.set && l.Measure != limit.Connections {
			return call.Usage("--store-away is of connections alone, not of %s: while the store is away no message is accepted", l.Measure)
		}
		if cmd.Share != nil {
			if l.Share = *cmd.Share; l.Share == 0 {
				return call.Usage("--share is of 1 to 100 percent; leave it out where one account may have all")
			}
		}
		l.Shadow, l.Quiet, l.Away = cmd.Shadow, cmd.NoMail, cmd.Away.Away
		if cmd.Least != nil {
			l.Least = *cmd.Least
		}
		w.Limits = append(w.Limits, l.Limit)
	}
	return c.With(func(o *call.Opened) error {
		rules, err := cmd.put(o, w)
		if err != nil {
			return err
		}
		for i := range rules {
			r := &rules[i]
			text, err := effect(o, r)
			if err != nil {
				return err
			}
			read, err := usage.Named(o.Ctx, o.Store, *r)
			if err != nil {
				return err
			}
			if err := c.Say("%s is set %s%s: limit %s", object(&read)+termed(&r.Limit), until(r), text, r.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// put sets limits for whom the flags name.
func (w *whose) put(o *call.Opened, wanted admin.Wanted) (rules []limit.Rule, err error) {
	if wanted.For, wanted.Login, err = w.subject(o); err != nil {
		return nil, err
	}
	if err := usage.Gate(o.Ctx, o.Store, wanted.For); err != nil {
		return nil, err
	}
	return administrator(o).Set(o.Ctx, wanted)
}

// effect says what a rule that was set stands in place of, beside what counts where it is in shadow,
// and that one with an end counts before it; "" for nothing.
func effect(o *call.Opened, r *limit.Rule) (text string, err error) {
	before, err := usage.Before(o.Ctx, o.Store, r)
	if err != nil {
		return "", err
	}
	for i := range before {
		text += ", in place of " + before[i].Limit.String() + termed(&before[i].Limit)
	}
	over, err := usage.Overruling(o.Ctx, o.Store, r, o.Env.Now())
	if err == nil && over != nil && !over.Limit.Shadow {
		return fmt.Sprintf("%s, but %s counts %s", text, over.Limit, until(over)), nil
	}
	if err != nil {
		return "", err
	}
	counts, err := usage.Beside(o.Ctx, o.Store, r, o.Env.Now())
	switch {
	case err != nil || counts == nil:
	case r.Silent(counts):
		text += ", but says nothing while " + counts.Limit.String() + " counts"
	default:
		text += ", and " + counts.Limit.String() + " stays and counts"
	}
	if over != nil {
		text += fmt.Sprintf(", but %s is looked at %s", over.Limit.String()+shadowed(&over.Limit), until(over))
	}
	return text, err
}

// termed says what of a limit is not as it is where nothing is said, in brackets; "" for nothing.
func termed(l *limit.Limit) string {
	var list []string
	if l.Action != limit.Defer {
		list = append(list, l.Action.String())
	}
	if l.Share > 0 {
		list = append(list, fmt.Sprintf("share %d%%", l.Share))
	}
	if l.Shadow {
		list = append(list, "shadow")
	}
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// until says in words when a rule ends.
func until(r *limit.Rule) string {
	if r.End.IsZero() {
		return "without an end"
	}
	return "until " + table.Stamp(r.End)
}

// shadowed says of a limit that it is in shadow; "" for any other.
func shadowed(l *limit.Limit) string {
	return termed(&limit.Limit{Action: limit.Defer, Shadow: l.Shadow})
}

// staying says what stands in shadow where a limit was lifted that is not; "" for nothing.
func staying(o *call.Opened, r *limit.Rule) (text string, err error) {
	here, err := o.Store.Rules(o.Ctx, limit.Query{For: &r.For, Holding: o.Env.Now()})
	for i := range here {
		if l := &here[i].Limit; here[i].SamePlace(r) && l.Shadow && !r.Limit.Shadow {
			text += ", and " + l.String() + shadowed(l) + " stays"
		}
	}
	return text, err
}

type allow struct {
	whose
	Limits  []more          `arg:"" name:"measure/window=+number" help:"recipients/day=+500: so much on top of the limit that holds, in each such window until WHEN; see \"limit set\"."`
	Until   argument.Expiry `required:"" help:"When it ends: midnight (in UTC), 24h, 2027-01-31 or '2027-01-31 18:00' (in UTC), or 2027-01-31T18:00:00Z." placeholder:"WHEN"`
	Because string          `required:"" help:"Why: the helpdesk reads it." placeholder:"TEXT"`
}

// Help is what "limit allow --help" says beside the flags.
func (*allow) Help() string {
	return "For one mailing take the day: recipients/day=+500 --until midnight is 500 more in all, recipients/hour=+500 is 500 more in every hour until the end. " +
		"What was sent on top counts on after the end, until it leaves the window: the account may have to wait the next morning."
}

// Run does it.
func (cmd *allow) Run(c *call.Call) error {
	if err := cmd.named(); err != nil {
		return err
	}
	w := admin.Wanted{Extra: true, Because: cmd.Because, End: cmd.Until.Of(c.Env.Now())}
	for _, l := range cmd.Limits {
		w.Limits = append(w.Limits, l.Limit)
	}
	return c.With(func(o *call.Opened) error {
		rules, err := cmd.put(o, w)
		if err != nil {
			return err
		}
		for i := range rules {
			r := &rules[i]
			read, err := usage.Named(o.Ctx, o.Store, *r)
			if err != nil {
				return err
			}
			effect, err := inEffect(o, r, read.For)
			if err != nil {
				return err
			}
			if err := c.Say("%s is allowed %s%s: limit %s", object(&read), until(r), effect, r.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// inEffect says what an allowance leads to, or warns where nothing is limited that it would
// be on top of, by the name that people read.
func inEffect(o *call.Opened, r *limit.Rule, name limit.Subject) (string, error) {
	made, known, err := usage.Makes(o.Ctx, o.Store, r, o.Env.Now())
	switch {
	case err != nil || !known:
		return "", err
	case made != nil:
		return ", which makes " + made.String() + shadowed(made), nil
	}
	fmt.Fprintf(o.Stderr, "warning: nothing limits %s/%s of %s now, so that this gives it nothing\n", r.Limit.Measure, r.Limit.Window, name)
	return "", nil
}

type lift struct {
	whose
	What   string `arg:"" name:"id|measure/window" help:"The limit's id, or with a flag that says whose: recipients/hour."`
	Shadow bool   `help:"With measure/window: the one in shadow, and not the one that counts beside it."`
}

// Run does it.
func (cmd *lift) Run(c *call.Call) error {
	var id argument.ID
	byID := id.UnmarshalText([]byte(cmd.What)) == nil
	if byID && (cmd.given() || cmd.Shadow) {
		return call.Usage("an id names one limit: leave out whose it is, and --shadow")
	}
	var m limit.Measure
	var w limit.Window
	if !byID {
		var err error
		if m, w, err = limit.ParseMeasured(cmd.What); err != nil {
			return call.Usage("%w; the id of a limit does as well, see \"countersign limit list\"", argument.Plain(err))
		}
		if err := cmd.named(); err != nil {
			return err
		}
	}
	return c.With(func(o *call.Opened) error {
		r, err := cmd.end(o, id.ID, m, w)
		if err != nil {
			return err
		}
		read, err := usage.Named(o.Ctx, o.Store, r)
		if err != nil {
			return err
		}
		rest, err := staying(o, &r)
		if err != nil {
			return err
		}
		return c.Say("limit %s of %s is lifted%s", r.ID, object(&read)+shadowed(&r.Limit), rest)
	})
}

// end lifts the rule with an id, or where that is "" the one of whom the flags name.
func (cmd *lift) end(o *call.Opened, id mail.ID, m limit.Measure, w limit.Window) (limit.Rule, error) {
	if id != "" {
		return administrator(o).Lift(o.Ctx, id)
	}
	of, _, err := cmd.subject(o)
	if err != nil {
		return limit.Rule{}, err
	}
	return administrator(o).LiftOf(o.Ctx, of, m, w, cmd.Shadow)
}
