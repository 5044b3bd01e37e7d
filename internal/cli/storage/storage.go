// Package storage is "countersign store": the commands about a store as a whole.
// They read the command line and print; what is done is package app's.
//
// Main types: Group, Site.
package storage

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"countersign/internal/config"
)

// Site is what the commands work with.
type Site struct {
	Stdout, Stderr io.Writer
	// Version is the program's, Actor who runs it.
	Version, Actor string
	// Now is the clock.
	Now func() time.Time
	// Config reads the configuration, as far as it concerns the store and its key
	// file.
	Config func() (*config.Config, error)
}

// Group is "countersign store".
type Group struct {
	Copy    Copy    `cmd:"" help:"Copy everything, the queue included, into another store: from SQLite to PostgreSQL, and back."`
	Backup  Backup  `cmd:"" help:"Make a whole backup while the server runs."`
	Restore Restore `cmd:"" help:"Verify a backup and make a store of it."`
	Reopen  Reopen  `cmd:"" help:"Let gates serve again from a store that was copied, where the copy is given up."`
	Check   Check   `cmd:"" help:"Look for what is wrong with the store, while the server runs."`
}

// place returns the store of the configuration.
func (s *Site) place() (config.Store, error) {
	cfg, err := s.Config()
	if err != nil {
		return config.Store{}, err
	}
	return cfg.Store, nil
}

// interruptible returns a context that ends at the first Ctrl-C or SIGTERM; a second
// one ends the process. end frees what it takes.
func interruptible() (ctx context.Context, end func()) {
	ctx, end = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, end)
	return ctx, end
}

// tellEvery is how often progress is told of.
const tellEvery = 2 * time.Second

// progress returns what tells on standard error how far something is that takes
// long.
func (s *Site) progress() func(what string, done, total int64) {
	last := s.Now()
	return func(what string, done, total int64) {
		now := s.Now()
		if total == 0 || now.Sub(last) < tellEvery {
			return
		}
		last = now
		fmt.Fprintf(s.Stderr, "%s: %d %%\n", what, 100*done/total)
	}
}

// say prints one line.
func (s *Site) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.Stdout, format+"\n", args...)
	return err
}

// plural counts things.
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
