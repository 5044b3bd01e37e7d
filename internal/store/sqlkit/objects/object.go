package objects

import (
	"context"
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/holding"
	"countersign/internal/store/sqlkit/numbered"
)

// object is a plan, customer, domain or account in the sense of package
// account: something with a name, a revision and a state.
type object struct {
	// kind and name say which it is: "plan", "basic".
	kind holding.Kind
	name string
	// revision selects the revision by name, and standing all on which it
	// depends whether mail that hangs on the object may go.
	revision, standing string
}

func planObject(name string) object {
	return object{kind: holding.Plan, name: name,
		revision: "SELECT revision FROM plan WHERE name = ?", standing: "SELECT state FROM plan WHERE name = ?"}
}

func customerObject(name string) object {
	const standing = `SELECT CASE WHEN c.state = 'active' AND coalesce(p.state, 'active') = 'active' THEN 'active' ELSE 'suspended' END
    FROM customer c LEFT JOIN plan p ON p.name = c.plan WHERE c.name = ?`
	return object{kind: holding.Customer, name: name, revision: "SELECT revision FROM customer WHERE name = ?", standing: standing}
}

func domainObject(name string) object {
	return object{kind: holding.Domain, name: name,
		revision: "SELECT revision FROM domain WHERE name = ?", standing: "SELECT state || ' of ' || customer FROM domain WHERE name = ?"}
}

func accountObject(login string) object {
	const standing = `SELECT a.state || ' plan-' || coalesce(p.state, 'active') ||
    coalesce((SELECT string_agg(' ' || k.id || '/' || k.recall_all || '/' || k.recall_some, '') FROM credential k WHERE k.login = a.login), '')
    FROM account a LEFT JOIN plan p ON p.name = a.plan WHERE a.login = ?`
	return object{kind: holding.Account, name: login, revision: "SELECT revision FROM account WHERE login = ?", standing: standing}
}

func (o object) missing(op string) error {
	return fault.New(op, fault.NotFound, "there is no %s %q", o.kind, o.name)
}

// revisionOf reads the stored revision; found is false where nothing is stored.
func (o object) revisionOf(t writer) (revision int64, found bool, err error) {
	return t.Number(o.revision, bind(o.name))
}

// standingOf reads what the queue depends on, "" where nothing is stored.
func (o object) standingOf(t writer) (standing string, err error) {
	err = t.Query(o.standing, bind(o.name), func(r *row) error {
		standing = r.Text()
		return nil
	})
	return standing, err
}

// require fails with fault.NotFound where o is not stored.
func (o object) require(t writer, op string) error {
	_, found, err := o.revisionOf(t)
	if err == nil && !found {
		err = o.missing(op)
	}
	return err
}

// checkRevision compares the revision that a caller read with the stored one.
func (o object) checkRevision(t writer, op string, given int64) error {
	revision, found, err := o.revisionOf(t)
	switch {
	case err != nil:
		return err
	case given == 0 && found:
		article := "a"
		if o.kind == "account" {
			article = "an"
		}
		return fault.New(op, fault.Conflict, "there is %s %s %q already", article, o.kind, o.name)
	case given != 0 && !found:
		return o.missing(op)
	case given != revision && found:
		return fault.New(op, fault.Conflict, "%s %q has changed since it was read", o.kind, o.name)
	}
	return nil
}

// put stores one object: checks its revision, lets store do the rest, raises
// the generation and adds the event, in one transaction; then the queue follows.
// store must fail before it writes.
func (s *Store) put(ctx context.Context, o object, given int64, e audit.Event, store func(t writer) error) error {
	op := string(o.kind) + ".put"
	if o.name == "" {
		return fault.New(op, fault.Invalid, "a %s needs a name", o.kind)
	}
	return s.alter(ctx, op, o, e, alone(func(t writer) error {
		if err := o.checkRevision(t, op, given); err != nil {
			return err
		}
		return store(t)
	}))
}

// alone makes of a change one whose event is all that is told of it.
func alone(make func(t writer) error) func(t writer) ([]audit.Event, error) {
	return func(t writer) ([]audit.Event, error) { return nil, make(t) }
}

// remove removes one object that nothing depends on, and ends what is set for it. inUse is a query
// by name that has a row where something does; drop removes it, and what is kept of it.
func (s *Store) remove(ctx context.Context, o object, e audit.Event, inUse string, drop ...string) error {
	op := string(o.kind) + ".remove"
	return s.alter(ctx, op, o, e, func(t writer) ([]audit.Event, error) {
		if err := o.require(t, op); err != nil {
			return nil, err
		}
		if inUse != "" {
			used, err := t.Exists(inUse, bind(o.name))
			if err != nil {
				return nil, err
			}
			if used {
				return nil, fault.New(op, fault.Conflict, "%s %q is still in use", o.kind, o.name)
			}
		}
		gone, err := s.without(t, o)
		for i := 0; err == nil && i < len(drop); i++ {
			err = t.Exec(drop[i], bind(o.name))
		}
		if err != nil {
			return nil, err
		}
		return s.endAll(t, gone, e)
	})
}

// without says what is no more when an object is gone.
func (s *Store) without(t writer, o object) (gone numbered.Gone, err error) {
	if o.kind == holding.Account {
		gone.Login = o.name
		gone.Owners, err = s.credentialsOf(t, o.name)
	}
	gone.Owners = append(gone.Owners, numbered.Owner{Kind: string(o.kind), Name: o.name})
	return gone, err
}

// credentialsOf returns the credentials of an account that anything is set for, but for
// those that are kept.
func (s *Store) credentialsOf(t writer, login string, kept ...mail.ID) (all []numbered.Owner, err error) {
	for _, e := range s.enders {
		found, err := e.OfCredentials(t, login, kept...)
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			if !slices.Contains(all, o) {
				all = append(all, o)
			}
		}
	}
	return all, nil
}

// endAll ends all that is set for what is gone.
func (s *Store) endAll(t writer, gone numbered.Gone, because audit.Event) (events []audit.Event, err error) {
	for _, e := range s.enders {
		more, err := e.End(t, gone, because)
		if err != nil {
			return nil, err
		}
		events = append(events, more...)
	}
	return events, nil
}

// alter makes a change, raises the generation and adds the event, with those behind it that
// make returns, in one transaction; then the queue follows.
func (s *Store) alter(ctx context.Context, op string, o object, e audit.Event, make func(t writer) ([]audit.Event, error)) error {
	var task *holding.Task
	ended := false
	err := s.base.Change(ctx, op, func(t writer) error {
		task = nil
		before, err := o.standingOf(t)
		if err != nil {
			return err
		}
		more, err := make(t)
		if err != nil {
			return err
		}
		ended = slices.ContainsFunc(more, func(e audit.Event) bool { return e.Kind == audit.LimitLifted || e.Kind == audit.AccessRemoved })
		now, err := o.standingOf(t)
		if err != nil {
			return err
		}
		if o.moves(before, now) {
			task, err = s.holder.Begin(t, holding.Object{Kind: o.kind, Name: o.name}, e)
			if err != nil {
				return err
			}
		}
		if err := t.Exec(s.dialect.Raise, nil); err != nil {
			return err
		}
		return s.base.Record(t, append([]audit.Event{e}, more...))
	})
	s.base.Signal.Raise() // also where it failed: the change may have been made
	for i := 0; ended && i < len(s.enders); i++ {
		s.enders[i].Raise()
	}
	if err == nil && task != nil {
		s.follow(ctx, task)
	}
	return err
}

// moves reports whether the queue has to follow a change of standing. Nothing
// hangs on a new object, but that a domain which was removed may come back; nor on
// a new credential.
func (o object) moves(before, now string) bool {
	if o.kind == holding.Account && before != "" {
		left := strings.Fields(now)
		return len(left) == 0 || slices.ContainsFunc(strings.Fields(before), func(part string) bool { return !slices.Contains(left, part) })
	}
	return before != now && (before != "" || o.kind == holding.Domain)
}

// follow lets the queue follow a change that is durable, so a failure is none of
// the change: the server goes on.
func (s *Store) follow(ctx context.Context, task *holding.Task) {
	if err := s.holder.Run(ctx, task); err != nil {
		s.base.Logger.Warn("the queue has not followed a change yet; the server goes on with it", "error", err)
	}
}

// checkState refuses a state that does not exist.
func checkState(op string, s account.State) error {
	if s != account.Active && s != account.Suspended {
		return fault.New(op, fault.Invalid, "%q is not a state", s)
	}
	return nil
}

// GenerationSQL reads the account generation.
const GenerationSQL = "SELECT value FROM meta WHERE name = 'generation'"

// Generation implements account.Directory.
func (s *Store) Generation(ctx context.Context) (uint64, error) {
	n, err := s.base.Number(ctx, "account.generation", GenerationSQL)
	return uint64(n), err
}

// Changed implements account.Directory.
func (s *Store) Changed() (changed <-chan struct{}, told bool) { return s.base.Signal.Changed() }

// one returns the only row of a query, or o's absence.
func one[T any](ctx context.Context, c reader, o object, text string, scan func(*row) T) (T, error) {
	list, err := sqlkit.All(ctx, c, text, bind(o.name), scan)
	if err == nil && len(list) == 0 {
		err = o.missing(string(o.kind) + ".get")
	}
	if err != nil {
		var none T
		return none, err
	}
	return list[0], nil
}
