package upkeep

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/seal"
	"countersign/internal/soundness"
	"countersign/internal/store/postgres"
	"countersign/internal/store/sqlite"
	"countersign/internal/store/sqlite/backup"
)

// BackupOptions are what a backup or a restore needs beside the configuration.
type BackupOptions struct {
	// Folder is that of the backup.
	Folder string
	// Hold lets everything that a restore brings back wait for an administrator.
	Hold bool
	// Version is the program's, Actor who does it.
	Version, Actor string
	// Now is the clock.
	Now func() time.Time
	// Progress is told what is being done, how much of it is, and how much there is;
	// nil for nobody.
	Progress func(what string, done, total int64)
}

// BackUp makes a whole backup of the store while a server works on it. Errors are
// those of backup.Make; fault.Conflict for a store in PostgreSQL, which has better
// means.
func BackUp(ctx context.Context, cfg *config.Config, o BackupOptions) (*backup.Manifest, error) {
	if cfg.Store.InPostgres() {
		return nil, fault.New("app.backup", fault.Conflict,
			"the store is in PostgreSQL: make backups of the database with pg_dump, or with pg_basebackup and an archive of its log; docs/ops/backup.md says how")
	}
	return backup.Make(ctx, backup.Options{Path: cfg.StorePath(), To: o.Folder, Version: o.Version, Now: o.Now, Progress: o.Progress})
}

// Restore makes a store of a backup, where none is. Errors are those of
// backup.Restore; fault.Conflict for a store in PostgreSQL.
func Restore(ctx context.Context, cfg *config.Config, o BackupOptions) (*backup.Restored, error) {
	if cfg.Store.InPostgres() {
		return nil, fault.New("app.restore", fault.Conflict,
			"the store is in PostgreSQL: restore the database with pg_restore, or its log up to a moment; docs/ops/backup.md says how, and what is sent again")
	}
	return backup.Restore(ctx, backup.RestoreOptions{
		From: o.Folder, Path: cfg.StorePath(), Hold: o.Hold, Actor: o.Actor, Now: o.Now, Progress: o.Progress,
	})
}

// Check looks for what is wrong with the store, beside servers that work on
// it, and changes nothing. Errors are those of the engine's Check.
func Check(ctx context.Context, cfg *config.Config, now func() time.Time) (*soundness.Report, error) {
	if !cfg.Store.InPostgres() {
		return sqlite.Check(ctx, cfg.StorePath(), now)
	}
	password, err := cfg.Store.Password()
	if err != nil {
		return nil, err
	}
	return postgres.Check(ctx, postgres.Options{URL: cfg.Store.URL, Password: password.Reveal()})
}

// KeyState says of the key file whether it opens what is sealed with keys: "there",
// "another", "missing", or "not needed" where keys is empty.
func KeyState(cfg *config.Config, keys []string) (string, error) {
	if len(keys) == 0 {
		return "not needed", nil
	}
	if _, err := os.Stat(cfg.DKIM.KeyFile); errors.Is(err, fs.ErrNotExist) {
		return "missing", nil
	}
	sealer, err := seal.LoadOrCreate(cfg.DKIM.KeyFile, rand.Reader)
	if err != nil {
		return "", err
	}
	have := sealer.IDs()
	if slices.ContainsFunc(keys, func(id string) bool { return !slices.Contains(have, id) }) {
		return "another", nil
	}
	return "there", nil
}
