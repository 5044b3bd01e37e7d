package limits

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
	Action action        `help:"What becomes of a message that is over one: defer, refuse, slow or hold, as in \"limit set\"; defer where nothing is said." placeholder:"ACTION"`
	Share  *int          `help:"How much of it one account may have once half of it is used, in percent." placeholder:"PERCENT"`
	Least  *int64        `help:"Of a failed-share: how many recipients have to have failed before it counts; 20 where nothing is said." placeholder:"NUMBER"`
	Shadow bool          `help:"What is over it passes, and counts."`
}

// Help is what "limit simulate --help" says beside the flags.
func (*simulate) Help() string {
	return "Reads the messages of the record that were accepted, and says which of them would have been over a limit, and what would have become of them. " +
		"One that would have been refused counts no more, and is not tried again; one that would have been slowed counts when it would have gone. " +
		"Nothing counts that came before the beginning. Each account, domain or customer that the flag stands for is counted by itself. " +
		"The record has the sizes of messages as they were stored, with what the gate adds. Whom a message went to it knows once the delivery has ended: " +
		"what is still in the queue is left out. Of what the record does not place, it is said how much that is."
}

// wanted are the limits, with what is said of all of them.
func (cmd *simulate) wanted() (list []limit.Limit, err error) {
	for _, l := range cmd.Limits {
		l.Shadow = cmd.Shadow
		if cmd.Action.set {
			l.Action = cmd.Action.Action
		}
		if cmd.Share != nil {
			if l.Share = *cmd.Share; l.Share == 0 {
				return nil, call.Usage("--share is of 1 to 100 percent; leave it out where one account may have all")
			}
		}
		if cmd.Least != nil {
			l.Least = *cmd.Least
		}
		list = append(list, l.Limit)
	}
	return list, nil
}

// Run does it.
func (cmd *simulate) Run(c *call.Call) error {
	if err := cmd.named(); err != nil {
		return err
	}
	limits, err := cmd.wanted()
	if err != nil {
		return err
	}
	return c.With(func(o *call.Opened) error {
		q := hindsight.Question{Limits: limits, Since: cmd.Since.Of(o.Env.Now()), Now: o.Env.Now()}
		var err error
		if q.For, q.Login, err = cmd.subject(o); err != nil {
			return err
		}
		s, err := hindsight.Simulate(o.Ctx, o.Store, q)
		switch {
		case fault.Is(err, fault.Invalid):
			return call.Usage("%w", argument.Plain(err))
		case err != nil:
			return err
		case cmd.JSON:
			return table.JSON(c.Stdout, s)
		}
		cmd.warn(o, &s)
		return said(c, &s, limit.Bounds([]limit.Level{{Limits: limits}}, limit.Connections))
	})
}

// warn says that the record has nothing of whom the limits are for, where that is so: a name may be
// mistyped, but one that is no more may be meant, so it is no mistake.
func (cmd *simulate) warn(o *call.Opened, all *hindsight.Simulated) {
	if all.Messages > 0 || all.Connections > 0 || cmd.Everything || cmd.Each.set {
		return
	}
	name := cmd.literal().String()
	if cmd.Credential.Name != "" {
		name += " " + cmd.Credential.Login.String() + "/" + cmd.Credential.Name
	}
	fmt.Fprintf(o.Stderr, "warning: the record has nothing of %s since %s\n", name, table.Stamp(cmd.Since.Of(o.Env.Now())))
}

// said prints what came of it; connections where they were asked for.
func said(c *call.Call, all *hindsight.Simulated, connections bool) error {
	lines := []string{fmt.Sprintf("%d of %d messages would have been over, with %d of %d recipients", all.OverMessages, all.Messages, all.OverRecipients, all.Recipients)}
	if all.OverMessages > 0 {
		lines = append(lines, "of these "+strings.Join(became(&all.Sums), ", "))
	}
	if all.Connections > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d connections would have been turned away", all.OverConnections-all.NotedConnections, all.Connections))
	}
	if all.NotedConnections > 0 {
		lines = append(lines, fmt.Sprintf("%d connections over a limit would have been let in and noted", all.NotedConnections))
	}
	if all.UnplacedMessages > 0 {
		lines = append(lines, fmt.Sprintf("%d other messages could not be placed: the record does not say whose they are in this", all.UnplacedMessages))
	}
	if all.UnplacedConnections > 0 && connections {
		lines = append(lines, fmt.Sprintf("%d connections could not be placed: of clients that do not log in the record has no more than its rations allow", all.UnplacedConnections))
	}
	if all.RecordBegins != nil {
		lines = append(lines, fmt.Sprintf("the record begins %s: nothing from before that is known", table.Stamp(*all.RecordBegins)))
	}
	if err := c.Say("%s", strings.Join(lines, "\n")); err != nil || len(all.Over) == 0 {
		return err
	}
	heads, cells := []string{"NAME", "MESSAGES", "OVER", "RECIPIENTS", "OVER", "BECAME", "FIRST", "LAST", "FIRST BY"}, tallyCells
	if all.Connections > 0 {
		heads, cells = slices.Insert(heads, 5, "CONNECTIONS", "OVER"), tallyCellsWithConnections
	}
	return table.List(c.Stdout, false, all.Over, heads, cells)
}

// became says what would have become of messages.
func became(s *hindsight.Sums) (list []string) {
	for _, one := range []struct {
		n    int64
		what string
	}{
		{s.Refused, "refused for good"}, {s.Deferred, "deferred"}, {s.Held, "held"}, {s.Slowed, "slowed by " + (time.Duration(s.LongestSlowed) * time.Second).String() + " at most"}, {s.Noted, "let pass and noted"},
	} {
		if one.n > 0 {
			list = append(list, strconv.FormatInt(one.n, 10)+" "+one.what)
		}
	}
	return list
}

// tallyCells is the row of a listing.
func tallyCells(t hindsight.Tally) []string {
	number, by := func(n int64) string { return strconv.FormatInt(n, 10) }, t.By
	if t.Share {
		by += " (share)"
	}
	return []string{
		cmp.Or(t.Name, "everything"), number(t.Messages), number(t.OverMessages), number(t.Recipients), number(t.OverRecipients),
		cmp.Or(strings.Join(became(&t.Sums), ", "), "-"), table.Stamp(t.First), table.Stamp(t.Last), by,
	}
}

// tallyCellsWithConnections is the row of a listing where connections are told too.
func tallyCellsWithConnections(t hindsight.Tally) []string {
	return slices.Insert(tallyCells(t), 5, strconv.FormatInt(t.Connections, 10), strconv.FormatInt(t.OverConnections, 10))
}
