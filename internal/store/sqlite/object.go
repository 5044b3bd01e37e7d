package sqlite

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/store/sqlite/database"
)

// object is a plan, customer, domain or account in the sense of package
// account: something with a name, a revision and a state.
type object struct {
	// kind and name say which it is: "plan", "basic".
	kind, name string
	// stored selects revision and state by name.
	stored string
}

func planObject(name string) object {
	return object{"plan", name, "SELECT revision, state FROM plan WHERE name = ?"}
}

func customerObject(name string) object {
	return object{"customer", name, "SELECT revision, state FROM customer WHERE name = ?"}
}

func domainObject(name string) object {
	return object{"domain", name, "SELECT revision, state FROM domain WHERE name = ?"}
}

func accountObject(login string) object {
	return object{"account", login, "SELECT revision, state FROM account WHERE login = ?"}
}

func (o object) missing(op string) error {
	return fault.New(op, fault.NotFound, "there is no %s %q", o.kind, o.name)
}

// stands reports what is stored of o; found is false where nothing is.
func (o object) stands(t *tx) (revision int64, state account.State, found bool, err error) {
	err = t.Query(o.stored, bind(o.name), func(r *row) error {
		revision, state, found = r.Int64(), account.State(r.Text()), true
		return nil
	})
	return revision, state, found, err
}

// require fails with fault.NotFound where o is not stored.
func (o object) require(t *tx, op string) error {
	_, _, found, err := o.stands(t)
	if err == nil && !found {
		err = o.missing(op)
	}
	return err
}

// checkRevision compares the revision that a caller read with the stored one.
// before is the stored state, "" for a new object.
func (o object) checkRevision(t *tx, op string, given int64) (before account.State, err error) {
	revision, before, found, err := o.stands(t)
	switch {
	case err != nil:
		return "", err
	case given == 0 && found:
		return "", fault.New(op, fault.Conflict, "there is a %s %q already", o.kind, o.name)
	case given != 0 && !found:
		return "", o.missing(op)
	case given != revision && found:
		return "", fault.New(op, fault.Conflict, "%s %q has changed since it was read", o.kind, o.name)
	}
	return before, nil
}

// put stores one object: checks its revision, lets store do the rest, raises
// the generation and adds the event, in one transaction. store must fail before
// it writes.
func (s *Store) put(ctx context.Context, o object, given int64, e audit.Event, store func(t *tx, before account.State) error) error {
	op := o.kind + ".put"
	if o.name == "" {
		return fault.New(op, fault.Invalid, "a %s needs a name", o.kind)
	}
	events, err := bindEvents([]audit.Event{e})
	if err != nil {
		return database.Failure(op, err)
	}
	return s.change(ctx, op, func(t *tx) error {
		before, err := o.checkRevision(t, op, given)
		if err != nil {
			return err
		}
		if err := store(t, before); err != nil {
			return err
		}
		if err := t.raise(); err != nil {
			return err
		}
		return insertEvents(t, events)
	})
}

// remove removes one object that nothing depends on. inUse are queries by
// name that have a row where something does.
func (s *Store) remove(ctx context.Context, o object, e audit.Event, inUse string, drop func(t *tx) error) error {
	op := o.kind + ".remove"
	events, err := bindEvents([]audit.Event{e})
	if err != nil {
		return database.Failure(op, err)
	}
	return s.change(ctx, op, func(t *tx) error {
		if err := o.require(t, op); err != nil {
			return err
		}
		if inUse != "" {
			used, err := t.Exists(inUse, bind(o.name))
			if err != nil {
				return err
			}
			if used {
				return fault.New(op, fault.Conflict, "%s %q is still in use", o.kind, o.name)
			}
		}
		if err := drop(t); err != nil {
			return err
		}
		if err := t.raise(); err != nil {
			return err
		}
		return insertEvents(t, events)
	})
}

// checkState refuses a state that does not exist.
func checkState(op string, s account.State) error {
	if s != account.Active && s != account.Suspended {
		return fault.New(op, fault.Invalid, "%q is not a state", s)
	}
	return nil
}

// Generation implements account.Directory.
func (s *Store) Generation(ctx context.Context) (uint64, error) {
	var n int64
	err := s.db.Read(ctx, "account.generation", func(c *conn) (err error) {
		n, _, err = c.Number(ctx, generationSQL, nil)
		return err
	})
	return uint64(n), err
}

// all collects what a query finds.
func all[T any](ctx context.Context, c *conn, text string, args values, scan func(*row) T) ([]T, error) {
	var list []T
	err := c.Query(ctx, text, args, func(r *row) error {
		list = append(list, scan(r))
		return nil
	})
	return list, err
}

// one returns the only row of a query, or o's absence.
func one[T any](ctx context.Context, c *conn, o object, text string, scan func(*row) T) (T, error) {
	list, err := all(ctx, c, text, bind(o.name), scan)
	if err == nil && len(list) == 0 {
		err = o.missing(o.kind + ".get")
	}
	if err != nil {
		var none T
		return none, err
	}
	return list[0], nil
}
