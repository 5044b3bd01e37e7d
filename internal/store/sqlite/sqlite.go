package sqlite

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlite/counters"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/bans"
	"countersign/internal/store/sqlkit/copying"
	"countersign/internal/store/sqlkit/counting"
	"countersign/internal/store/sqlkit/guarded"
	"countersign/internal/store/sqlkit/holding"
	"countersign/internal/store/sqlkit/limits"
	"countersign/internal/store/sqlkit/lists"
	"countersign/internal/store/sqlkit/objects"
	"countersign/internal/store/sqlkit/record"
	"countersign/internal/store/sqlkit/rounds"
	"countersign/internal/store/sqlkit/sealed"
	"countersign/internal/store/sqlkit/shapes"
	"countersign/internal/store/sqlkit/waiting"
)

//go:embed migrations/*.sql
var migrations embed.FS

// BodiesName is the folder of large bodies, beside the database file.
const BodiesName = "bodies"

// RestoringSuffix is what a database adds to its name while it is being restored;
// nothing is opened beside such a file.
const RestoringSuffix = ".restoring"

// Migrations returns the steps of the schema.
func Migrations() fs.FS { return migrations }

// Options says which database to open and how.
type Options struct {
	// Path is the database file, or a symbolic link to it. Its folder is made where it
	// is missing; the file's lock and the folder of large bodies are made beside it.
	// No other database may be in that folder.
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

	// steps has the schema's steps in its folder "migrations"; nil means ours.
	steps fs.FS
}

// Store is an open database. It implements account.Store, access.Store, list.Store, guard.Store,
// limit.Store, limit.Counts, limit.Doors, limit.Holders, shape.Store, rounds.Store, queue.Store, queue.AdminStore, queue.CertifiedStore and audit.Store, and keeps
// certificates. All methods are
// safe for concurrent use, also from several processes. Errors of all of them
// are fault.Full without space, fault.Busy where another process keeps the
// database locked, fault.Unavailable where it cannot be used, fault.Corrupt
// where it is damaged, and what their contracts say.
type Store struct {
	*objects.Store
	*waiting.Queue
	*sealed.Secrets
	*bans.Keeper
	*counting.Counts
	*guarded.Marks
	*limits.Rulebook
	*lists.Register
	*shapes.Looks
	*rounds.Watchlist
	dialect *sqlkit.Dialect
	waiting string // waitingSQL
	db      *database.DB[book]
	bodies  *bodies.Folder
	holder  *holding.Holder
	numbers *sqlkit.Numbers
	signal  *sqlkit.Signal
	nodes   nodes
	// memory has the counters of limits; changes alone use it.
	memory *counters.Memory
	// connections is under what name this process holds connections.
	connections string
	// server says that this process serves mail.
	server bool
	now    func() time.Time
	log    *slog.Logger
	// stopWatching ends the goroutine of a server that lets the queue follow
	// what others left unfinished, and waits for it.
	stopWatching func()
}

// Open opens the database, makes or upgrades its schema, and starts the
// writer. A newer schema is used as it is where its steps allow that to this
// program. Errors: fault.Conflict where another server uses the database or may
// not go on after a step, the folder of large bodies is another database's, the
// schema is too new for this program, or the store was copied into another one and
// this is to serve from it, fault.Corrupt for a damaged one,
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
	if o.steps == nil {
		o.steps = migrations
	}
	path, large, err := place(o.Path)
	if err != nil {
		return nil, err
	}
	if err := refuseUnfinished(path); err != nil {
		return nil, err
	}
	d := newDialect()
	s := &Store{dialect: d, waiting: waitingSQL(d), signal: sqlkit.NewSignal(), server: o.Server, now: o.Now, log: o.Logger, stopWatching: func() {}, bodies: large, memory: counters.New(counters.Usual), connections: newHolder()}
	s.db, err = database.Open(ctx, database.Options[book]{
		Path: path, Server: o.Server, Name: s.connections, Instead: ", or give this one a data directory of its own", Readers: o.Readers, Migrations: o.steps, Now: o.Now, Logger: o.Logger,
		Flush: func(t *database.Tx, b *book) error { return (&tx{Tx: t, book: b, memory: s.memory}).flush() },
	})
	if err != nil {
		return nil, err
	}
	if err := s.db.Read(ctx, "sqlite.open", func(c *conn) error { return s.refuseCopied(ctx, c) }); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.share()
	if o.Server {
		err := s.bodies.Claim(filepath.Base(path))
		if err == nil {
			err = s.cleanBodies(ctx)
		}
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.watch()
	}
	return s, nil
}

// refuseCopied refuses a store into which another is being copied, and a server
// one that was copied.
func (s *Store) refuseCopied(ctx context.Context, c *conn) error {
	const op = "sqlite.open"
	err := copying.Refuse(ctx, c, op)
	if err == nil && s.server {
		err = copying.RefuseMoved(op, func(text string, args values, each func(*row) error) error { return c.Query(ctx, text, args, each) })
	}
	return err
}

// watch starts what a server does now and then.
func (s *Store) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { s.holder.Watch(ctx) })
	watching.Go(func() { s.removePutOff(ctx) })
	s.stopWatching = func() {
		cancel()
		watching.Wait()
	}
}

// base is what the shared parts work with. Their changes may raise the account
// generation, so it is asked for again.
func (s *Store) base() sqlkit.Base {
	return sqlkit.Base{
		Read: s.read, Number: s.numbers.Number,
		Snapshot: func(ctx context.Context, op string, fn func(sqlkit.Reader) error) error {
			return s.db.Snapshot(ctx, op, func(c *conn) error { return fn(c) })
		},
		Look: func(ctx context.Context, op string, fill func() []sqlkit.Ask) error {
			return s.db.Snapshot(ctx, op, func(c *conn) error { return sqlkit.AskAll(ctx, c, fill()) })
		},
		Change: func(ctx context.Context, op string, run func(sqlkit.Writer) error) error {
			return s.change(ctx, op, func(t *tx) error {
				t.current = 0
				if !s.server { // which has looked when it came
					if err := copying.RefuseMoved(op, t.Query); err != nil {
						return err
					}
				}
				return run(t)
			})
		},
		Record: recordIn, Signal: s.signal, Now: s.now, Logger: s.log,
	}
}

// read runs queries.
func (s *Store) read(ctx context.Context, op string, fn func(sqlkit.Reader) error) error {
	return s.db.Read(ctx, op, func(c *conn) error { return fn(c) })
}

// pruning is a base for who removes rows of counters: what is in the log goes to its row before.
func (s *Store) pruning(b sqlkit.Base) sqlkit.Base {
	b.Change = func(ctx context.Context, op string, run func(sqlkit.Writer) error) error {
		return s.change(ctx, op, func(t *tx) error {
			if !t.counts { // else somebody counts in this transaction, and they stay for now
				if err := t.memory.Settle(t); err != nil {
					return err
				}
			}
			t.memory.Pruned()
			return run(t)
		})
	}
	return b
}

// share makes the parts that the engines share.
func (s *Store) share() {
	s.numbers = sqlkit.NewNumbers(s.read)
	b := s.base()
	s.holder = holding.New(holding.Options{Base: b, Dialect: s.dialect, Count: count, Leave: !s.server})
	limited := b
	limited.Signal = sqlkit.NewSignal()
	s.Rulebook = limits.New(limits.Options{Base: limited})
	listed := b
	listed.Signal = sqlkit.NewSignal()
	s.Register = lists.New(lists.Options{Base: listed})
	s.Store = objects.New(b, s.dialect, s.holder, s.Rulebook.Ender(), s.Register.Ender())
	s.Secrets = sealed.New(b)
	banned := b
	banned.Signal = sqlkit.NewSignal()
	s.Keeper = bans.New(bans.Options{Base: banned})
	s.Counts = counting.New(counting.Options{Base: s.pruning(b), Look: new(counters.Log).Look, Clock: func(context.Context, sqlkit.Reader) (time.Time, error) { return s.now().UTC(), nil }})
	s.Marks = guarded.New(b)
	s.Looks = shapes.New(b)
	s.Watchlist = rounds.New(b)
	s.Queue = waiting.New(waiting.Options{
		Base: b, Dialect: s.dialect, Count: count, Finish: finishAll, Finished: s.removeBodies,
		Large: func(id mail.ID, size int64) queue.LargeBody { return s.bodies.Stored(id, size) },
	})
}

// recordIn stores events in a running transaction.
func recordIn(t sqlkit.Writer, events []audit.Event) error {
	rows, err := record.Bind(events)
	if err != nil {
		return err
	}
	return insertEvents(t, rows)
}

func insertEvents(t sqlkit.Writer, events []values) error {
	for _, e := range events {
		if err := t.Exec(record.InsertSQL, e); err != nil {
			return err
		}
	}
	return nil
}

// count changes the totals in a running transaction.
func count(t sqlkit.Writer, queued, deferred, held int) error {
	return t.Exec(totalSQL, bind(queued, deferred, held))
}

// Append implements audit.Store.
func (s *Store) Append(ctx context.Context, events []audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows, err := record.Bind(events)
	if err != nil {
		return database.Failure("audit.append", err)
	}
	return s.change(ctx, "audit.append", func(t *tx) error { return insertEvents(t, rows) })
}

// Search implements audit.Store.
func (s *Store) Search(ctx context.Context, q audit.Query) ([]audit.Event, error) {
	b := s.base()
	return record.Find(ctx, &b, s.dialect, &q)
}

// waitingSQL finds a delivery that is still to be attempted.
func waitingSQL(d *sqlkit.Dialect) string {
	return `SELECT 1 FROM delivery d CROSS JOIN submission s ON s.id = d.submission
    WHERE d.submission = ? AND d.n = ? AND +d.state < 3 AND ` + holding.Settled(d)
}

// Waiting implements queue.Store.
func (s *Store) Waiting(ctx context.Context, keys []queue.Key) ([]bool, error) {
	waiting := make([]bool, len(keys))
	err := s.db.Snapshot(ctx, "queue.waiting", func(c *conn) (err error) {
		for i, k := range keys {
			_, waiting[i], err = c.Number(ctx, s.waiting, bind(k.Submission, k.N))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return waiting, nil
}

// Close finishes the changes that wait, then closes everything. Afterwards all
// methods fail with fault.Unavailable. It waits for reads that run. A second
// call does nothing.
func (s *Store) Close() error {
	s.stopWatching()
	if s.server {
		s.settle()
	}
	return s.db.Close()
}

// settle puts the counters of the log away, so that whoever comes next finds them in their table. Where
// it fails nothing is lost: the next server reads the log.
func (s *Store) settle() {
	err := s.change(context.Background(), "sqlite.close", func(t *tx) error { return t.memory.Settle(t) })
	if err != nil && !fault.Is(err, fault.Unavailable) {
		s.log.Warn("counters of limits stay in their log", "error", err)
	}
}

// change runs a change through the writer; op names it in errors.
func (s *Store) change(ctx context.Context, op string, run func(*tx) error) error {
	return s.db.Change(ctx, op, func(t *database.Tx, b *book) error { return run(&tx{t, b, s.now(), s.memory}) })
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
	if err := s.bodies.Prepare(); err != nil {
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
	if len(ids) == 0 {
		return
	}
	if err := s.bodies.RemoveStored(ids); err != nil {
		s.log.Warn("finished bodies could not be removed yet", "bodies", len(ids), "error", err)
	}
}

// retryEvery is how often a server looks whether what a backup kept it from
// removing may be removed.
const retryEvery = time.Second

// removePutOff removes bodies that a backup needed, when it no longer does.
func (s *Store) removePutOff(ctx context.Context) {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		waiting, err := s.bodies.RemovePutOff()
		if err != nil && !failing {
			s.log.Warn("finished bodies could not be removed yet", "bodies", waiting, "error", err)
		}
		failing = err != nil
	}
}
