// Package bans is "countersign ban": the commands about networks whose clients are
// refused, and about logins that are refused from there.
//
// What may be banned, and what a ban is, stands in package access; here it gets names,
// flags and tables.
//
// Main types: Group.
package bans

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"countersign/internal/access"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/mail"
	"countersign/internal/shown"
)

// Group is "countersign ban".
type Group struct {
	Add  add  `cmd:"" help:"Refuse the clients of a network, or a login where it comes from there; felt on all gates within a second."`
	List list `cmd:"" help:"List the bans that hold."`
	Lift lift `cmd:"" help:"End a ban before its time."`
	Show show `cmd:"" help:"Say which ban hits an address."`
}

// prefix is an argument that is an address or a network.
type prefix struct {
	netip.Prefix
	// alone is the address of IPv6 that was given for it, if one was.
	alone netip.Addr
}

// UnmarshalText reads "192.0.2.1" or "192.0.2.0/24".
func (p *prefix) UnmarshalText(text []byte) (err error) {
	p.Prefix, p.alone, err = access.ParseBan(string(text))
	return argument.Plain(err)
}

// admin sets and lifts bans in the name of who runs the command.
func admin(o *call.Opened) *access.Admin {
	return access.NewAdmin(access.AdminOptions{
		Store: o.Store, IDs: &mail.IDSource{Now: o.Env.Now}, Actor: o.Env.Actor, Now: o.Env.Now,
	})
}

type add struct {
	call.AsJSON
	Network prefix           `arg:"" name:"prefix" help:"An address, or a network such as 192.0.2.0/24 or 2001:db8::/48; an address of IPv6 without a length is its /64."`
	Login   argument.Address `help:"Refuse this login alone where it comes from there, with the answer that a wrong password gets." placeholder:"LOGIN"`
	For     argument.Length  `help:"For how long: 30m, 24h, 7d; without this or --until it never ends." placeholder:"TIME" xor:"end"`
	Until   argument.Expiry  `help:"When it ends: 90d, 2027-01-31 or '2027-01-31 18:00' (in UTC), 2027-01-31T18:00:00Z, midnight (in UTC), or never." placeholder:"WHEN" xor:"end"`
	Because string           `required:"" help:"Why: clients and the helpdesk read it." placeholder:"TEXT"`
	Shadow  bool             `help:"Refuse nobody, and record what would have been refused."`
	Force   bool             `help:"Ban also a network that is hardly ever meant: all of IPv4 or IPv6, one wider than /8 (IPv6: /19), or the machine's own addresses; or one that another ban around it refuses for as long."`
}

// Run does it.
func (cmd *add) Run(c *call.Call) error {
	w := access.Wanted{Prefix: cmd.Network.Prefix, Reason: cmd.Because, Shadow: cmd.Shadow, End: cmd.Until.Of(c.Env.Now()), Force: cmd.Force}
	if cmd.Login.Domain != "" {
		w.Login = cmd.Login.String()
	}
	if cmd.For.Duration > 0 {
		w.End = c.Env.Now().Add(cmd.For.Duration)
	}
	return c.With(func(o *call.Opened) error {
		b, err := admin(o).Add(c.Ctx, w)
		if err != nil {
			return err
		}
		// It is set already: a listing that fails takes nothing back.
		beside, err := admin(o).Overlapping(c.Ctx, &b, nil)
		warn(c, &b, beside)
		if cmd.JSON {
			return errors.Join(err, table.JSON(c.Stdout, shown.BanAddedAt(c.Env.Now(), b, cmd.Network.alone, beside)))
		}
		what := b.Object()
		if cmd.Network.alone.IsValid() {
			what += ", as an address of IPv6 has neighbours,"
		}
		done := "banned"
		if b.Shadow {
			done = "banned in shadow, which refuses nobody,"
		}
		return errors.Join(err, c.Say("%s is %s %s: ban %s", what, done, until(&b), b.ID))
	})
}

// mostTold is how many bans that overlap with a new one get a line.
const mostTold = 5

// warn says which bans hold around a new one or within it.
func warn(c *call.Call, b *access.Ban, beside []access.Ban) {
	for i := range beside[:min(len(beside), mostTold)] {
		other := &beside[i]
		where := "within"
		if other.Prefix.Bits() < b.Prefix.Bits() {
			where = "around"
		} else if other.Prefix == b.Prefix {
			where = "beside"
		}
		shadow := ""
		if other.Shadow {
			shadow = " in shadow"
		}
		fmt.Fprintf(c.Stderr, "warning: %s it there is a ban%s of %s, %s, %s: it goes on when this one ends\n", where, shadow, other.Object(), other.ID, until(other))
	}
	if more := len(beside) - mostTold; more > 0 {
		fmt.Fprintf(c.Stderr, "warning: so do %d more; see \"countersign ban list\"\n", more)
	}
}

// until says in words when a ban ends.
func until(b *access.Ban) string {
	if b.End.IsZero() {
		return "without an end"
	}
	return "until " + table.Stamp(b.End)
}

type lift struct {
	What  string           `arg:"" name:"id|prefix" help:"The ban's id, or its exact network; an address of IPv6 without a length is its /64, or itself where that is not banned."`
	Login argument.Address `help:"Of a network: the ban of this login alone." placeholder:"LOGIN"`
}

// Run does it.
func (cmd *lift) Run(c *call.Call) error {
	login := ""
	if cmd.Login.Domain != "" {
		login = cmd.Login.String()
	}
	var id argument.ID
	var network prefix
	byID := id.UnmarshalText([]byte(cmd.What)) == nil
	switch {
	case byID && login != "":
		return call.Usage("an id names one ban: leave out --login")
	case !byID:
		if err := network.UnmarshalText([]byte(cmd.What)); err != nil {
			return call.Usage("%w; the id of a ban does as well, see \"countersign ban list\"", err)
		}
	}
	return c.With(func(o *call.Opened) (err error) {
		var b access.Ban
		if byID {
			b, err = admin(o).Lift(c.Ctx, id.ID)
		} else {
			b, err = admin(o).LiftOf(c.Ctx, network.Prefix, network.alone, login)
		}
		if err != nil {
			return err
		}
		asked := b.Prefix
		if network.alone.IsValid() {
			asked = netip.PrefixFrom(network.alone, network.alone.BitLen())
		}
		// It is lifted already: a listing that fails takes nothing back.
		beside, err := admin(o).Overlapping(c.Ctx, &b, nil)
		warnStill(c, asked, beside)
		return errors.Join(err, c.Say("ban %s of %s is lifted", b.ID, b.Object()))
	})
}

// warnStill says which of the bans beside one that was lifted still refuse all of a network.
func warnStill(c *call.Call, asked netip.Prefix, beside []access.Ban) {
	told := 0
	for i := range beside {
		other := &beside[i]
		if other.Shadow || other.Prefix.Bits() > asked.Bits() || !other.Prefix.Contains(asked.Addr()) {
			continue
		}
		if told++; told > mostTold {
			fmt.Fprintf(c.Stderr, "warning: so do others; see \"countersign ban show %s\"\n", asked.Addr())
			return
		}
		fmt.Fprintf(c.Stderr, "warning: ban %s of %s, %s, still refuses %s\n", other.ID, other.Object(), until(other), asked)
	}
}

type list struct {
	call.AsJSON
	All bool `help:"Also those that ended within the last 30 days."`
}

// Run does it.
func (cmd *list) Run(c *call.Call) error {
	now := c.Env.Now()
	q := access.Query{Holding: now}
	if cmd.All {
		q.Holding = time.Time{}
	}
	return call.List(c, cmd.AsJSON, heads(), shown.BanAt(now), cells, func(s call.Store) ([]access.Ban, error) {
		return s.Bans(c.Ctx, q)
	})
}

type show struct {
	call.AsJSON
	Address string           `arg:"" help:"The address of a client."`
	Login   argument.Address `help:"Leave out bans of other logins than this." placeholder:"LOGIN"`
}

// Run does it.
func (cmd *show) Run(c *call.Call) error {
	client, err := netip.ParseAddr(cmd.Address)
	if err != nil {
		return call.Usage("%q is not an address: write 192.0.2.1 or 2001:db8::1", cmd.Address)
	}
	return c.With(func(o *call.Opened) error {
		found, err := o.Store.Bans(c.Ctx, access.Query{Holding: c.Env.Now()})
		if err != nil {
			return err
		}
		found = slices.DeleteFunc(found, func(b access.Ban) bool {
			other := b.Login != "" && cmd.Login.Domain != "" && b.Login != cmd.Login.Key()
			return other || !b.Covers(client)
		})
		slices.SortStableFunc(found, func(a, b access.Ban) int { return b.Prefix.Bits() - a.Prefix.Bits() })
		if len(found) == 0 && !cmd.JSON {
			return c.Say("%s is not banned", access.Plain(client))
		}
		return table.List(c.Stdout, cmd.JSON, shown.Each(found, shown.BanAt(c.Env.Now())), heads(), cells)
	})
}

func heads() []string {
	return []string{"ID", "NETWORK", "LOGIN", "STATE", "SINCE", "UNTIL", "BY", "REASON"}
}

// cells is the row of a listing.
func cells(v shown.Ban) []string {
	end := ""
	if v.End != nil {
		end = table.Stamp(*v.End)
	}
	state := v.State
	if v.Shadow {
		state += " (shadow)"
	}
	return []string{string(v.ID), v.Network, v.Login, state, table.Stamp(v.Start), end, v.By, v.Reason}
}
