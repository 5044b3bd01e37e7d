package limits

import (
	"fmt"
	"strings"
	"time"

	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/limit"
	"countersign/internal/mail"
)

type list struct {
	call.AsJSON
	whose
	All bool `help:"Also those that ended within the last 30 days."`
}

// Help is what "limit list --help" says beside the flags.
func (*list) Help() string {
	return "A flag that says whose lists those that are set for exactly that."
}

// Run does it.
func (cmd *list) Run(c *call.Call) error {
	now := c.Env.Now()
	return c.With(func(o *call.Opened) error {
		var q limit.Query
		if !cmd.All {
			q.Holding = now
		}
		if cmd.given() {
			of, _, err := cmd.subject(o)
			if err != nil {
				return err
			}
			q.For = &of
		}
		found, err := o.Store.Rules(c.Ctx, q)
		if err != nil {
			return err
		}
		for i := range found {
			if found[i], err = naming(o, found[i]); err != nil {
				return err
			}
		}
		return table.List(c.Stdout, cmd.JSON, call.Views(found, view(now)), heads(), View.cells)
	})
}

// View is what is printed of a limit.
type View struct {
	ID      mail.ID    `json:"id"`
	Kind    string     `json:"kind"`
	Name    string     `json:"name,omitempty"` // * for each of the kind; LOGIN/NAME of a credential
	Measure string     `json:"measure"`
	Window  string     `json:"window"`
	Max     int64      `json:"max"`
	Extra   bool       `json:"extra,omitempty"`  // on top of the limit that holds otherwise
	Action  string     `json:"action,omitempty"` // left out of what is extra
	Shadow  bool       `json:"shadow,omitempty"`
	Share   int        `json:"share,omitempty"`      // of one account, in percent
	Away    string     `json:"store_away,omitempty"` // of connections: open, closed or share
	Least   int64      `json:"least,omitempty"`      // of a share of failed recipients
	NoMail  bool       `json:"no_mail,omitempty"`
	Because string     `json:"because,omitempty"`
	Start   time.Time  `json:"start"`
	End     *time.Time `json:"end,omitempty"` // left out where it never ends
	By      string     `json:"by"`
	Lifted  string     `json:"lifted_by,omitempty"`
	State   string     `json:"state"` // holds, ended or lifted
	rule    limit.Rule
}

// view makes Views as of now.
func view(now time.Time) func(limit.Rule) View {
	return func(r limit.Rule) View {
		l := &r.Limit
		v := View{
			ID: r.ID, Kind: r.For.Kind.String(), Name: r.For.Name, Measure: l.Measure.String(), Window: l.Window.String(), Max: l.Max, Extra: r.Extra,
			Shadow: l.Shadow, Share: l.Share, Because: r.Because, Start: r.Start, By: r.By, Lifted: r.Lifted, State: "ended", rule: r,
		}
		v.Least, v.NoMail = l.Least, l.Quiet
		if l.Measure == limit.Connections && !r.Extra {
			v.Away = l.Away.String()
		}
		if !r.Extra {
			v.Action = l.Action.String()
		}
		if !r.End.IsZero() {
			v.End = &r.End
		}
		switch {
		case r.Lifted != "":
			v.State = "lifted"
		case r.Holds(now):
			v.State = "holds"
		}
		return v
	}
}

// subject names in words whom a rule is for.
func subject(s limit.Subject) string {
	if s.Name == limit.Each {
		return "each " + s.Kind.String()
	}
	return s.String()
}

// amount is a rule's limit in words.
func amount(r *limit.Rule) string {
	if r.Extra {
		return strings.Replace(r.Limit.String(), "=", "=+", 1)
	}
	return r.Limit.String()
}

// object names a rule in sentences.
func object(r *limit.Rule) string { return subject(r.For) + " " + amount(r) }

func heads() []string {
	return []string{"ID", "FOR", "LIMIT", "ACTION", "SHARE", "STATE", "SINCE", "UNTIL", "BY", "BECAUSE"}
}

// cells is the row of a listing.
func (v View) cells() []string {
	action, share, end := v.Action, "", ""
	if v.Shadow {
		action += ", shadow"
	}
	if v.Away != "" && v.Away != limit.AwayOpen.String() {
		action += ", " + v.Away + " while the store is away"
	}
	if v.Least > 0 {
		action += fmt.Sprintf(", once %d have failed", v.Least)
	}
	if v.NoMail {
		action += ", no mail"
	}
	if v.Share > 0 {
		share = fmt.Sprintf("%d%%", v.Share)
	}
	if v.End != nil {
		end = table.Stamp(*v.End)
	}
	return []string{string(v.ID), subject(v.rule.For), amount(&v.rule), action, share, v.State, table.Stamp(v.Start), end, v.By, v.Because}
}
