// Package keys is "countersign key": the commands about the key file and what in the
// store is sealed with its keys.
//
// The file is changed by package seal, and what is sealed made anew by package
// seal/rotation; here is in what order, what is refused, and what is said.
//
// Main types: Group, Site.
package keys

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"countersign/internal/app"
	"countersign/internal/audit"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/node"
	"countersign/internal/seal"
	"countersign/internal/seal/rotation"
)

// Store is what the commands need of an engine.
type Store interface {
	rotation.Store
	app.SealedStore
	// Append is that of audit.Store.
	Append(ctx context.Context, events []audit.Event) error
}

// Work is done on an open store. event makes the event of an administrative act.
type Work func(cfg *config.Config, store Store, event func(audit.Kind, string) audit.Event) error

// Site is what the commands work with.
type Site struct {
	Stdout, Stderr io.Writer
	// Now is the clock.
	Now func() time.Time
	// With opens configuration and store, does work on it and closes it.
	With func(work Work) error
}

// Group is "countersign key".
type Group struct {
	Status Status `cmd:"" help:"Say which keys the key file holds, and how much each seals."`
	Add    Add    `cmd:"" help:"Make a key that opens but does not seal yet, for gates that share a database."`
	Rotate Rotate `cmd:"" help:"Put a new key in front, and seal everything in the store anew with it, while gates run."`
	Drop   Drop   `cmd:"" help:"Remove keys that nothing is sealed with any more."`
}

// say prints one line.
func (s *Site) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.Stdout, format+"\n", args...)
	return err
}

// change does work on the key file and the store, while no other command changes
// the file. A key file that is missing is not made. ctx ends at the first Ctrl-C or SIGTERM.
func (s *Site) change(work func(*task) error) error {
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, end)
	defer end()
	return s.With(func(cfg *config.Config, store Store, event func(audit.Kind, string) audit.Event) (err error) {
		file, err := seal.Hold(cfg.DKIM.KeyFile, rand.Reader)
		if err != nil {
			return err
		}
		defer func() {
			if closed := file.Close(); err == nil {
				err = closed
			}
		}()
		return work(&task{site: s, ctx: ctx, cfg: cfg, store: store, file: file, event: event})
	})
}

// task is one change.
type task struct {
	site  *Site
	ctx   context.Context
	cfg   *config.Config
	store Store
	file  *seal.File
	event func(audit.Kind, string) audit.Event
}

// record stores what was done to a key.
func (t *task) record(kind audit.Kind, id, text string) error {
	e := t.event(kind, text)
	e.Object = "sealing key " + id
	// What was done is recorded also where it was interrupted.
	ctx, end := context.WithTimeout(context.WithoutCancel(t.ctx), recordWithin)
	defer end()
	return t.store.Append(ctx, []audit.Event{e})
}

// recordWithin bounds how long an event is waited for after an interruption.
const recordWithin = 10 * time.Second

// sealer opens the key file as it is now.
func (t *task) sealer() (*seal.Sealer, error) { return app.NewSealer(t.cfg) }

// others are the other gates that are up with this database.
func (t *task) others() (up []node.Node, err error) {
	if !t.cfg.Store.InPostgres() {
		return nil, nil
	}
	list, err := t.store.Nodes(t.ctx)
	for _, n := range list {
		if n.ID != t.cfg.Node.ID && (n.Alive || n.Up) {
			up = append(up, n)
		}
	}
	return up, err
}

// missing refuses what would let a gate meet something that is sealed with a key of that
// id, unless each of the other gates that are alive has the key.
func (t *task) missing(op, id string) error {
	up, err := t.others()
	for _, n := range up {
		if err == nil && n.Alive && !slices.Contains(n.Keys, id) {
			err = fault.New(op, fault.Conflict, "gate %s has not loaded key %s (%s): copy the key file there, where it is read within seconds, or --force to go on without it",
				n.ID, id, having(n))
		}
	}
	return err
}

// having says which keys a gate has.
func having(n node.Node) string {
	if len(n.Keys) == 0 {
		return "it has told of none yet"
	}
	return "it has " + strings.Join(n.Keys, ", ")
}

// Add is "countersign key add".
type Add struct{}

// Help is what "key add --help" says beside the flags.
func (*Add) Help() string {
	return "It comes last in the key file and seals nothing until \"countersign key rotate --to KEY\". That is for gates that share a database: copy the file " +
		"to all of them in between, so that each opens what the first one seals. A single gate needs \"countersign key rotate\" alone."
}

// Run does it.
func (*Add) Run(s *Site) error {
	return s.change(func(t *task) error {
		id, err := t.file.Add(false)
		if err != nil {
			return err
		}
		if err := t.record(audit.AdminAdded, id, "opens, does not seal yet"); err != nil {
			return err
		}
		return s.say("key %s is in %s and opens; copy the file to all gates, then \"countersign key rotate --to %s\"", id, t.cfg.DKIM.KeyFile, id)
	})
}

// view is a key as "key status" shows it.
type view struct {
	Key string `json:"key"`
	// Is says what the file has of it: "seals", "opens", "missing".
	Is        string `json:"is"`
	DKIM      int    `json:"dkim"`
	ACME      int    `json:"acme"`
	Passwords int    `json:"passwords"`
	// Gates are those that are alive and have loaded it.
	Gates []string `json:"gates"`
}

// Status is "countersign key status".
type Status struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run does it.
func (cmd *Status) Run(s *Site) error {
	return s.With(func(cfg *config.Config, store Store, _ func(audit.Kind, string) audit.Event) error {
		ctx := context.Background()
		sealer, err := app.OpenSealer(ctx, cfg, store)
		if err != nil {
			return err
		}
		counts, err := rotation.Count(ctx, store)
		if err != nil {
			return err
		}
		list := views(sealer.IDs(), counts)
		if cfg.Store.InPostgres() {
			nodes, err := store.Nodes(ctx)
			if err != nil {
				return err
			}
			loaded(list, nodes)
		}
		heads := []string{"KEY", "IS", "DKIM", "ACME", "PASSWORDS", "GATES"}
		return table.List(s.Stdout, cmd.JSON, list, heads, func(v view) []string {
			return []string{v.Key, v.Is, fmt.Sprint(v.DKIM), fmt.Sprint(v.ACME), fmt.Sprint(v.Passwords), strings.Join(v.Gates, ",")}
		})
	})
}

// loaded notes which gates have loaded which of the keys.
func loaded(list []view, nodes []node.Node) {
	for i := range list {
		for _, n := range nodes {
			if n.Alive && slices.Contains(n.Keys, list[i].Key) {
				list[i].Gates = append(list[i].Gates, n.ID)
			}
		}
	}
}

// views lists the keys of the file in its order, then the others that something is
// sealed with, then what is not sealed.
func views(file []string, counts rotation.Counts) (list []view) {
	add := func(id, name, is string) {
		of := counts[id]
		list = append(list, view{name, is, of[seal.DKIM], of[seal.ACME], of[seal.Password], []string{}})
	}
	for i, id := range file {
		add(id, id, map[bool]string{true: "seals", false: "opens"}[i == 0])
	}
	for _, id := range counts.Other(file) {
		if id == "" {
			add(id, "-", "damaged")
			continue
		}
		add(id, id, "missing")
	}
	return list
}

// tally says what was sealed anew: "4 DKIM keys, 1 secret of ACME, 2 keys of passwords".
func tally(of map[seal.Purpose]int) string {
	return strings.Join([]string{
		table.Count(of[seal.DKIM], "DKIM key", "DKIM keys"), table.Count(of[seal.ACME], "secret of ACME", "secrets of ACME"),
		table.Count(of[seal.Password], "key of passwords", "keys of passwords"),
	}, ", ")
}

// unknown is the refusal of a key that the file does not hold.
func (t *task) unknown(id string) error {
	return fault.New("key", fault.NotFound, "the key file %s has no key %s; \"countersign key status\" lists its keys", t.cfg.DKIM.KeyFile, table.Clean(id))
}
