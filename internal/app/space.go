package app

import (
	"context"
	"path/filepath"
	"strconv"

	"countersign/internal/app/space"
	"countersign/internal/audit"
	"countersign/internal/config"
)

// openSpace begins to watch the room for the store.
func (a *App) openSpace(ctx context.Context) error {
	a.space = space.New(space.Options{Measure: a.measure, Changed: a.spaceChanged, Logger: a.log})
	a.space.SetReserve(reserve(a.cfg))
	a.space.Look(ctx)
	a.background("space watch", a.space.Run)
	a.health.Add("space", a.space.Health)
	return nil
}

// reserve is what new mail leaves untouched. A PostgreSQL server's disk is not
// seen from here.
func reserve(cfg *config.Config) int64 {
	if cfg.Store.InPostgres() {
		return 0
	}
	return cfg.Store.Reserve.Bytes()
}

// spacious is a store that keeps what was deleted as room for later.
type spacious interface {
	Spare(ctx context.Context) (int64, error)
}

// measure asks the file system of the database, and the database; that of
// data_dir where the database is elsewhere.
func (a *App) measure(ctx context.Context) (space.Room, error) {
	local, ok := a.store.(spacious)
	if !ok {
		return space.FileSystem(a.started.DataDir)
	}
	r, err := space.FileSystem(filepath.Dir(a.started.StorePath()))
	if err != nil {
		return space.Room{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, space.Interval)
	defer cancel()
	// A database that does not answer has nothing to spare.
	r.Spare, err = local.Spare(ctx)
	if err != nil {
		r.Spare = 0
	}
	return r, nil
}

// spaceChanged records that the reserve was reached, or that there is room again.
func (a *App) spaceChanged(low bool, r space.Room, reserve int64) {
	kind := audit.StoreRegained
	if low {
		kind = audit.StoreLow
		a.log.Warn("the store has reached its reserve: new mail is refused until there is room",
			"option", "store.reserve", "free", r.Free, "reserve", reserve, "files", r.Files)
	}
	a.recorder.Record(audit.Event{At: a.opt.Now(), Kind: kind, Data: map[string]string{
		"free": strconv.FormatInt(r.Free, 10), "spare": strconv.FormatInt(r.Spare, 10),
		"reserve": strconv.FormatInt(reserve, 10), "files": strconv.FormatInt(r.Files, 10),
	}})
}
