// Package storage is "countersign store": the commands about the store as a whole.
// They print; what they do is for package app and the engines.
//
// Main types: Group, Site.
package storage

import (
	"context"
	"fmt"
	"io"
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
	Backup  Backup  `cmd:"" help:"Make a whole backup while the server runs."`
	Restore Restore `cmd:"" help:"Verify a backup and make a store of it."`
	Check   Check   `cmd:"" help:"Look for what is wrong with the store, while the server runs."`
}

// interruptible returns a context that ends when the user or the system wants the
// command to.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
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
