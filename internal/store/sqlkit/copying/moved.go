package copying

import (
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/transfer"
)

// queryFunc runs a query of a connection or of a transaction.
type queryFunc = func(text string, args sqlkit.Values, each func(*sqlkit.Row) error) error

// moved reads where a store was copied to, the latest last.
func moved(query queryFunc) (all []transfer.Moved, err error) {
	err = query("SELECT target, at, actor FROM moved_to ORDER BY at, target", nil, func(r *sqlkit.Row) error {
		all = append(all, transfer.Moved{To: r.Text(), At: r.Time(), Actor: r.Text()})
		return r.Err()
	})
	return all, err
}

// RefuseMoved is fault.Conflict, under op, where the store was copied into another
// one, and not reopened since.
func RefuseMoved(op string, query queryFunc) error {
	all, err := moved(query)
	if err != nil || all == nil {
		return err
	}
	return fault.New(op, fault.Conflict, "this store was copied to %s, and what waits in it is sent from there; it is only for looking now. "+
		"Name the copy in the configuration (store.url). Only where no gate uses the copy, and none will, \"countersign store reopen\" lets this one be used again",
		places(all))
}

// places lists stores with the times at which they were copied into.
func places(all []transfer.Moved) string {
	list := make([]string, len(all))
	for i, m := range all {
		list[i] = m.To + " at " + m.At.UTC().Format(time.DateTime+"Z")
	}
	return strings.Join(list, ", then to ")
}

// MarkMoved notes that the store was copied, once for each target.
func MarkMoved(t sqlkit.Writer, m transfer.Moved) error {
	const text = "INSERT INTO moved_to (target, at, actor) VALUES (?, ?, ?) ON CONFLICT (target) DO UPDATE SET at = excluded.at, actor = excluded.actor"
	return t.Exec(text, sqlkit.Bind(m.To, m.At, m.Actor))
}

// Reopen takes all those notes away, and records the event with what they said;
// record is that of the engine. fault.Conflict where there is none.
func Reopen(t sqlkit.Writer, record func(sqlkit.Writer, []audit.Event) error, e audit.Event) ([]transfer.Moved, error) {
	all, err := moved(t.Query)
	if err != nil {
		return nil, err
	}
	if all == nil {
		return nil, fault.New("store.reopen", fault.Conflict, "this store is not marked as copied; there is nothing to reopen")
	}
	if err := t.Exec("DELETE FROM moved_to", nil); err != nil {
		return nil, err
	}
	e.Text, e.Data = "copied to "+places(all), map[string]string{"to": all[len(all)-1].To}
	return all, record(t, []audit.Event{e})
}
