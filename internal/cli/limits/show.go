package limits

import (
	"net/netip"
	"strconv"
	"time"

	"countersign/internal/account"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/limit"
)

type show struct {
	call.AsJSON
	Login argument.Address `arg:"" help:"The login of an account."`
	From  netip.Addr       `help:"Also limits of the network that this address is in." placeholder:"ADDRESS"`
}

// Run does it.
func (cmd *show) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		levels, names, err := cmd.levels(o)
		if err != nil {
			return err
		}
		subjects := make([]limit.Subject, len(levels))
		for i, l := range levels {
			subjects[i] = l.Subject
		}
		counters, at, err := o.Store.Counted(o.Ctx, subjects)
		if err != nil {
			return err
		}
		rows := []Room{}
		for i, l := range levels {
			for _, k := range l.Limits {
				rows = append(rows, room(l.Subject, names[l.Subject.Name], k, counters[i], at))
			}
		}
		if len(rows) == 0 && !cmd.JSON {
			return c.Say("nothing limits %s", cmd.Login.Key())
		}
		return table.List(c.Stdout, cmd.JSON, rows, []string{"FOR", "LIMIT", "USED", "LEFT", "ROOM FROM", "ACTION"}, Room.cells)
	})
}

// levels returns what the account is counted as, with its limits, each of its credentials
// among it, and the names of these by id.
func (cmd *show) levels(o *call.Opened) (levels []limit.Level, names map[string]string, err error) {
	login := cmd.Login.Key()
	sender, err := o.Store.Sender(o.Ctx, login)
	if err != nil {
		return nil, nil, call.Missing(err, "account "+login)
	}
	now := o.Env.Now()
	rules := func(s limit.Subject) []limit.Rule {
		found, failed := o.Store.Rules(o.Ctx, limit.Query{For: &s, Holding: now})
		if failed != nil {
			err = failed
		}
		return found
	}
	names = map[string]string{}
	for i := range sender.Account.Credentials {
		k := &sender.Account.Credentials[i]
		names[string(k.ID)] = k.Name
		levels = append(levels, of(limit.Who{Credential: string(k.ID)}, limit.Credential, rules, now)...)
	}
	who := whole(sender)
	who.Network = limit.NetworkOf(cmd.From)
	levels = append(levels, who.Levels(rules, now)...)
	nodes, failed := o.Store.Nodes(o.Ctx)
	if failed != nil {
		return nil, nil, failed
	}
	for i := range nodes {
		levels = append(levels, of(limit.Who{Node: nodes[i].ID}, limit.Node, rules, now)...)
	}
	return levels, names, err
}

// whole is an account with all above it.
func whole(s *account.Sender) limit.Who {
	return limit.Who{Account: s.Account.Login(), Plan: s.Plan.Name, Domain: string(s.Domain.Name), Customer: s.Customer.Name}
}

// of returns the level of one kind.
func of(who limit.Who, kind limit.Kind, rules func(limit.Subject) []limit.Rule, now time.Time) []limit.Level {
	for _, l := range who.Levels(rules, now) {
		if l.Subject.Kind == kind {
			return []limit.Level{l}
		}
	}
	return nil
}

// Room is how much of a limit is used.
type Room struct {
	Kind   string `json:"kind"`
	Name   string `json:"name,omitempty"`
	Limit  string `json:"limit"`
	Max    int64  `json:"max"`
	Used   int64  `json:"used"`
	Left   int64  `json:"left"`
	Action string `json:"action"`
	Shadow bool   `json:"shadow,omitempty"`
	// From is from when on there is room for one more; left out for never.
	From *time.Time `json:"room_from,omitempty"`

	label string
	full  bool
}

// room tells how much of a limit is used at a moment. credential is the name of one, "" for
// what is none.
func room(s limit.Subject, credential string, l limit.Limit, c *limit.Counter, at time.Time) Room {
	r := Room{
		Kind: s.Kind.String(), Name: s.Name, Limit: l.String(), Max: l.Max, Used: c.Used(l.Window, l.Measure, at),
		Action: l.Action.String(), Shadow: l.Shadow, label: s.String(),
	}
	if s.Kind == limit.Credential {
		r.Name, r.label = credential, s.Kind.String()+" "+credential
	}
	r.Left = max(l.Max-r.Used, 0)
	from, ever := c.RoomAt(l, 1, at)
	if ever {
		r.From = &from
	}
	r.full = !ever || from.After(at)
	return r
}

// cells is the row of a listing.
func (r Room) cells() []string {
	from := "now"
	switch {
	case r.From == nil:
		from = "never"
	case r.full:
		from = table.Stamp(*r.From)
	}
	action := r.Action
	if r.Shadow {
		action += ", shadow"
	}
	return []string{r.label, r.Limit, strconv.FormatInt(r.Used, 10), strconv.FormatInt(r.Left, 10), from, action}
}
