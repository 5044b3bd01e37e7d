package limits

import (
	"fmt"
	"strings"
	"time"

	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/limit"
	"countersign/internal/limit/usage"
	"countersign/internal/shown"
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
			if found[i], err = usage.Named(o.Ctx, o.Store, found[i]); err != nil {
				return err
			}
		}
		return table.List(c.Stdout, cmd.JSON, shown.Each(found, view(now)), heads(), View.cells)
	})
}

// View is a shown.Limit that can be printed.
type View struct {
	shown.Limit
	rule limit.Rule
}

// view makes Views as of now.
func view(now time.Time) func(limit.Rule) View {
	show := shown.LimitAt(now)
	return func(r limit.Rule) View { return View{show(r), r} }
}

// amount is a rule's limit in words.
func amount(r *limit.Rule) string {
	if r.Extra {
		return strings.Replace(r.Limit.String(), "=", "=+", 1)
	}
	return r.Limit.String()
}

// object names a rule in sentences.
func object(r *limit.Rule) string { return usage.Subject(r.For) + " " + amount(r) }

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
	return []string{string(v.ID), usage.Subject(v.rule.For), amount(&v.rule), action, share, v.State, table.Stamp(v.Start), end, v.By, v.Because}
}
