package sqlite

import (
	"context"
	"maps"
	"os"
	"strconv"

	"countersign/internal/audit"
	"countersign/internal/fault"
)

// refuseUnfinished refuses to work where a restore was cut off: without its
// database the gate would begin with an empty one.
func refuseUnfinished(path string) error {
	if _, err := os.Stat(path + RestoringSuffix); err != nil {
		return nil // there is none, or what is wrong with the folder is said later
	}
	return fault.New("sqlite.open", fault.Conflict,
		"a restore of the database %s was not finished: run it again, or remove %s to go on without it", path, path+RestoringSuffix)
}

const (
	holdAllSQL      = "UPDATE delivery SET state = 3, hold_reason = ? WHERE state < 3"
	holdAllTotalSQL = "UPDATE queue_total SET held = held + queued + deferred, queued = 0, deferred = 0 WHERE id = 1"
)

// MarkRestored records that the database was restored from a backup, by the event
// e. Where reason is not "", all that waits to be attempted is held for that
// reason first; the event has the number as "held", which is returned.
func (s *Store) MarkRestored(ctx context.Context, reason string, e audit.Event) (held int, err error) {
	err = s.change(ctx, "store.restored", func(t *tx) error {
		held = 0
		done := e
		done.Data = maps.Clone(e.Data)
		if reason != "" {
			n, _, err := t.Number("SELECT count(*) FROM delivery WHERE state < 3", nil)
			if err == nil {
				err = t.Exec(holdAllSQL, bind(reason))
			}
			if err == nil {
				err = t.Exec(holdAllTotalSQL, nil)
			}
			if err != nil {
				return err
			}
			held = int(n)
			done.Data["held"] = strconv.Itoa(held)
		}
		return recordIn(t, []audit.Event{done})
	})
	return held, err
}
