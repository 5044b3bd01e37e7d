package limits

import (
	"net/netip"
	"strconv"

	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/limit/usage"
)

type show struct {
	call.AsJSON
	Login argument.Address `arg:"" help:"The login of an account."`
	From  netip.Addr       `help:"Also limits of the network that this address is in." placeholder:"ADDRESS"`
}

// Run does it.
func (cmd *show) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		rows, err := usage.Of(c.Ctx, o.Store, cmd.Login.Key(), cmd.From, c.Env.Now())
		if err != nil {
			return err
		}
		if len(rows) == 0 && !cmd.JSON {
			return c.Say("nothing limits %s", cmd.Login.Key())
		}
		return table.List(c.Stdout, cmd.JSON, rows, []string{"FOR", "LIMIT", "USED", "LEFT", "ROOM FROM", "ACTION", "SET FOR", "UNTIL", "ID"}, cells)
	})
}

// cells is the row of a listing.
func cells(r usage.Room) []string {
	from, used := "now", strconv.FormatInt(r.Used, 10)
	switch {
	case r.From == nil:
		from = "never"
	case r.Passing != "":
		from, used = "in each "+r.Passing, ""
	case r.Busy:
		from = "when one goes"
	case r.Full:
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
	return []string{r.Label, r.Limit, used, strconv.FormatInt(r.Left, 10), from, action, r.SetFor, until, string(r.Rule)}
}
