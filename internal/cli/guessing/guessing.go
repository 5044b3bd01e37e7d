// Package guessing is "countersign guard": the commands about what the guard has counted of
// failed logins.
//
// What counts stands in package access/guard; here it gets names, flags and tables.
//
// Main types: Group.
package guessing

import (
	"errors"
	"strconv"
	"time"

	"countersign/internal/access/guard"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/shown"
)

// Group is "countersign guard".
type Group struct {
	List   list   `cmd:"" help:"List what is closed, and what has failed lately, the latest first."`
	Show   show   `cmd:"" help:"Say what is counted of a login or a network, and from where a login is known."`
	Forget forget `cmd:"" help:"Let nothing count any more that was counted of a login or a network, and open it where it is closed; bans stay, see \"ban lift\"."`
}

// subject is an argument that is a login, an address or a network.
type subject struct {
	guard.Subject
	text string
}

// UnmarshalText reads it.
func (s *subject) UnmarshalText(text []byte) (err error) {
	s.text = string(text)
	s.Subject, err = guard.ParseSubject(s.text)
	if detail := fault.DetailOf(err, fault.Invalid); detail != "" {
		return errors.New(detail)
	}
	return err
}

func admin(o *call.Opened) *guard.Admin {
	return guard.NewAdmin(guard.AdminOptions{Store: o.Store, Actor: o.Env.Actor, Now: o.Env.Now})
}

type list struct {
	call.AsJSON
	Limit int `help:"How many at most." default:"100" placeholder:"N"`
}

// Run does it.
func (cmd *list) Run(c *call.Call) error {
	if cmd.Limit < 1 {
		return call.Usage("--limit %d: at least 1", cmd.Limit)
	}
	return c.Needing("guard.window").With(func(o *call.Opened) error {
		found, err := o.Store.Records(c.Ctx, guard.Query{}, readAhead)
		if err != nil {
			return err
		}
		var views []shown.Guarded
		for _, r := range found {
			v := shown.GuardedAt(c.Env.Now(), o.Cfg.Guard.Window.Std())(r)
			if (v.Counts > 0 || v.Closed != nil) && len(views) < cmd.Limit {
				views = append(views, v)
			}
		}
		return table.List(c.Stdout, cmd.JSON, views, heads(), cells)
	})
}

// readAhead is how many records are looked through for those that count.
const readAhead = 10_000

type show struct {
	call.AsJSON
	What subject `arg:"" name:"login|network" help:"A login, the address of a client, or a network as it is counted by: an IPv4 address, an IPv6 /64 or /48."`
}

// Run does it.
func (cmd *show) Run(c *call.Call) error {
	return c.Needing("guard.window").With(func(o *call.Opened) error {
		found, err := admin(o).Find(c.Ctx, cmd.What.Subject)
		if err != nil {
			return err
		}
		if len(found) == 0 && !cmd.JSON {
			return c.Say("nothing is known of %s", cmd.What.text)
		}
		return table.List(c.Stdout, cmd.JSON, shown.Each(found, shown.GuardedAt(c.Env.Now(), o.Cfg.Guard.Window.Std())), heads(), cells)
	})
}

type forget struct {
	What subject `arg:"" name:"login|network" help:"As with show."`
}

// Run does it.
func (cmd *forget) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		n, err := admin(o).Forget(c.Ctx, cmd.What.Subject, cmd.What.text)
		if err != nil {
			return err
		}
		return c.Say("forgotten: %s of %s", table.Count(n, "record", "records"), cmd.What.text)
	})
}

func heads() []string {
	return []string{"NETWORK", "LOGIN", "COUNTS", "LAST FAILURE", "LAST LOGIN", "STATE"}
}

// cells is the row of a listing.
func cells(v shown.Guarded) []string {
	text := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return table.Stamp(*t)
	}
	state := ""
	switch {
	case v.Closed != nil:
		state = "closed until " + text(v.Closed)
	case v.Known != nil && v.Other:
		state = "known, not by its password"
	case v.Known != nil:
		state = "known"
	case v.Missing:
		state = "no such account"
	}
	if v.Known != nil && v.Closed == nil && v.Devices > 0 {
		state += ", by " + table.Count(v.Devices, "device", "devices")
	}
	return []string{v.Network, v.Login, strconv.Itoa(v.Counts), text(v.Last), text(v.Known), state}
}
