package postgres

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/queue"
	"countersign/internal/store/postgres/bodies"
	"countersign/internal/store/postgres/hot"
	"countersign/internal/store/postgres/nodes"
	"countersign/internal/store/postgres/server"
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

// Options say which database to use and how. All but URL have a default.
type Options struct {
	// URL is "postgres://user@host1,host2/database?options", as libpq takes it.
	URL string
	// Password is used in place of one in URL where it is not "".
	Password string
	// Server opens for a process that serves mail: it joins as the node, and
	// cleans up after a crash. Others may work beside it.
	Server bool
	// Node is the id of the node whose deliveries these are; "" means "1".
	Node string
	// Lease is how long the process is the node before it has to renew its lease;
	// 0 means an hour, for one that does not. Address and Version are the node's.
	Lease            time.Duration
	Address, Version string
	// Connections is the most that are open at the same time; 0 means 8.
	Connections int
	// Patience is how long an operation waits for a server that is away; 0
	// means 5 seconds.
	Patience time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger gets what no caller is told; nil means none.
	Logger *slog.Logger

	// steps has the schema's steps in its folder "migrations"; nil means ours.
	steps fs.FS
}

// Store is a database in use. It implements account.Store, access.Store, list.Store, guard.Store,
// limit.Store, limit.Counts, limit.Doors, limit.Holders, shape.Store, rounds.Store, queue.Store, queue.AdminStore, queue.CertifiedStore, audit.Store and node.Store, and
// keeps certificates. All methods are
// safe for concurrent use, also from several processes. Errors of all of them are
// fault.Full where the server has no space, fault.Busy where it has no time,
// fault.Unavailable where it is away for longer than Options.Patience, or its user may
// not do what is needed, fault.Corrupt where data is damaged, fault.Canceled where
// ctx or the server's administrator ended it, and what their contracts say. What is
// stored in the name of a node is fault.Fenced where its lease is over.
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
	*nodes.Roster
	dialect *sqlkit.Dialect
	waiting string // waitingSQL
	db      *server.DB
	writer  *hot.Writer
	bodies  *bodies.Folder
	holder  *holding.Holder
	numbers *sqlkit.Numbers
	// signal is raised at changes of accounts, banned at those of bans, limited at those of
	// the rules of limits, listed at those of the entries of access lists.
	signal, banned, limited, listed *sqlkit.Signal
	opt                             Options
	// stopWatching ends the goroutines of a server that let the queue follow
	// what others left unfinished, remove old bodies and hear of changes, and waits
	// for them.
	stopWatching func()
	closeOnce    sync.Once
}

// Open connects and brings the schema up to date. Errors: fault.Invalid for a URL
// that is none, fault.Denied where user, password or rights are refused,
// fault.Conflict where the database belongs to somebody else, is too new for this
// program, has nodes that could not go on after a step that this program would
// apply, another process is the node, the store was copied into another one and a
// node is to join it, or a server's clock is too far from the database's,
// fault.Unavailable where no server
// answers, or one that is too old.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Node == "" {
		o.Node = "1"
	}
	if o.Lease <= 0 {
		o.Lease = time.Hour
	}
	if o.Patience <= 0 {
		o.Patience = 5 * time.Second
	}
	if o.steps == nil {
		o.steps = migrations
	}
	own, before := "", func(*server.Tx) error { return nil }
	if o.Server {
		own = o.Node
		before = func(t *server.Tx) error { return node.RefuseSkew(ctx, nodes.ClockIn{Tx: t}, o.Now) }
	}
	db, err := server.Open(ctx, server.Options{
		URL: o.URL, Password: o.Password, Connections: o.Connections, Patience: o.Patience,
		Migrations: o.steps, Before: before, Beside: nodes.Beside(own), Now: o.Now, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	if err := db.Read(ctx, "postgres.open", func(c *server.Conn) error { return copying.Refuse(ctx, c, "postgres.open") }); err != nil {
		db.Close()
		return nil, err
	}
	d := newDialect()
	s := &Store{dialect: d, waiting: waitingSQL(d), signal: sqlkit.NewSignal(), banned: sqlkit.NewSignal(), limited: sqlkit.NewSignal(), listed: sqlkit.NewSignal(), db: db, opt: o, bodies: bodies.New(db), stopWatching: func() {}}
	s.writer = hot.Start(hot.Options{DB: db, Node: o.Node, Timeout: 2 * o.Patience, Logger: o.Logger})
	s.Roster = nodes.New(nodes.Options{DB: db, Node: o.Node, Record: recordIn, Leased: s.writer.SetEpoch, Refuse: refuseMoved, Now: o.Now, Logger: o.Logger})
	if o.Server {
		if _, err := s.Join(ctx, node.Node{ID: o.Node, Address: o.Address, Version: o.Version}, o.Lease); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.share()
	if o.Server {
		s.watch()
	}
	return s, nil
}

// soon reads for whom a client waits, or what is asked all the time.
func (s *Store) soon(ctx context.Context, op string, fn func(sqlkit.Reader) error) error {
	return s.db.Soon(ctx, op, func(c *server.Conn) error { return fn(c) })
}

// share makes the parts that the engines share.
func (s *Store) share() {
	s.numbers = sqlkit.NewNumbers(s.soon)
	b := s.base()
	s.holder = holding.New(holding.Options{Base: b, Dialect: s.dialect, Count: count, LookEvery: lookEvery})
	accounts := b // sessions ask for them
	accounts.Read = s.soon
	accounts.Snapshot = func(ctx context.Context, op string, fn func(sqlkit.Reader) error) error {
		return s.db.SoonSnapshot(ctx, op, func(c *server.Conn) error { return fn(c) })
	}
	accounts.Look = s.db.SoonLook
	s.Rulebook = limits.New(limits.Options{Base: s.besideAccounts(s.limited), Tell: "SELECT pg_notify('" + limitsChannel + "', '')"})
	s.Register = lists.New(lists.Options{Base: s.besideAccounts(s.listed), Tell: "SELECT pg_notify('" + listsChannel + "', '')"})
	s.Store = objects.New(accounts, s.dialect, s.holder, s.Rulebook.Ender(), s.Register.Ender())
	s.Secrets = sealed.New(b)
	s.Keeper = bans.New(bans.Options{Base: s.apart(s.banned, server.LockBansSQL), Tell: "SELECT pg_notify('" + bansChannel + "', '')"})
	s.Counts = counting.New(counting.Options{Base: s.apart(s.signal), Clock: clock})
	s.Marks = guarded.New(s.apart(s.signal, server.LockGuardSQL))
	looks := s.apart(s.signal, server.LockGuardSQL)
	looks.Read = accounts.Read
	s.Looks = shapes.New(looks)
	s.Watchlist = rounds.New(s.apart(s.signal))
	s.Queue = waiting.New(waiting.Options{
		Base: b, Dialect: s.dialect, Mine: "d.node = ? AND ", Node: s.opt.Node, Count: count,
		Scan: func(ctx context.Context, op string, fn func(sqlkit.Reader) error) error {
			return s.db.Planned(ctx, op, func(c *server.Conn) error { return fn(c) })
		},
		Finish: func(t sqlkit.Writer, submissions []mail.ID) ([]mail.ID, error) {
			_, err := t.(*server.Tx).Raw(hot.FinishSQL, texts(submissions))
			return nil, err
		},
		Finished: func([]mail.ID) {}, // what is finished is marked, see package bodies
		Large:    func(id mail.ID, size int64) queue.LargeBody { return s.bodies.Stored(id, size) },
	})
}

// base is what the shared parts work with.
func (s *Store) base() sqlkit.Base {
	return sqlkit.Base{
		Read: func(ctx context.Context, op string, fn func(sqlkit.Reader) error) error {
			return s.db.Read(ctx, op, func(c *server.Conn) error { return fn(c) })
		},
		Snapshot: func(ctx context.Context, op string, fn func(sqlkit.Reader) error) error {
			return s.db.Snapshot(ctx, op, func(c *server.Conn) error { return fn(c) })
		},
		Look:   s.db.Look,
		Number: s.numbers.Number,
		Change: func(ctx context.Context, op string, run func(sqlkit.Writer) error) error {
			return s.db.Exclusive(ctx, op, func(t *server.Tx) error {
				if !s.opt.Server { // a node has looked when it joined
					if err := refuseMoved(t, op); err != nil {
						return err
					}
				}
				return run(t)
			})
		},
		Record: recordIn, Signal: s.signal, Now: s.opt.Now, Logger: s.opt.Logger,
	}
}

// besideAccounts is what the rules of limits and the entries of access lists work with: their
// changes are alone with these, and keep accounts as they are. Mail goes on.
func (s *Store) besideAccounts(signal *sqlkit.Signal) sqlkit.Base {
	return s.apart(signal, server.ShareAccountsSQL, server.LockLimitsSQL)
}

// apart is what works beside accounts and mail: changes take locks of their own, in that
// order.
func (s *Store) apart(signal *sqlkit.Signal, locks ...string) sqlkit.Base {
	b := s.base()
	b.Signal = signal
	b.Change = func(ctx context.Context, op string, run func(sqlkit.Writer) error) error {
		return s.db.Change(ctx, op, func(t *server.Tx) error {
			for _, lock := range locks {
				if err := t.Exec(lock, nil); err != nil {
					return err
				}
			}
			if !s.opt.Server {
				if err := refuseMoved(t, op); err != nil {
					return err
				}
			}
			return run(t)
		})
	}
	return b
}

// clock reads the clock of the database.
func clock(ctx context.Context, c sqlkit.Reader) (time.Time, error) {
	n, _, err := c.Number(ctx, "SELECT "+server.ClockSQL, nil)
	return time.UnixMicro(n).UTC(), err
}

// refuseMoved refuses to work on a store that was copied into another one.
func refuseMoved(t *server.Tx, op string) error { return copying.RefuseMoved(op, t.Query) }

// recordIn stores events in a running transaction of base.
func recordIn(t sqlkit.Writer, events []audit.Event) error {
	rows, err := record.Bind(events)
	if err != nil || len(rows) == 0 {
		return err
	}
	var p server.Pipe
	hot.AddEvents(&p, rows)
	return t.(*server.Tx).Send(&p)
}

// count changes the totals in a running transaction.
func count(t sqlkit.Writer, queued, deferred, held int) error {
	return t.Exec("INSERT INTO queue_total (node, epoch, batch, queued, deferred, held) VALUES ('', 0, 0, ?, ?, ?)", sqlkit.Bind(queued, deferred, held))
}

// texts are ids as the driver takes them.
func texts(ids []mail.ID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = string(id)
	}
	return list
}

// lookEvery is how often a server looks whether others have left the queue to
// follow a change, which it takes over after 15 seconds: nobody hands anything over.
const lookEvery = 5 * time.Second

// sweepEvery is how often a server removes bodies that nobody needs any more.
const sweepEvery = 10 * time.Minute

// watch starts what a server does now and then.
func (s *Store) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { s.holder.Watch(ctx) })
	watching.Go(func() { s.sweep(ctx) })
	watching.Go(func() {
		told := func(all bool) { s.signal.Told(all); s.banned.Told(all); s.limited.Told(all); s.listed.Told(all) }
		s.db.Listen(ctx, told, map[string]func(){
			changesChannel: s.signal.Raise, bansChannel: s.banned.Raise, limitsChannel: s.limited.Raise, listsChannel: s.listed.Raise,
		})
	})
	s.stopWatching = func() {
		cancel()
		watching.Wait()
	}
}

func (s *Store) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.bodies.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.opt.Logger.Warn("finished bodies could not be removed yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// DeadRows estimates, for each table of the queue, how many rows are dead and not
// yet vacuumed. Where they grow without end, something keeps the server from it:
// most often a transaction that was left open.
func (s *Store) DeadRows(ctx context.Context) (rows map[string]int64, err error) {
	const text = `SELECT relname::text, n_dead_tup FROM pg_stat_user_tables WHERE schemaname = current_schema()
    AND relname IN ('submission', 'content', 'delivery', 'relied', 'queue_total', 'body', 'body_chunk')`
	err = s.db.Read(ctx, "postgres.dead", func(c *server.Conn) error {
		rows = map[string]int64{}
		return c.Query(ctx, text, nil, func(r *sqlkit.Row) error {
			table := r.Text()
			rows[table] = r.Int64()
			return nil
		})
	})
	return rows, err
}

// Close finishes the changes that wait, then closes all connections. Afterwards
// all methods fail with fault.Unavailable. It waits for reads that run. A second
// call does nothing.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.stopWatching()
		s.writer.Close()
		ctx, cancel := context.WithTimeout(context.Background(), s.opt.Patience)
		defer cancel()
		s.Roster.Close(ctx)
		s.db.Close()
	})
	return nil
}
