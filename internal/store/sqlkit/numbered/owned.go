package numbered

import (
	"slices"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
)

// Owner is what a row is for: a kind ("account", "credential") and a name.
type Owner struct{ Kind, Name string }

// KindCredential is the kind of credentials, whose names are ids.
const KindCredential = "credential"

// Gone is what a change of accounts removes.
type Gone struct {
	// Login is the account of which credentials are removed, or which is; "" for others.
	Login  string
	Owners []Owner
}

// Ender ends what is for something that a change of accounts removes.
type Ender interface {
	// End ends all that is for what is gone, in the name of the actor of an event, and
	// returns the events of that. No such row changes meanwhile, as such changes keep
	// accounts as they are. Who runs the transaction calls Raise afterwards where there are any.
	End(t sqlkit.Writer, gone Gone, because audit.Event) ([]audit.Event, error)
	// OfCredentials returns the credentials of an account that rows are for, but for those
	// that are kept.
	OfCredentials(t sqlkit.Writer, login string, kept ...mail.ID) ([]Owner, error)
	// Raise lets all of this process who follow know that rows may have ended.
	Raise()
}

// Owned is a Table whose rows are for something, with columns kind and name, and end with
// it. All fields are needed.
type Owned[T any] struct {
	Table[T]
	// ID is a row's.
	ID func(*T) mail.ID
	// Ended is the event of the end of a row, at that time, with what it was for.
	Ended func(row *T, at time.Time, because audit.Event) audit.Event
}

// HoldingOf finds the rows for an owner that hold.
const HoldingOf = " WHERE kind = ? AND name = ? AND (ends = 0 OR ends > ?)"

// LiftSQL ends a row.
func (o *Owned[T]) LiftSQL() string {
	return "UPDATE " + o.Name + " SET ends = ?, lifted = ?, change = ? WHERE id = ?"
}

// OfCredentialsSQL finds the credentials of an account that rows are for.
func (o *Owned[T]) OfCredentialsSQL() string {
	return `SELECT k.id FROM credential k WHERE k.login = ?
    AND EXISTS (SELECT 1 FROM ` + o.Name + ` r WHERE r.kind = 'credential' AND r.name = k.id)`
}

// End implements Ender.
func (o *Owned[T]) End(t sqlkit.Writer, gone Gone, because audit.Event) (events []audit.Event, err error) {
	if len(gone.Owners) == 0 {
		return nil, nil
	}
	now := o.Base.Now()
	var rows []T
	for _, of := range gone.Owners {
		found, err := o.Find(t, HoldingOf, sqlkit.Bind(of.Kind, of.Name, now))
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	err = o.Within(t, func(number int64) error {
		for i := range rows {
			if err := t.Exec(o.LiftSQL(), sqlkit.Bind(now, because.Actor, number, o.ID(&rows[i]))); err != nil {
				return err
			}
			e := o.Ended(&rows[i], now.UTC(), because)
			if gone.Login != "" {
				e.Login = gone.Login
			}
			events = append(events, e)
		}
		return nil
	})
	return events, err
}

// OfCredentials implements Ender.
func (o *Owned[T]) OfCredentials(t sqlkit.Writer, login string, kept ...mail.ID) (list []Owner, err error) {
	err = t.Query(o.OfCredentialsSQL(), sqlkit.Bind(login), func(r *sqlkit.Row) error {
		if id := r.ID(); !slices.Contains(kept, id) {
			list = append(list, Owner{KindCredential, string(id)})
		}
		return nil
	})
	return list, err
}

// Raise implements Ender.
func (o *Owned[T]) Raise() { o.Base.Signal.Raise() }

// existsSQL says for each kind that a store knows how its members are found.
var existsSQL = map[string]string{
	KindCredential: "SELECT 1 FROM credential WHERE id = ?",
	"account":      "SELECT 1 FROM account WHERE login = ?",
	"domain":       "SELECT 1 FROM domain WHERE name = ?",
	"customer":     "SELECT 1 FROM customer WHERE name = ?",
	"plan":         "SELECT 1 FROM plan WHERE name = ?",
}

// Exists reports whether there is an owner, true also of kinds that a store knows nothing of.
func (o Owner) Exists(t sqlkit.Writer) (bool, error) {
	text := existsSQL[o.Kind]
	if text == "" {
		return true, nil
	}
	return t.Exists(text, sqlkit.Bind(o.Name))
}
