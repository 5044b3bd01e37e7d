package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/soundness"
	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlkit/copying"
	"countersign/internal/store/sqlkit/inspection"
)

const (
	// pagesSQL looks at every page; the number bounds what it says.
	pagesSQL = "PRAGMA integrity_check(100)"

	namedSQL  = "SELECT c.large, c.large_size, s.id FROM submission s CROSS JOIN content c ON c.id = s.content WHERE c.large <> ''"
	isUsedSQL = "SELECT 1 FROM content WHERE large <> '' AND large = ? LIMIT 1"
)

// Check looks for what is wrong with the store at path, whether or not a server
// works on it, and changes nothing. Errors: fault.NotFound where there is none,
// fault.Conflict where its schema is not this program's, the folder of large bodies is
// another database's or a copy into it is not finished, fault.Corrupt where
// nothing of it can be read, fault.Unavailable, fault.Canceled.
func Check(ctx context.Context, path string, now func() time.Time) (*soundness.Report, error) {
	path, large, err := place(path)
	if err != nil {
		return nil, err
	}
	k := &check{path: path, folder: large, begun: now()}
	// Pages are looked at by themselves: as long as anybody reads one state, the log
	// of what is written since cannot be cleared.
	for _, look := range []func(context.Context, *conn) error{k.pages, k.tables} {
		err := database.Look(ctx, path, migrations, func(c *conn) error { return look(ctx, c) })
		if err != nil {
			return nil, err
		}
	}
	return k.found.Result(), nil
}

// check is a check under way.
type check struct {
	path   string
	folder *bodies.Folder
	begun  time.Time
	found  soundness.Findings
	// suspects are bodies that were not there: their submissions may have been
	// finished since the state of the database that is looked at.
	suspects []namedBody
}

// namedBody is a body that a submission names.
type namedBody struct {
	id         mail.ID
	size       int64
	submission mail.ID
}

// String says which it is: the submission's id, which commands take, and the file.
func (b namedBody) String() string {
	file := string(b.id)
	if mail.ValidID(file) {
		file = BodiesName + "/" + bodies.Name(b.id)
	}
	return fmt.Sprintf("submission %s (body %s)", b.submission, file)
}

func damagedData(err error) bool { return fault.Is(database.Failure("", err), fault.Corrupt) }

// pages looks at every page of the file.
func (k *check) pages(ctx context.Context, c *conn) error {
	err := copying.Refuse(ctx, c, "sqlite.check")
	if err != nil && !damagedData(err) {
		return err
	}
	err = c.Query(ctx, pagesSQL, nil, func(r *row) error {
		if said := r.Text(); said != "ok" {
			k.found.Add(soundness.DamagedPages, said)
		}
		return nil
	})
	if err != nil && damagedData(err) {
		k.found.Add(soundness.DamagedPages, err.Error())
		err = nil
	}
	return err
}

// tables looks at what they hold, all of one moment, and at the bodies that they
// name.
func (k *check) tables(ctx context.Context, c *conn) error {
	err := inspection.Tables(ctx, c, newDialect(), &k.found, damagedData)
	if err == nil {
		err = inspection.Due(ctx, c, k.begun, &k.found, damagedData)
	}
	if err == nil {
		err = inspection.Record(ctx, c, &k.found, damagedData)
	}
	if err == nil {
		err = k.bodies(ctx, c)
	}
	return err
}

// bodies looks at every body that is named, then for those that are not.
func (k *check) bodies(ctx context.Context, c *conn) error {
	err := c.Query(ctx, namedSQL, nil, func(r *row) error { return k.look(ctx, namedBody{r.ID(), r.Int64(), r.ID()}) })
	if err == nil {
		err = k.judge(ctx)
	}
	if err != nil && damagedData(err) {
		k.found.Add(soundness.Unread, "large bodies: "+err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	return k.folder.Each(func(id mail.ID, changed time.Time) error {
		if k.begun.Sub(changed) < fresh {
			return ctx.Err()
		}
		_, used, err := c.Number(ctx, isUsedSQL, bind(id))
		if err == nil && !used {
			k.found.Add(soundness.UnusedBody, BodiesName+"/"+bodies.Name(id))
		}
		return err
	})
}

// fresh is how old a file must be before anybody may miss the submission that
// names it: it is written first.
const fresh = time.Hour

// maxSuspects bounds how many bodies wait to be judged.
const maxSuspects = 1000

// look compares a body with what the database says of it.
func (k *check) look(ctx context.Context, b namedBody) error {
	if !mail.ValidID(string(b.id)) {
		k.found.Add(soundness.BodyMissing, b.String())
		return nil
	}
	seen, err := k.folder.Look(b.id)
	switch {
	case fault.Is(err, fault.NotFound):
		k.suspects = append(k.suspects, b)
		if len(k.suspects) < maxSuspects {
			return nil
		}
		return k.judge(ctx)
	case err != nil:
		k.found.Add(soundness.BodyUnreadable, b.String()+": "+err.Error())
	case seen.Size != b.size:
		k.found.Add(soundness.BodySize, fmt.Sprintf("%v has %d octets instead of %d", b, seen.Size, b.size))
	}
	return nil
}

// judge asks the database as it is now about bodies that are not there: a file goes
// after the commit that ends its submission.
func (k *check) judge(ctx context.Context) error {
	suspects := k.suspects
	k.suspects = nil
	if len(suspects) == 0 {
		return nil
	}
	return database.Look(ctx, k.path, nil, func(c *conn) error {
		var all error
		for _, b := range suspects {
			_, used, err := c.Number(ctx, isUsedSQL, bind(b.id))
			if used {
				k.found.Add(soundness.BodyMissing, b.String())
			}
			all = errors.Join(all, err)
		}
		return all
	})
}
