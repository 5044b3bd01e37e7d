package limits

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/limit"
	"countersign/internal/limit/simulation"
	"countersign/internal/mail"
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
		of, one, err := cmd.counted(o)
		if err != nil {
			return err
		}
		if cmd.Everything && limit.Bounds([]limit.Level{{Limits: limits}}, limit.Connections) {
			return call.Usage("connections of everything cannot be simulated: of clients that have not logged in the record has no more than its rations allow; set such a limit with --shadow, and look at limit.shadow")
		}
		past := &past{Simulation: simulation.New(limits, of), since: cmd.Since.Of(o.Env.Now()), automatic: map[mail.ID]bool{}}
		if err := past.read(o, one, limits); err != nil {
			return err
		}
		over, all := past.Tallies()
		rows := make([]Tally, len(over))
		for i := range over {
			rows[i] = tally(&over[i])
		}
		if cmd.JSON {
			return table.JSON(c.Stdout, Simulated{
				Messages: all.Messages, Recipients: all.Recipients, OverMessages: all.OverMessages, OverRecipients: all.OverRecipients,
				Connections: all.Connections, OverConnections: all.OverConnections, Over: rows,
			})
		}
		return said(c, &all, rows)
	})
}

// said prints what came of it; connections where there were any.
func said(c *call.Call, all *simulation.Tally, rows []Tally) error {
	err := c.Say("%d of %d messages would have been over, with %d of %d recipients", all.OverMessages, all.Messages, all.OverRecipients, all.Recipients)
	if err == nil && all.Connections > 0 {
		err = c.Say("%d of %d connections would have been turned away", all.OverConnections, all.Connections)
	}
	if err != nil || len(rows) == 0 {
		return err
	}
	heads, cells := []string{"NAME", "MESSAGES", "OVER", "RECIPIENTS", "OVER", "FIRST", "LAST", "FIRST BY"}, Tally.cells
	if all.Connections > 0 {
		heads, cells = slices.Insert(heads, 5, "CONNECTIONS", "OVER"), Tally.cellsWithConnections
	}
	return table.List(c.Stdout, false, rows, heads, cells)
}

// counted says as what logins are counted; one is the only login that is concerned, "" for
// several.
func (cmd *simulate) counted(o *call.Opened) (of func(login string) (string, bool), one string, err error) {
	s, _, err := cmd.subject(o)
	if err != nil {
		return nil, "", err
	}
	each := s.Name == limit.Each
	switch s.Kind {
	case limit.Account:
		if each {
			return func(login string) (string, bool) { return login, true }, "", nil
		}
		return func(login string) (string, bool) { return login, login == s.Name }, s.Name, nil
	case limit.Domain:
		return func(login string) (string, bool) {
			domain := login[strings.LastIndexByte(login, '@')+1:]
			return domain, each || domain == s.Name
		}, "", nil
	case limit.Everything:
		return func(string) (string, bool) { return "", true }, "", nil
	case limit.Customer, limit.Plan:
		found := map[string]string{}
		return func(login string) (string, bool) {
			name, known := found[login]
			if !known {
				name = heldBy(o, s, each, login)
				found[login] = name
			}
			return name, name != ""
		}, "", nil
	}
	return nil, "", call.Usage("only limits of accounts, domains, customers, plans and everything can be simulated: the record does not tell the rest of each message")
}

// heldBy returns as what a login is counted under a customer or plan as they are now; "" for
// not at all.
func heldBy(o *call.Opened, s limit.Subject, each bool, login string) string {
	sender, err := o.Store.Sender(o.Ctx, login)
	switch {
	case err != nil: // it is no more
		return ""
	case s.Kind == limit.Plan && sender.Plan.Name == s.Name:
		return login
	case s.Kind == limit.Customer && (each || sender.Customer.Name == s.Name):
		return sender.Customer.Name
	}
	return ""
}

// Simulated is what "limit simulate --json" prints.
type Simulated struct {
	Messages       int64 `json:"messages"`
	Recipients     int64 `json:"recipients"`
	OverMessages   int64 `json:"over_messages"`
	OverRecipients int64 `json:"over_recipients"`
	// Connections are those that logged in, where a limit is of connections.
	Connections     int64   `json:"connections,omitempty"`
	OverConnections int64   `json:"over_connections,omitempty"`
	Over            []Tally `json:"over"`
}

// Tally is what would have become of one subject's mail.
type Tally struct {
	Name            string    `json:"name,omitempty"`
	Messages        int64     `json:"messages"`
	OverMessages    int64     `json:"over_messages"`
	Recipients      int64     `json:"recipients"`
	OverRecipients  int64     `json:"over_recipients"`
	Connections     int64     `json:"connections,omitempty"`
	OverConnections int64     `json:"over_connections,omitempty"`
	First           time.Time `json:"first"`
	Last            time.Time `json:"last"`
	By              string    `json:"first_by"`
}

func tally(t *simulation.Tally) Tally {
	return Tally{t.Name, t.Messages, t.OverMessages, t.Recipients, t.OverRecipients, t.Connections, t.OverConnections, t.First, t.Last, t.By.String()}
}

// cells is the row of a listing.
func (t Tally) cells() []string {
	name := t.Name
	if name == "" {
		name = "everything"
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{name, number(t.Messages), number(t.OverMessages), number(t.Recipients), number(t.OverRecipients), table.Stamp(t.First), table.Stamp(t.Last), t.By}
}

// cellsWithConnections is the row of a listing where connections are told too.
func (t Tally) cellsWithConnections() []string {
	return slices.Insert(t.cells(), 5, strconv.FormatInt(t.Connections, 10), strconv.FormatInt(t.OverConnections, 10))
}
