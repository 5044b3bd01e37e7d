// Package space watches the room that is left for the store, and keeps new mail from
// taking the last of it.
//
// Main types: Watch, Room.
package space

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"countersign/internal/fault"
	"countersign/internal/obs"
	"countersign/internal/smtp"
)

// Room is what is left for the store at one moment.
type Room struct {
	// Free is the octets of the file system that we may still write.
	Free int64
	// Spare is the octets within the database file that are free for use.
	Spare int64
	// Files is how many files may still be made; negative where the file system
	// does not count them.
	Files int64
}

// minFiles is how many files must remain that may be made. Only large bodies
// take any.
const minFiles = 1000

// takes reports whether that many octets more, in a file of their own or in the
// database, leave the reserve untouched. What the database has spare is part of it, since its
// file never shrinks and what the reserve is for goes into it; but a quarter must be in the
// file system, for the write-ahead log.
func (r Room) takes(octets int64, file bool, reserve int64) bool {
	if file && r.Files >= 0 && r.Files < minFiles {
		return false
	}
	return r.Free+r.Spare-octets >= reserve && r.Free-octets >= reserve/4
}

// Interval is how often a Watch looks.
const Interval = time.Second

// Options are what a Watch is made of; all are needed.
type Options struct {
	// Measure says what is left now.
	Measure func(context.Context) (Room, error)
	// Changed is told when the reserve is reached and when there is room again.
	Changed func(low bool, r Room, reserve int64)
	Logger  *slog.Logger
}

// Watch keeps new mail from taking the last room, which outcomes, bounces, the
// record and administration need. It looks once a second and answers from
// memory, less the octets of mail that it has let in since; what the database writes
// beside these is seen at the next look. It implements intake.Space; its methods are
// safe for concurrent use, but Look is called by one goroutine at a time.
type Watch struct {
	opt Options

	// reserve is store.reserve in octets, 0 for none.
	reserve atomic.Int64
	// last is what was found last, nil before and while it cannot be found out.
	last atomic.Pointer[Room]

	// taken is the octets let in since then.
	taken atomic.Int64

	// low says that the reserve is reached, failed that the last look did. Both belong to Look.
	low, failed bool
}

// New returns a Watch with no reserve, which has not looked yet.
func New(opt Options) *Watch { return &Watch{opt: opt} }

// SetReserve says how many octets new mail leaves untouched, 0 for none. It is felt at
// once by Fits, and told at the next look.
func (w *Watch) SetReserve(octets int64) { w.reserve.Store(octets) }

// Run looks until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.Look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Look measures once. Reaching the reserve is told at once, its end when there is a
// sixteenth of it more, so that a disk at the brink does not fill the record. What cannot
// be measured refuses nothing.
func (w *Watch) Look(ctx context.Context) {
	r, err := w.opt.Measure(ctx)
	if err != nil {
		if !w.failed && ctx.Err() == nil {
			w.opt.Logger.Warn("the free space of the store cannot be found out: nothing is kept in reserve", "error", err)
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
		w.opt.Changed(low, r, reserve)
	}
}

// Fits implements intake.Space: fault.Full where it would touch the reserve.
func (w *Watch) Fits(octets int64, file bool) error {
	r, reserve := w.last.Load(), w.reserve.Load()
	if r == nil || reserve == 0 {
		return nil
	}
	if !r.takes(octets+w.taken.Load(), file, reserve) {
		return fault.Refuse("app.room", fault.Full, string(smtp.EStoreFull))
	}
	return nil
}

// Take implements intake.Space: Fits, and what fits is counted until the next look.
func (w *Watch) Take(octets int64, file bool) error {
	err := w.Fits(octets, file)
	if err == nil {
		w.taken.Add(octets)
	}
	return err
}

// Health is the health check: a warning while mail is refused. The gate stays ready: it
// delivers, answers every client with a 452 of its own, and a balancer that took it out would
// make a lost connection of that.
func (w *Watch) Health(context.Context) error {
	if err := w.Fits(0, true); err == nil {
		return nil
	}
	r := w.last.Load()
	if r == nil {
		return nil
	}
	return obs.Warning(fmt.Sprintf("new mail is refused: %d octets are free and %d spare, store.reserve is %d", r.Free, r.Spare, w.reserve.Load()))
}

// Free is Room.Free at the last look, 0 while nothing is known.
func (w *Watch) Free() float64 { return w.figure(func(r *Room) int64 { return r.Free }) }

// Spare is Room.Spare at the last look, 0 while nothing is known.
func (w *Watch) Spare() float64 { return w.figure(func(r *Room) int64 { return r.Spare }) }

// figure is 0 while nothing is known.
func (w *Watch) figure(of func(*Room) int64) float64 {
	r := w.last.Load()
	if r == nil {
		return 0
	}
	return float64(of(r))
}

// FileSystem asks for what a process without privileges may still take.
func FileSystem(folder string) (Room, error) {
	var s unix.Statfs_t
	err := unix.Statfs(folder, &s)
	if err != nil {
		return Room{}, fmt.Errorf("%s: %w", folder, err)
	}
	r := Room{Free: int64(s.Bavail) * int64(s.Bsize), Files: -1}
	if s.Files > 0 {
		r.Files = int64(s.Ffree)
	}
	return r, nil
}
