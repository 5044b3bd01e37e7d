// Package database runs one SQLite file: connections with prepared statements,
// one writer with group commit, connections for reading, the schema's
// migrations, and the lock that keeps a second server away. It is the only
// package that knows the driver.
//
// It knows no table but schema_migration; what is stored, and what a change
// means, is for package sqlite above it.
//
// Main types: DB (Open, Change, Read, Snapshot), Tx and Conn, Row and Values.
package database

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
)

// lockSuffix is what the lock's name adds to the database's.
const lockSuffix = ".lock"

// Options says which database to open and how. B is what a transaction keeps
// in memory while the changes in it run, a plain value: the writer copies it
// before each change, and puts the copy back when that fails.
type Options[B any] struct {
	// Path is the database file, or a symbolic link to it. Its folder is made where it
	// is missing.
	Path string
	// Server locks the database against a second server.
	Server bool
	// Name is what others are told of who serves, see Serving: a word, or "".
	Name string
	// Instead ends the sentence that says that there is a second one, with what may
	// be done beside stopping that; it may be "".
	Instead string
	// Readers is the number of connections for reading.
	Readers int
	// Schema says what may be done about the schema.
	Schema sqlkit.Schema
	// Migrations has the schema's steps in its folder "migrations".
	Migrations fs.FS
	// Flush is called at the end of each transaction.
	Flush func(*Tx, *B) error
	// Now is the clock.
	Now func() time.Time
	// Logger gets what no caller is told.
	Logger *slog.Logger
}

// DB is an open database. Its methods are safe for concurrent use.
type DB[B any] struct {
	lock   *lock // nil unless a server
	path   string
	writer *writer[B]
	// readers holds the connections that nobody reads with at the moment.
	readers chan *Conn
	// readerCount is how many connections readers has when none is in use.
	readerCount int
	// known is the newest step of the schema that this program has.
	known int
	// closed is closed by Close, once.
	closed    chan struct{}
	closeOnce sync.Once
}

// Open opens the database, brings its schema up to date and starts the writer.
// A newer schema is used as it is where its steps allow that to this program, which
// is said in the log. Errors: fault.Conflict where another server uses the database
// or may not go on after a step, or the schema is too new for this program, fault.Corrupt for a damaged one, fault.Unavailable where
// folder or file cannot be used, fault.Full.
func Open[B any](ctx context.Context, o Options[B]) (*DB[B], error) {
	if err := ctx.Err(); err != nil {
		return nil, Failure("sqlite.open", err)
	}
	path, err := Resolve(o.Path)
	if err != nil {
		return nil, err
	}
	if err := prepare(path, o.Schema); err != nil {
		return nil, unusable(path, err)
	}
	steps, err := sqlkit.Migrations(o.Migrations)
	if err != nil {
		return nil, fault.Wrap("sqlite.open", fault.Internal, err)
	}
	if err := look(path, steps, o.Schema); err != nil {
		return nil, unusable(path, err)
	}
	db := &DB[B]{path: path, readers: make(chan *Conn, o.Readers), known: len(steps), closed: make(chan struct{})}
	if o.Server {
		db.lock, err = takeLock(path+lockSuffix, holder{known: db.known, name: o.Name}, o.Instead)
		if err != nil {
			return nil, unusable(path, err)
		}
	}
	if err := db.connect(path, steps, o); err != nil {
		return nil, errors.Join(unusable(path, err), db.Close())
	}
	return db, nil
}

// unusable says of a failed opening which file it is about.
func unusable(path string, err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	kind, text := kindOf(err), "cannot be opened; check its folder, and that you may write in it"
	var file *fs.PathError
	switch {
	case kind == fault.Full:
		text = "is on a disk without free space; make room, then try again"
	case errors.As(err, &file):
		kind, text = fault.Unavailable, "is not in a folder that this process can write to"
	case kind == fault.Corrupt:
		text = "is damaged or not a database; restore it from a backup"
	case kind == fault.Internal:
		kind = fault.Unavailable
	}
	return &fault.Error{Op: "sqlite.open", Kind: kind, Detail: "the database " + path + " " + text, Err: err}
}

// prepare makes the files, where a database may be made.
func prepare(path string, schema sqlkit.Schema) error {
	if schema != sqlkit.UpgradeOnly {
		return makeFiles(path)
	}
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New("sqlite.open", fault.NotFound, "there is no database at %s", path)
	}
	return err
}

// makeFiles makes folder and database file where they are missing, both for
// our eyes only; SQLite gives its other files the mode of the first. It never
// opens a file that exists: closing it would drop the locks that this process
// has on it.
func makeFiles(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// connect opens all connections and brings the schema up to date.
func (db *DB[B]) connect(path string, steps []sqlkit.Migration, o Options[B]) error {
	open := func() (*Conn, error) {
		// FULL: the log is flushed at each commit. A checkpoint each 1000
		// pages keeps both the log and the wait for it short. What a burst
		// made the log grow to is given back.
		return openConn(path, "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 1000",
			"journal_size_limit = 67108864", "cache_size = -32768")
	}
	first, err := open()
	if err != nil {
		return err
	}
	beside := besideServer(path)
	if o.Server {
		beside = alone
	}
	standing, err := migrate(first, steps, o.Now(), beside)
	if err := errors.Join(err, first.close()); err != nil {
		return err
	}
	if notice := standing.Notice(); notice != "" {
		o.Logger.Warn(notice, "database", path)
	}
	db.writer, err = newWriter(open, o.Flush, o.Logger)
	if err != nil {
		return err
	}
	for range o.Readers {
		c, err := openConn(path, "query_only = ON", "cache_size = -16384")
		if err != nil {
			return err
		}
		db.readers <- c
		db.readerCount++
	}
	return nil
}

// Known returns the newest step of the schema that this program has.
func (db *DB[B]) Known() int { return db.known }

// Serving returns the name of the process that serves on the database (Options.Name), "" where
// none does. One that was killed is named until the next one starts.
func (db *DB[B]) Serving() (name string, err error) {
	name, err = serving(db.path + lockSuffix)
	return name, Failure("sqlite.serving", err)
}

// Close finishes the changes that wait and the reads that run, then closes
// everything. Afterwards all methods fail with fault.Unavailable. A second
// call does nothing.
func (db *DB[B]) Close() error {
	var err error
	db.closeOnce.Do(func() { err = db.close() })
	return Failure("sqlite.close", err)
}

func (db *DB[B]) close() error {
	close(db.closed)
	var all []error
	if db.writer != nil {
		all = append(all, db.writer.close())
	}
	for range db.readerCount {
		c := <-db.readers
		all = append(all, c.close())
	}
	if db.lock != nil {
		all = append(all, db.lock.release())
	}
	return errors.Join(all...)
}

func errClosed() error { return fault.New("sqlite", fault.Unavailable, "the store is closed") }

// Change runs a change through the writer; op names it in errors. It returns
// when the change is durable or has failed as a whole, also when ctx ends after
// the writer has taken it. run may be called more than once, so it sets its
// results anew each time; where it fails, others in its transaction do not.
func (db *DB[B]) Change(ctx context.Context, op string, run func(*Tx, *B) error) error {
	return Failure(op, db.writer.do(ctx, run))
}

// Read runs fn with a connection for reading.
func (db *DB[B]) Read(ctx context.Context, op string, fn func(*Conn) error) error {
	select {
	case <-db.closed:
		return errClosed()
	default:
	}
	select {
	case <-db.closed:
		return errClosed()
	case c := <-db.readers:
		defer func() { db.readers <- c }()
		return Failure(op, fn(c))
	case <-ctx.Done():
		return Failure(op, ctx.Err())
	}
}

// Snapshot is Read with all queries of fn seeing one state of the database.
func (db *DB[B]) Snapshot(ctx context.Context, op string, fn func(*Conn) error) error {
	return db.Read(ctx, op, func(c *Conn) error {
		if _, err := c.exec("BEGIN", nil); err != nil {
			return err
		}
		err := fn(c)
		_, ended := c.exec("COMMIT", nil)
		return errors.Join(err, ended)
	})
}
