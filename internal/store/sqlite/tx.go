package sqlite

import (
	"countersign/internal/queue"
	"countersign/internal/store/sqlite/database"
)

// Short names for what every file here uses.
type (
	conn   = database.Conn
	row    = database.Row
	values = database.Values
)

// tx is the running transaction, as changes see it.
type tx struct {
	*database.Tx
	*book
}

// book is what a transaction keeps in memory. All changes of one transaction
// share it; one that fails gives back what it did to it.
type book struct {
	// current is the account generation, 0 until it is asked for.
	current uint64
	// content is the highest number in table content, 0 until it is asked for.
	content int64
	// waiting is by how much the number of waiting deliveries changes, by
	// their stored state.
	waiting [stateCount]int
}

const generationSQL = "SELECT value FROM meta WHERE name = 'generation'"

// generation returns the account generation as this transaction sees it.
func (t *tx) generation() (uint64, error) {
	if t.current != 0 {
		return t.current, nil
	}
	n, found, err := t.Number(generationSQL, nil)
	if err == nil && !found {
		err = database.ErrDamaged
	}
	t.current = uint64(n)
	return t.current, err
}

// raise makes the account generation one higher.
func (t *tx) raise() error {
	now, err := t.generation()
	if err != nil {
		return err
	}
	t.current = now + 1
	return t.Exec("UPDATE meta SET value = value + 1 WHERE name = 'generation'", nil)
}

// nextContent returns a number that no row of table content has.
func (t *tx) nextContent() (int64, error) {
	if t.content == 0 {
		n, _, err := t.Number("SELECT coalesce(max(id), 0) FROM content", nil)
		if err != nil {
			return 0, err
		}
		t.content = n
	}
	t.content++
	return t.content, nil
}

// flush writes the totals, once for the whole transaction.
func (t *tx) flush() error {
	if t.waiting == [stateCount]int{} {
		return nil
	}
	return t.Exec("UPDATE queue_total SET queued = queued + ?, deferred = deferred + ?, held = held + ? WHERE id = 1",
		bind(t.waiting[stateQueued], t.waiting[stateDeferred], t.waiting[stateHeld]))
}

// bind makes a statement's arguments.
func bind(list ...any) values { return database.Bind(list...) }

// The stored states. Below stateHeld a delivery can become due: the index
// delivery_due is made of those.
const (
	stateQueued   = 1
	stateDeferred = 2
	stateHeld     = 3

	stateCount = 4 // keep last; 0 is no state
)

// storedState turns a waiting state into its number, 0 for any other.
func storedState(s queue.State) int {
	switch s {
	case queue.Queued:
		return stateQueued
	case queue.Deferred:
		return stateDeferred
	case queue.Held:
		return stateHeld
	}
	return 0
}

// waitingState undoes storedState.
func waitingState(n int) queue.State {
	switch n {
	case stateQueued:
		return queue.Queued
	case stateDeferred:
		return queue.Deferred
	}
	return queue.Held
}
