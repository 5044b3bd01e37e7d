// Package storage is "countersign store": the commands about a store as a whole.
// They read the command line and print; what is done is package app's.
//
// Main types: Group, Site.
package storage

import (
	"context"
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
	// Config reads the configuration as far as it says where the store is.
	Config func() (*config.Config, error)
	// Actor is who runs the command.
	Actor string
	// Now is the clock.
	Now func() time.Time
}

// interruptible returns a context that ends at the first Ctrl-C or SIGTERM; a second
// one ends the process. end frees what it takes.
func interruptible() (ctx context.Context, end func()) {
	ctx, end = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, end)
	return ctx, end
}

// Group is "countersign store".
type Group struct {
	Copy Copy `cmd:"" help:"Copy everything, the queue included, into another store: from SQLite to PostgreSQL, and back."`
}
