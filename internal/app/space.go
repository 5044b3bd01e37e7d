package app

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/obs"
	"countersign/internal/smtp"
	"countersign/internal/submission"
)

// room is what is left for the store at one moment.
type room struct {
	// free is the octets of the file system that we may still write.
	free int64
	// spare is the octets within the database file that are free for use.
	spare int64
	// files is how many files may still be made; negative where the file system
	// does not count them.
	files int64
}

// minFiles is how many files must remain that may be made. Only large bodies
// take any.
const minFiles = 1000

// takes reports whether that many octets more, in a file of their own or in the
// database, leave the reserve untouched. What the database has spare is part of it, since its
// file never shrinks and what the reserve is for goes into it; but a quarter must be in the
// file system, for the write-ahead log.
func (r room) takes(octets int64, file bool, reserve int64) bool {
	if file && r.files >= 0 && r.files < minFiles {
		return false
	}
	return r.free+r.spare-octets >= reserve && r.free-octets >= reserve/4
}

// spaceInterval is how often the space watch looks.
const spaceInterval = time.Second

// spaceWatch keeps new mail from taking the last room, which outcomes, bounces, the
// record and administration need. It looks once a second and answers from
// memory, less the octets of mail that it has let in since; what the database writes
// beside these is seen at the next look. It implements submission.Space; its methods are
// safe for concurrent use, but look is called by one goroutine at a time.
type spaceWatch struct {
	// measure says what is left now.
	measure func(context.Context) (room, error)
	// changed is told when the reserve is reached and when there is room again.
	changed func(low bool, r room, reserve int64)
	log     *slog.Logger

	// reserve is store.reserve in octets, 0 for none.
	reserve atomic.Int64
	// last is what was found last, nil before and while it cannot be found out.
	last atomic.Pointer[room]

	// taken is the octets let in since then.
	taken atomic.Int64

	// low says that the reserve is reached, failed that the last look did. Both belong to look.
	low, failed bool
}

var _ submission.Space = (*spaceWatch)(nil)

// run looks until ctx ends.
func (w *spaceWatch) run(ctx context.Context) {
	tick := time.NewTicker(spaceInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look measures once. Reaching the reserve is told at once, its end when there is a
// sixteenth of it more, so that a disk at the brink does not fill the record. What cannot
// be measured refuses nothing.
func (w *spaceWatch) look(ctx context.Context) {
	r, err := w.measure(ctx)
	if err != nil {
		if !w.failed && ctx.Err() == nil {
			w.log.Warn("the free space of the store cannot be found out: nothing is kept in reserve", "error", err)
		}
		w.failed = true
		w.last.Store(nil)
		return
	}
	w.failed = false
	w.last.Store(&r)
	w.taken.Store(0)
	reserve := w.reserve.Load()
	margin := int64(0)
	if w.low {
		margin = reserve / 16
	}
	low := reserve > 0 && !r.takes(margin, true, reserve)
	if low != w.low {
		w.low = low
		w.changed(low, r, reserve)
	}
}

// Fits implements submission.Space.
func (w *spaceWatch) Fits(octets int64, file bool) error {
	r, reserve := w.last.Load(), w.reserve.Load()
	if r == nil || reserve == 0 {
		return nil
	}
	if !r.takes(octets+w.taken.Load(), file, reserve) {
		return fault.Refuse("app.room", fault.Full, string(smtp.EStoreFull))
	}
	return nil
}

// Take implements submission.Space.
func (w *spaceWatch) Take(octets int64, file bool) error {
	err := w.Fits(octets, file)
	if err == nil {
		w.taken.Add(octets)
	}
	return err
}

// check is the health check: a warning while mail is refused. The gate stays ready: it
// delivers, answers every client with a 452 of its own, and a balancer that took it out would
// make a lost connection of that.
func (w *spaceWatch) check(context.Context) error {
	if err := w.Fits(0, true); err == nil {
		return nil
	}
	r := w.last.Load()
	if r == nil {
		return nil
	}
	return obs.Warning(fmt.Sprintf("new mail is refused: %d octets are free and %d spare, store.reserve is %d", r.free, r.spare, w.reserve.Load()))
}

// free and spare are the figures of the last look.
func (w *spaceWatch) free() float64  { return w.figure(func(r *room) int64 { return r.free }) }
func (w *spaceWatch) spare() float64 { return w.figure(func(r *room) int64 { return r.spare }) }

// figure is 0 while nothing is known.
func (w *spaceWatch) figure(of func(*room) int64) float64 {
	r := w.last.Load()
	if r == nil {
		return 0
	}
	return float64(of(r))
}

// openSpace begins to watch the room for the store.
func (a *App) openSpace(ctx context.Context) error {
	a.space = &spaceWatch{measure: a.measure, changed: a.spaceChanged, log: a.log}
	a.space.reserve.Store(reserve(a.cfg))
	a.space.look(ctx)
	a.background("space watch", a.space.run)
	a.health.Add("space", a.space.check)
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
func (a *App) measure(ctx context.Context) (room, error) {
	local, ok := a.store.(spacious)
	if !ok {
		return fileSystemRoom(a.started.DataDir)
	}
	r, err := fileSystemRoom(filepath.Dir(a.started.StorePath()))
	if err != nil {
		return room{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, spaceInterval)
	defer cancel()
	// A database that does not answer has nothing to spare.
	r.spare, err = local.Spare(ctx)
	if err != nil {
		r.spare = 0
	}
	return r, nil
}

// fileSystemRoom asks for what a process without privileges may still take.
func fileSystemRoom(folder string) (room, error) {
	var s unix.Statfs_t
	err := unix.Statfs(folder, &s)
	if err != nil {
		return room{}, fmt.Errorf("%s: %w", folder, err)
	}
	r := room{free: int64(s.Bavail) * int64(s.Bsize), files: -1}
	if s.Files > 0 {
		r.files = int64(s.Ffree)
	}
	return r, nil
}

// spaceChanged records that the reserve was reached, or that there is room again.
func (a *App) spaceChanged(low bool, r room, reserve int64) {
	kind := audit.StoreRegained
	if low {
		kind = audit.StoreLow
		a.log.Warn("the store has reached its reserve: new mail is refused until there is room",
			"option", "store.reserve", "free", r.free, "reserve", reserve, "files", r.files)
	}
	a.recorder.Record(audit.Event{At: a.opt.Now(), Kind: kind, Data: map[string]string{
		"free": strconv.FormatInt(r.free, 10), "spare": strconv.FormatInt(r.spare, 10),
		"reserve": strconv.FormatInt(reserve, 10), "files": strconv.FormatInt(r.files, 10),
	}})
}
