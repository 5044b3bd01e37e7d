package limits

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"countersign/internal/account"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/limit"
	"countersign/internal/limit/network"
	"countersign/internal/mail"
)

type show struct {
	call.AsJSON
	Login argument.Address `arg:"" help:"The login of an account."`
	From  netip.Addr       `help:"Also limits of the network that this address is in." placeholder:"ADDRESS"`
}

// Run does it.
func (cmd *show) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		found, err := cmd.find(o)
		if err != nil {
			return err
		}
		subjects := make([]limit.Subject, len(found.levels))
		for i, l := range found.levels {
			subjects[i] = l.Subject
			subjects = append(subjects, limit.ApartOf(l.Subject))
		}
		counters, at, err := o.Store.Counted(o.Ctx, subjects)
		if err != nil {
			return err
		}
		rows := found.rows(counters, at)
		if len(rows) == 0 && !cmd.JSON {
			return c.Say("nothing limits %s", cmd.Login.Key())
		}
		return table.List(c.Stdout, cmd.JSON, rows, []string{"FOR", "LIMIT", "USED", "LEFT", "ROOM FROM", "ACTION", "SET FOR", "UNTIL", "ID"}, Room.cells)
	})
}

// found is all that an account is counted as.
type found struct {
	who    limit.Who
	levels []limit.Level
	// names are those of its credentials, by id.
	names map[string]string
	rules func(limit.Subject) []limit.Rule
	now   time.Time
}

// find looks up the account, each of its credentials and all above it.
func (cmd *show) find(o *call.Opened) (f found, err error) {
	login := cmd.Login.Key()
	sender, err := o.Store.Sender(o.Ctx, login)
	if err != nil {
		return f, call.Missing(err, "account "+login)
	}
	f = found{who: whole(sender), names: map[string]string{}, now: o.Env.Now()}
	f.who.Network = network.Of(cmd.From)
	f.rules = func(s limit.Subject) []limit.Rule {
		rules, failed := o.Store.Rules(o.Ctx, limit.Query{For: &s, Holding: f.now})
		if failed != nil {
			err = failed
		}
		return rules
	}
	for i := range sender.Account.Credentials {
		k := &sender.Account.Credentials[i]
		f.names[string(k.ID)] = login + "/" + k.Name
		f.levels = append(f.levels, of(limit.Who{Credential: string(k.ID)}, limit.Credential, f.rules, f.now)...)
	}
	f.levels = append(f.levels, f.who.Levels(f.rules, f.now)...)
	nodes, failed := o.Store.Nodes(o.Ctx)
	if failed != nil {
		return f, failed
	}
	for i := range nodes {
		f.levels = append(f.levels, of(limit.Who{Node: nodes[i].ID}, limit.Node, f.rules, f.now)...)
	}
	return f, err
}

// rows tells how much is used of each limit, and of the account's share of it.
func (f *found) rows(counters []*limit.Counter, at time.Time) (rows []Room) {
	rows = []Room{}
	account := slices.IndexFunc(f.levels, func(l limit.Level) bool { return l.Subject.Kind == limit.Account })
	for i, l := range f.levels {
		for _, k := range l.Limits {
			counter := counters[i]
			if k.Measure == limit.Connections {
				counter = counters[len(f.levels)+i]
			}
			r := room(l.Subject, f.names[l.Subject.Name], k, counter, at)
			rule, extra := f.who.RuleOf(l.Subject, k, f.rules, f.now)
			r.by(rule, extra)
			rows = append(rows, r)
			if k.Share > 0 && l.Subject.Kind > limit.Account && account >= 0 {
				part := room(l.Subject, "", k.Part(), counters[account], at)
				part.Share, part.label = true, "its share of "+part.label
				part.by(rule, extra)
				rows = append(rows, part)
			}
		}
	}
	return rows
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
	// From is from when on there is room for one more; left out for never. Of one message or connection
	// nothing is used, as the next one is meant.
	From *time.Time `json:"room_from,omitempty"`
	// SetFor is whom the rule is set for, with "+" where something is allowed on top.
	SetFor string     `json:"set_for"`
	Until  *time.Time `json:"until,omitempty"`
	Rule   mail.ID    `json:"rule"`
	// Share says that it is the account's share, which counts while half of the whole is used.
	Share bool `json:"share,omitempty"`

	label string
	full  bool
	// busy says that there is room when somebody goes; passing names what the limit is of, where
	// that is one message or connection, "" else.
	busy    bool
	passing string
}

// room tells how much of a limit is used at a moment. credential is the name of one, "" for
// what is none.
func room(s limit.Subject, credential string, l limit.Limit, c *limit.Counter, at time.Time) Room {
	r := Room{
		Kind: s.Kind.String(), Name: s.Name, Limit: l.String(), Max: l.Max, Used: c.UsedOf(l, at),
		Action: l.Action.String(), Shadow: l.Shadow, label: s.String(),
	}
	if s.Kind == limit.Credential {
		r.Name, r.label = credential, s.Kind.String()+" "+credential
	}
	r.Left = max(l.Max-r.Used, 0)
	from, ever := c.RoomOf(l, at)
	if ever {
		r.From = &from
	}
	r.full = !ever || from.After(at)
	r.busy = l.Window == limit.AtOnce && r.Left == 0
	if l.Window.Passing() {
		r.passing = l.Window.String()
	}
	return r
}

// by says which rule it is.
func (r *Room) by(rule *limit.Rule, extra bool) {
	if rule == nil {
		return
	}
	r.SetFor, r.Rule = subject(rule.For), rule.ID
	if rule.For.Kind == limit.Credential && rule.For.Name != limit.Each {
		r.SetFor = r.label
	}
	if extra {
		r.SetFor += ", and more allowed"
	}
	if !rule.End.IsZero() {
		r.Until = &rule.End
	}
}

// cells is the row of a listing.
func (r Room) cells() []string {
	from, used := "now", strconv.FormatInt(r.Used, 10)
	switch {
	case r.From == nil:
		from = "never"
	case r.passing != "":
		from, used = "in each "+r.passing, ""
	case r.busy:
		from = "when one goes"
	case r.full:
		from = table.Stamp(*r.From)
	}
	action := r.Action
	if r.Shadow {
		action += ", shadow"
	}
	until := ""
	if r.Until != nil {
		until = table.Stamp(*r.Until)
	}
	return []string{r.label, r.Limit, used, strconv.FormatInt(r.Left, 10), from, action, r.SetFor, until, string(r.Rule)}
}
