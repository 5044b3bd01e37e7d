package guarded

import (
	"strings"
	"time"

	"countersign/internal/access/guard"
	"countersign/internal/store/sqlkit"
)

// StaleSQL finds, of a login, the networks that it came in from longest ago, where nothing else is
// kept of it there. It is exported as the statements above are.
const StaleSQL = "SELECT network FROM guard_record WHERE login = ? AND known > 0 AND known < ? AND secrets IS NULL AND unseen = 0 AND closed_until = 0 AND change < ? " +
	"ORDER BY known LIMIT ?"

// KnownSQL counts the networks that each of n logins is known in.
func KnownSQL(n int) string {
	return "SELECT login, count(*) FROM guard_record WHERE known > 0 AND login IN (" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ") GROUP BY login"
}

// admission decides which networks become known to the store, of those that it does not know
// yet.
type admission struct {
	t sqlkit.Writer
	// number is the highest before the change: the record that has it stays.
	number int64
	// known counts the networks of the logins that come in from a new one.
	known map[string]int
}

// admit prepares for a portion; have is what is kept of it.
func admit(t sqlkit.Writer, part []guard.Kept, have map[name]guard.Kept, number int64) (*admission, error) {
	a := &admission{t: t, number: number, known: map[string]int{}}
	var logins []any
	for i := range part {
		k := &part[i]
		if _, asked := a.known[k.Login]; !asked && fresh(k, have) {
			a.known[k.Login] = 0
			logins = append(logins, k.Login)
		}
	}
	if len(logins) == 0 {
		return a, nil
	}
	return a, t.Query(KnownSQL(len(logins)), sqlkit.Bind(logins...), func(r *sqlkit.Row) error {
		login := r.Text()
		a.known[login] = r.Int()
		return nil
	})
}

// fresh reports whether a record says of a network that it is known, and the store does not yet.
func fresh(k *guard.Kept, have map[name]guard.Kept) bool {
	before, found := have[nameOf(&k.Record)]
	return !k.Known.IsZero() && (!found || before.Known.IsZero())
}

// room makes room for one more network of a login, and reports whether there is any.
func (a *admission) room(login string, at time.Time) (bool, error) {
	if surplus := a.known[login] + 1 - guard.MaxStored; surplus > 0 {
		var stale []any
		err := a.t.Query(StaleSQL, sqlkit.Bind(login, at.Add(-guard.Stale), a.number, surplus), func(r *sqlkit.Row) error {
			stale = append(stale, r.Text())
			return nil
		})
		if err != nil || len(stale) < surplus {
			return false, err
		}
		gone := "DELETE FROM guard_record WHERE login = ? AND network IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(stale)), ", ") + ")"
		if err := a.t.Exec(gone, sqlkit.Bind(append([]any{login}, stale...)...)); err != nil {
			return false, err
		}
		a.known[login] -= surplus
	}
	a.known[login]++
	return true, nil
}
