package limits

import (
	"slices"
	"strconv"

	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/hindsight"
)

type simulate struct {
	call.AsJSON
	whose
	Limits []wanted      `arg:"" name:"measure/window=number" help:"Limits as in \"limit set\"; they are judged together, and without those that are set."`
	Since  argument.Time `default:"30d" help:"The beginning: 30d for so long ago, 2026-11-20 (in UTC), or 2026-11-20T10:00:00Z." placeholder:"WHEN"`
}

// Help is what "limit simulate --help" says beside the flags.
func (*simulate) Help() string {
	return "Reads the messages of the record that were accepted, and says which of them would have been over a limit. One that would have been counts no more: " +
		"as if it had been refused, and not tried again. Each account, domain or customer that the flag stands for is counted by itself. " +
		"The record has the sizes of messages as they were stored, with what the gate adds. Whom a message went to it knows once the delivery has ended, and of connections " +
		"that somebody logged in: what is still in the queue, and connections without a login, are left out."
}

// Run does it.
func (cmd *simulate) Run(c *call.Call) error {
	if err := cmd.named(); err != nil {
		return err
	}
	var limits []limit.Limit
	for _, l := range cmd.Limits {
		limits = append(limits, l.Limit)
	}
	return c.With(func(o *call.Opened) error {
		of, _, err := cmd.subject(o)
		if err != nil {
			return err
		}
		s, err := hindsight.Simulate(o.Ctx, o.Store, hindsight.Question{Limits: limits, For: of, Since: cmd.Since.Of(o.Env.Now())})
		switch {
		case fault.Is(err, fault.Invalid):
			return call.Usage("%w", argument.Plain(err))
		case err != nil:
			return err
		case cmd.JSON:
			return table.JSON(c.Stdout, s)
		}
		return said(c, &s)
	})
}

// said prints what came of it; connections where there were any.
func said(c *call.Call, all *hindsight.Simulated) error {
	err := c.Say("%d of %d messages would have been over, with %d of %d recipients", all.OverMessages, all.Messages, all.OverRecipients, all.Recipients)
	if err == nil && all.Connections > 0 {
		err = c.Say("%d of %d connections would have been turned away", all.OverConnections, all.Connections)
	}
	if err != nil || len(all.Over) == 0 {
		return err
	}
	heads, cells := []string{"NAME", "MESSAGES", "OVER", "RECIPIENTS", "OVER", "FIRST", "LAST", "FIRST BY"}, tallyCells
	if all.Connections > 0 {
		heads, cells = slices.Insert(heads, 5, "CONNECTIONS", "OVER"), tallyCellsWithConnections
	}
	return table.List(c.Stdout, false, all.Over, heads, cells)
}

// cells is the row of a listing.
func tallyCells(t hindsight.Tally) []string {
	name := t.Name
	if name == "" {
		name = "everything"
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{name, number(t.Messages), number(t.OverMessages), number(t.Recipients), number(t.OverRecipients), table.Stamp(t.First), table.Stamp(t.Last), t.By}
}

// cellsWithConnections is the row of a listing where connections are told too.
func tallyCellsWithConnections(t hindsight.Tally) []string {
	return slices.Insert(tallyCells(t), 5, strconv.FormatInt(t.Connections, 10), strconv.FormatInt(t.OverConnections, 10))
}
