package feed

import (
	"cmp"
	"context"
	"log/slog"
	"time"
)

// KeepEnded is how long what has ended stays listed.
const KeepEnded = 30 * 24 * time.Hour

const (
	// pruneEvery is how often a store is looked through for what ended long ago.
	pruneEvery = time.Hour
	// portion is how many rows are removed at once: a few milliseconds of a writer's time.
	portion = 500
)

// Pruner removes from a store what ended long ago. All fields but Keep are needed.
type Pruner struct {
	// What names the rows in the log: "bans".
	What string
	// Remove removes rows that ended before that time, at most limit of them, and says how
	// many.
	Remove func(ctx context.Context, before time.Time, limit int) (removed int, err error)
	// Keep is how long ago that is; 0 for KeepEnded.
	Keep time.Duration
	// Now is the clock.
	Now func() time.Time
	// Logger gets what no caller is told.
	Logger *slog.Logger
}

// Run prunes at once and then every hour, until ctx ends. What fails is tried again.
func (p *Pruner) Run(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if err := p.prune(ctx); err != nil && ctx.Err() == nil {
			p.Logger.Warn(p.What+" that ended long ago could not be removed yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// prune removes portions until none is left or ctx ends.
func (p *Pruner) prune(ctx context.Context) error {
	for {
		n, err := p.Remove(ctx, p.Now().Add(-cmp.Or(p.Keep, KeepEnded)), portion)
		if err != nil || n < portion {
			return err
		}
	}
}
