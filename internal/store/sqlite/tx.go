package sqlite

import (
	"time"

	"countersign/internal/limit"
	"countersign/internal/store/sqlite/counters"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlkit/counting"
	"countersign/internal/store/sqlkit/objects"
	"countersign/internal/store/sqlkit/waiting"
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
	// at is when the change runs.
	at time.Time
	// memory has the counters of limits.
	memory *counters.Memory
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
	waiting [waiting.States]int
	// counted are the counters of limits. What is counted is counted last, when nothing of
	// that change can fail any more.
	counted counting.Counted
	// counts says that memory was told that this transaction asks for counters.
	counts bool
}

// generation returns the account generation as this transaction sees it.
func (t *tx) generation() (uint64, error) {
	if t.current != 0 {
		return t.current, nil
	}
	n, found, err := t.Number(objects.GenerationSQL, nil)
	if err == nil && !found {
		err = database.ErrDamaged
	}
	t.current = uint64(n)
	return t.current, err
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

const totalSQL = "UPDATE queue_total SET queued = queued + ?, deferred = deferred + ?, held = held + ? WHERE id = 1"

// read reads the counters of subjects that were not read yet.
func (t *tx) read(subjects []limit.Subject) error {
	if len(subjects) > 0 && !t.counts {
		if err := t.memory.Begin(t); err != nil {
			return err
		}
		t.counts = true
	}
	for _, s := range subjects {
		e, _ := t.counted.Entry(s)
		if e.Counter != nil {
			continue
		}
		c, err := t.memory.Counter(t, s)
		if err != nil {
			return err
		}
		e.Counter = c
	}
	return nil
}

// count lets what has passed be counted, in counters that were read.
func (t *tx) count(subjects []limit.Subject, count func()) {
	if len(subjects) > 0 {
		t.memory.Distrust()
		count()
	}
}

// meet reads the days of contacts that were not read yet.
func (t *tx) meet(contacts []limit.Contact) error {
	for _, k := range contacts {
		if t.counted.Read(k) {
			continue
		}
		day, _, err := t.Number(counting.MetSQL, bind(k.Login, k.Recipient))
		if err != nil {
			return err
		}
		t.counted.Meet(k, day)
	}
	return nil
}

// flush writes counters and totals, once for the whole transaction.
func (t *tx) flush() error {
	if err := t.memory.Flush(t, t.counted.Changed()); err != nil {
		return err
	}
	for _, r := range t.counted.Contacts() {
		if err := t.Exec(counting.MeetSQL, r); err != nil {
			return err
		}
	}
	if t.waiting == [waiting.States]int{} {
		return nil
	}
	return t.Exec(totalSQL,
		bind(t.waiting[waiting.Queued], t.waiting[waiting.Deferred], t.waiting[waiting.Held]))
}

// bind makes a statement's arguments.
func bind(list ...any) values { return database.Bind(list...) }
