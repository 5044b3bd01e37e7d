package sqlite

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlite/holding"
)

//go:embed migrations/*.sql
var migrations embed.FS

// bodiesName is the folder of large bodies, beside the database file.
const bodiesName = "bodies"

// Options says which database to open and how.
type Options struct {
	// Path is the database file. Its folder is made where it is missing; the
	// file's lock and the folder of large bodies are made beside it.
	Path string
	// Server opens for the one process that serves mail: it locks the
	// database against a second server and cleans up after a crash. Others
	// may work beside it.
	Server bool
	// Readers is the number of connections for reading; 0 means 4.
	Readers int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger gets what no caller is told; nil means none.
	Logger *slog.Logger
}

// Store is an open database. It implements account.Store, queue.Store,
// queue.AdminStore and audit.Store, and keeps certificates. All methods are
// safe for concurrent use, also from several processes. Errors of all of them
// are fault.Full without space, fault.Busy where another process keeps the
// database locked, fault.Unavailable where it cannot be used, fault.Corrupt
// where it is damaged, and what their contracts say.
type Store struct {
	db     *database.DB[book]
	bodies *bodies.Folder
	holder *holding.Holder
	now    func() time.Time
	log    *slog.Logger
	// stopWatching ends the goroutine of a server that lets the queue follow
	// what others left unfinished, and waits for it.
	stopWatching func()
}

// Open opens the database, makes or upgrades its schema, and starts the
// writer. Errors: fault.Conflict where another server uses the database or it
// is newer than this program, fault.Corrupt for a damaged one,
// fault.Unavailable where folder or file cannot be used, fault.Full.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Readers <= 0 {
		o.Readers = 4
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fault.Wrap("sqlite.open", fault.Invalid, err)
	}
	s := &Store{now: o.Now, log: o.Logger, stopWatching: func() {}, bodies: bodies.New(filepath.Join(filepath.Dir(path), bodiesName))}
	s.db, err = database.Open(ctx, database.Options[book]{
		Path: path, Server: o.Server, Readers: o.Readers, Migrations: migrations, Now: o.Now, Logger: o.Logger,
		Flush: func(t *database.Tx, b *book) error { return (&tx{t, b}).flush() },
	})
	if err != nil {
		return nil, err
	}
	s.holder = holding.New(holding.Options{
		Read: s.db.Read, Record: recordIn, Server: o.Server, Now: o.Now, Logger: o.Logger,
		Change: func(ctx context.Context, op string, run func(*database.Tx) error) error {
			return s.db.Change(ctx, op, func(t *database.Tx, _ *book) error { return run(t) })
		},
	})
	if o.Server {
		if err := s.cleanBodies(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.watch()
	}
	return s, nil
}

// watch starts to let the queue follow what others left unfinished.
func (s *Store) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { s.holder.Watch(ctx) })
	s.stopWatching = func() {
		cancel()
		watching.Wait()
	}
}

// recordIn stores events in a running transaction.
func recordIn(t *database.Tx, events []audit.Event) error {
	rows, err := bindEvents(events)
	if err != nil {
		return err
	}
	return insertEvents(&tx{Tx: t}, rows)
}

// Close finishes the changes that wait, then closes everything. Afterwards all
// methods fail with fault.Unavailable. It waits for reads that run. A second
// call does nothing.
func (s *Store) Close() error {
	s.stopWatching()
	return s.db.Close()
}

// change runs a change through the writer; op names it in errors.
func (s *Store) change(ctx context.Context, op string, run func(*tx) error) error {
	return s.db.Change(ctx, op, func(t *database.Tx, b *book) error { return run(&tx{t, b}) })
}

// NewBody implements queue.Store.
func (s *Store) NewBody(ctx context.Context) (queue.BodyFile, error) {
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap("body.new", fault.Canceled, err)
	}
	f, err := s.bodies.Create()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// usedBodiesSQL lists the bodies that are in use, from the index alone.
const usedBodiesSQL = "SELECT large FROM content WHERE large <> ''"

// cleanBodies removes the body files that no submission names: a crash, or a
// failed removal, left them.
func (s *Store) cleanBodies(ctx context.Context) error {
	keep := map[mail.ID]bool{}
	err := s.db.Read(ctx, "sqlite.open", func(c *conn) error {
		return c.Query(ctx, usedBodiesSQL, nil, func(r *row) error {
			keep[r.ID()] = true
			return nil
		})
	})
	if err != nil {
		return err
	}
	removed, err := s.bodies.RemoveOthers(keep)
	if removed > 0 {
		s.log.Info("removed body files without a submission", "files", removed)
	}
	return err
}

// removeBodies removes the files of submissions that are finished. What it
// cannot remove, the next start does.
func (s *Store) removeBodies(ids []mail.ID) {
	for _, id := range ids {
		if err := s.bodies.Remove(id); err != nil {
			s.log.Warn("a finished body could not be removed", "body", id, "error", err)
		}
	}
}
