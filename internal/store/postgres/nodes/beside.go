package nodes

import (
	"fmt"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// olderSQL lists the nodes whose programs do not know step $1 and that are up: a
// lease holds, or a process of theirs still has its lock, which one that is drained
// keeps. What is being started as node $2 may have died a moment ago: its lease
// alone says nothing. A lock that is free is kept until the commit, so that no such
// process begins meanwhile.
const olderSQL = `SELECT id, address, version, schema, state FROM node WHERE schema < $1
        AND (lease_until > ` + clock + ` AND id <> $2 OR NOT pg_try_advisory_xact_lock(hashtextextended($3 || id, 0)))
    ORDER BY id`

// Beside returns the server.Options.Beside that keeps a step back while a node is
// up whose program may not go on after it: fault.Conflict, which names all of them;
// or while the store is being copied.
// own is the node that this process becomes, "" for none.
func Beside(own string) func(*server.Tx, *sqlkit.Migration) error {
	return func(t *server.Tx, m *sqlkit.Migration) error {
		if err := notCopied(t, "postgres.open"); err != nil {
			return err
		}
		var older []string
		err := t.RawQuery(olderSQL, []any{m.Compatible, own, lockPrefix}, func(r *sqlkit.Row) error {
			id, address, version, schema, state := r.Text(), r.Text(), r.Text(), r.Int(), r.Text()
			older = append(older, fmt.Sprintf("node %q%s, %s, release %s, which knows %d", id, where(address), state, version, schema))
			return nil
		})
		if err != nil || len(older) == 0 {
			return err
		}
		return fault.New("postgres.open", fault.Conflict,
			"step %d of the schema (%s) needs that all nodes know schema version %d; stop or upgrade first: %s", m.Version, m.Name, m.Compatible, strings.Join(older, "; "))
	}
}
