package upkeep

import (
	"context"
	"errors"
	"os"
	"time"

	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/store/postgres"
	"countersign/internal/store/sqlite"
	"countersign/internal/store/transfer"
)

// CopyOptions say how a store is copied.
type CopyOptions struct {
	// From and To are the stores.
	From, To config.Store
	// Restart, KeepSource, Progress and Actor are those of transfer.Options.
	Restart, KeepSource bool
	Progress            func(transfer.Progress)
	Actor               string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Copy copies a store into another one, see transfer.Run. No gate may use
// either of them: fault.Conflict, as where both are the same or their large bodies
// would be in one folder.
func Copy(ctx context.Context, o CopyOptions) (result *transfer.Result, err error) {
	result = new(transfer.Result)
	if err := apart(o.From, o.To); err != nil {
		return result, err
	}
	source, err := OpenSide(ctx, o.From, o.Now, false)
	if err != nil {
		return result, ofSide("the source", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := OpenSide(ctx, o.To, o.Now, true)
	if err != nil {
		return result, ofSide("the target", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	return transfer.Run(ctx, transfer.Options{
		Source: source, Target: target, Restart: o.Restart, KeepSource: o.KeepSource, Progress: o.Progress, Actor: o.Actor, Now: o.Now,
	})
}

// Reopen lets gates serve again from a store that was copied into another one,
// in the name of actor, and returns its name and where it was copied to.
// fault.Conflict where it is not marked as copied, is itself the target of an
// unfinished copy, or is in use; fault.NotFound where there is no store.
func Reopen(ctx context.Context, at config.Store, actor string, now func() time.Time) (name string, moved []transfer.Moved, err error) {
	s, err := OpenSide(ctx, at, now, false)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	moved, err = s.Reopen(ctx, audit.Event{At: now().UTC(), Kind: audit.StoreReopened, Actor: actor, Object: "store"})
	return s.Origin().Name, moved, err
}

// Side is a store that is copied, copied into, or reopened.
type Side interface {
	transfer.Target
	// Reopen takes the marks of a store that was copied away, stores the event, and returns
	// what they said. fault.Conflict where there is none.
	Reopen(ctx context.Context, e audit.Event) ([]transfer.Moved, error)
}

// ofSide says of which of the two an error is.
func ofSide(side string, err error) error {
	return &fault.Error{Op: "store.copy", Kind: fault.KindOf(err), Detail: side, Err: err}
}

// apart refuses two stores that are one, whatever they are called, and two whose
// large bodies are in one folder. Two URLs of one database are told by the lock of
// the first.
func apart(from, to config.Store) error {
	const op = "store.copy"
	same := fault.New(op, fault.Conflict, "the source and the target are the same store")
	if from.URL == to.URL {
		return same
	}
	if from.InPostgres() || to.InPostgres() {
		return nil
	}
	one, err := sqlite.FilesOf(from.Path())
	if err != nil {
		return err
	}
	if _, err := os.Stat(one.Database); err != nil {
		return nil // what is wrong with the source is said when it is opened, before the target is
	}
	other, err := sqlite.FilesOf(to.Path())
	switch {
	case err != nil:
		return err
	case sameFile(one.Database, other.Database):
		return same
	case sameFile(one.Folder, other.Folder), sameFile(one.Bodies, other.Bodies):
		return fault.New(op, fault.Conflict, "the source and the target would have their large bodies in one folder, %s; name a file in a folder of its own by --to", other.Bodies)
	}
	return nil
}

// sameFile reports whether two names are of one file or folder that is there.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false // what is needed is looked for when it is opened
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// OpenSide opens a store to copy it, or to copy into it where it is the target. Errors are
// those of the engine's OpenSide.
func OpenSide(ctx context.Context, s config.Store, now func() time.Time, target bool) (Side, error) {
	if !s.InPostgres() {
		in, err := sqlite.OpenSide(ctx, sqlite.Options{Path: s.Path(), Now: now}, target)
		if err != nil {
			return nil, err
		}
		return in, nil
	}
	password, err := s.Password()
	if err != nil {
		return nil, err
	}
	in, err := postgres.OpenSide(ctx, postgres.Options{URL: s.URL, Password: password.Reveal(), Now: now}, target)
	if err != nil {
		return nil, err
	}
	return in, nil
}
