// Package nodes is "countersign node": the commands about the gates that share
// one database. They look and ask; what a node does about it is its own affair.
//
// Main types: Group, Site.
package nodes

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/cli/table"
	"countersign/internal/node"
)

// Site is what the commands work with.
type Site struct {
	Stdout io.Writer
	// With opens the store, does work on it and closes it. event makes the event
	// of an administrative act.
	With func(work func(ctx context.Context, s node.Store, event func(audit.Kind, string) audit.Event) error) error
}

// Group is "countersign node".
type Group struct {
	List   List   `cmd:"" help:"List the nodes and what each has to deliver."`
	Drain  Drain  `cmd:"" help:"Let a node close its listeners and finish what is under way, and the others take over the rest."`
	Remove Remove `cmd:"" help:"Forget a node that is gone for good."`
}

// List is "countersign node list".
type List struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run does it.
func (cmd *List) Run(s *Site) error {
	return s.With(func(ctx context.Context, store node.Store, _ func(audit.Kind, string) audit.Event) error {
		nodes, err := store.Nodes(ctx)
		if err != nil {
			return err
		}
		heads := []string{"NODE", "STATE", "ADDRESS", "VERSION", "SCHEMA", "SEEN", "QUEUED", "DEFERRED", "HELD", "OLDEST", "CLOCK", "KEYS"}
		return table.List(s.Stdout, cmd.JSON, nodes, heads, func(n node.Node) []string {
			return []string{
				n.ID, n.Standing(), n.Address, n.Version, strconv.Itoa(n.Schema), seen(n),
				strconv.Itoa(n.Queued), strconv.Itoa(n.Deferred), strconv.Itoa(n.Held), table.Stamp(n.Oldest), offset(n), strings.Join(n.Keys, ","),
			}
		})
	})
}

// seen says how long ago a node was seen, "" where that is not known.
func seen(n node.Node) string {
	if n.Seen.IsZero() {
		return ""
	}
	return n.Silent.Round(time.Second).String() + " ago"
}

// offset says how far a clock is off, "ok" where that does no harm, "" where nobody
// knows.
func offset(n node.Node) string {
	switch {
	case n.Standing() == "":
		return ""
	case n.Skew.Abs() <= node.OddSkew:
		return "ok"
	}
	return node.ShowSkew(n.Skew) + " the database's"
}

// act asks something of a node, with the event that says so.
func (s *Site) act(id string, kind audit.Kind, text string, do func(ctx context.Context, store node.Store, e audit.Event) error) error {
	return s.With(func(ctx context.Context, store node.Store, event func(audit.Kind, string) audit.Event) error {
		e := event(kind, text)
		e.Object = "node " + id
		return do(ctx, store, e)
	})
}

// Drain is "countersign node drain".
type Drain struct {
	ID    string `arg:"" help:"The node, as the list names it."`
	Force bool   `help:"Drain it although no other node is active: no mail is taken or delivered then."`
}

// Help is what "node drain --help" says beside the flags.
func (*Drain) Help() string {
	return "The node closes its listeners, lets sessions and deliveries that are under way finish, and gives the rest to the others. " +
		"Its process stays up without listeners; only a restart of it makes the node active again."
}

// Run does it.
func (cmd *Drain) Run(s *Site) error {
	err := s.act(cmd.ID, audit.AdminChanged, "asked to drain", func(ctx context.Context, store node.Store, e audit.Event) error {
		return store.Drain(ctx, cmd.ID, cmd.Force, e)
	})
	if err == nil {
		_, err = fmt.Fprintf(s.Stdout, "node %s drains: it closes its listeners, and only a restart of it undoes that; \"countersign node list\" says when it has\n", cmd.ID)
	}
	return err
}

// Remove is "countersign node remove".
type Remove struct {
	ID string `arg:"" help:"The node, as the list names it."`
}

// Run does it.
func (cmd *Remove) Run(s *Site) error {
	err := s.act(cmd.ID, audit.AdminRemoved, "", func(ctx context.Context, store node.Store, e audit.Event) error {
		return store.Remove(ctx, cmd.ID, e)
	})
	if err == nil {
		_, err = fmt.Fprintf(s.Stdout, "node %s is removed\n", cmd.ID)
	}
	return err
}
