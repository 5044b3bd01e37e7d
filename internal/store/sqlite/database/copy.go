package database

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"

	engine "modernc.org/sqlite"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
)

const (
	// copyPages is how many pages are copied between two looks at whether to go on:
	// 8 MiB.
	copyPages = 2048
	// flushSteps is after how many of those the copy is flushed. Left to the end, it
	// would keep whoever flushes a log meanwhile waiting for all of it.
	flushSteps = 4
)

// Copy writes one state of the database at path to a new file, which is on the
// disk when it returns. Others may read and write meanwhile, and are never waited
// for, nor made to wait; the log grows by what they write until the copy is
// complete. progress is told of pages copied and of all, and may be nil. Errors:
// fault.NotFound where there is no database, fault.Conflict where the new file
// exists, those of Open, fault.Canceled.
func Copy(ctx context.Context, path, to string, progress func(done, total int)) error {
	path, err := Resolve(path)
	if err != nil {
		return err
	}
	if err := exists(path); err != nil {
		return err
	}
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.New("sqlite.copy", fault.Conflict, "there is a file %s already", to)
	}
	if err != nil {
		return Failure("sqlite.copy", err)
	}
	err = copyPagesOf(ctx, path, file, progress)
	if err == nil {
		err = plainFile(to)
	}
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return Failure("sqlite.copy", ctx.Err())
	}
	return unusable(path, err)
}

// copyPagesOf copies within one transaction for reading, so that no change of
// others makes the engine begin again.
func copyPagesOf(ctx context.Context, path string, to *os.File, progress func(done, total int)) error {
	c, err := openConn(path, "query_only = ON")
	if err != nil {
		return err
	}
	return errors.Join(c.reading(func() error { return c.copyTo(ctx, to, progress) }), c.close())
}

// reading runs fn in a transaction that has begun to read.
func (c *Conn) reading(fn func() error) error {
	if err := c.once("BEGIN"); err != nil {
		return err
	}
	_, _, err := c.Number(context.Background(), "SELECT count(*) FROM sqlite_schema", nil)
	if err == nil {
		err = fn()
	}
	return errors.Join(err, c.once("ROLLBACK"))
}

// copyTo copies all pages. What is written needs no care of the engine's: where
// it is not finished, it is nothing.
func (c *Conn) copyTo(ctx context.Context, to *os.File, progress func(done, total int)) error {
	source, ok := c.raw.(interface {
		NewBackup(uri string) (*engine.Backup, error)
	})
	if !ok {
		return errors.New("the driver cannot copy a database")
	}
	target := url.URL{Scheme: "file", Path: to.Name(), RawQuery: "_pragma=synchronous(0)&_pragma=journal_mode(off)"}
	b, err := source.NewBackup(target.String())
	if err != nil {
		return err
	}
	more := true
	for step := 1; more && err == nil; step++ {
		if err = ctx.Err(); err != nil {
			break
		}
		more, err = b.Step(copyPages)
		if err == nil && step%flushSteps == 0 {
			err = to.Sync()
		}
		if err == nil && progress != nil {
			progress(b.PageCount()-b.Remaining(), b.PageCount())
		}
	}
	return errors.Join(err, b.Finish())
}

// plainFile makes a copied database one file, without a log beside it.
func plainFile(path string) error {
	c, err := openConn(path)
	if err != nil {
		return err
	}
	return errors.Join(c.once("PRAGMA journal_mode = DELETE"), c.close())
}

// exists says where there is no database, before one is made.
func exists(path string) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New("sqlite.open", fault.NotFound, "there is no database at %s", path)
	}
	return Failure("sqlite.open", err)
}

// Look runs fn with one state of the database at path, which nobody is kept from
// changing meanwhile. Unlike Open it makes and changes nothing: fault.NotFound
// where there is no database, fault.Conflict where its schema lacks some of
// migrations, of which nil stands for any, and the other errors of Open.
func Look(ctx context.Context, path string, migrations fs.FS, fn func(*Conn) error) error {
	path, err := Resolve(path)
	if err != nil {
		return err
	}
	if err := exists(path); err != nil {
		return err
	}
	c, err := openConn(path, "query_only = ON", "cache_size = -16384")
	if err != nil {
		return unusable(path, err)
	}
	err = c.reading(func() error {
		if err := upToDate(ctx, c, migrations); err != nil {
			return err
		}
		return fn(c)
	})
	if err = errors.Join(err, c.close()); err != nil {
		return unusable(path, err)
	}
	return nil
}

// upToDate refuses a schema that lacks what this program knows.
func upToDate(ctx context.Context, c *Conn, migrations fs.FS) error {
	if migrations == nil {
		return nil
	}
	steps, err := sqlkit.Migrations(migrations)
	if err != nil {
		return err
	}
	known, _, err := c.Number(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migration'", nil)
	if err != nil {
		return err
	}
	if known == 0 {
		return fault.New("sqlite.look", fault.Conflict, "this is not a database of this program, or an empty one")
	}
	s, err := compare(c, steps)
	if err == nil && len(s.Pending) > 0 {
		err = fault.New("sqlite.look", fault.Conflict,
			"the database has an older schema than this program; start the server of this release first, or use the release that made it")
	}
	return err
}

// Server returns the process of the server that works on the database at path, ""
// where none does.
func Server(path string) (process string, err error) {
	if _, err := os.Stat(path + lockSuffix); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return "", Failure("sqlite.lock", err)
	}
	l, other, err := tryLock(path+lockSuffix, holder{})
	if l != nil {
		err = l.release()
	}
	return other.process, Failure("sqlite.lock", err)
}

// Lock keeps every server away from the database at path until release is called
// or the process ends. fault.Conflict where one runs.
func Lock(path string) (release func() error, err error) {
	path, err = Resolve(path)
	if err != nil {
		return nil, err
	}
	l, err := takeLock(path+lockSuffix, holder{}, "") // nobody may apply a step meanwhile
	if err != nil {
		return nil, Failure("sqlite.lock", err)
	}
	return l.release, nil
}
