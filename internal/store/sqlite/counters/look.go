package counters

import (
	"context"
	"maps"
	"sync"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit"
)

// Statements of who looks.
const (
	firstSQL = "SELECT coalesce(min(seq), 0) FROM counter_log"
	sinceSQL = "SELECT seq, data FROM counter_log WHERE seq > ? ORDER BY seq"
)

// Log is what a process has read of the log: whoever looks reads the rows that have come since,
// each once, and not the whole log. It is safe for concurrent use, beside whoever writes.
// The zero value has read nothing.
type Log struct {
	mu sync.Mutex // guards what follows
	// states are the last ones of each subject up to the row known, and the numbers of their
	// rows. None is forgotten whose row was there in a state of the database where first or
	// a later row is the first.
	states       map[limit.Subject]state
	known, first int64
	// kept is how many states there were when some were last forgotten.
	kept int
}

// slack is how many states more than the last time are kept at least, before those that are
// in their table by then are forgotten.
const slack = 1024

// Look returns what the log has of some subjects, in the form of limit.Counter: that counts
// in place of what is in their table. c sees one state of the database; what was stored since may
// be in the answer already. The states are not to be changed. Errors are those of the store.
func (l *Log) Look(ctx context.Context, c sqlkit.Reader, subjects []limit.Subject) (map[limit.Subject][]byte, error) {
	first, _, err := c.Number(ctx, firstSQL, nil)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if first < l.first {
		// It sees a log from before something was forgotten, and a table that may lack that.
		old := &Log{}
		if err := old.follow(ctx, c, first); err != nil {
			return nil, err
		}
		return old.of(subjects), nil
	}
	if err := l.follow(ctx, c, first); err != nil {
		return nil, err
	}
	return l.of(subjects), nil
}

// Len returns how many states are kept in memory.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.states)
}

// of returns what there is of some subjects. The caller has locked l.
func (l *Log) of(subjects []limit.Subject) map[limit.Subject][]byte {
	found := make(map[limit.Subject][]byte, len(subjects))
	for _, s := range subjects {
		if have, ok := l.states[s]; ok {
			found[s] = have.data
		}
	}
	return found
}

// follow reads the rows behind those that are known; first is the first one. The caller has
// locked l.
func (l *Log) follow(ctx context.Context, c sqlkit.Reader, first int64) error {
	read := latest{states: map[limit.Subject]state{}}
	if err := c.Query(ctx, sinceSQL, sqlkit.Bind(l.known), read.take); err != nil {
		return err
	}
	if l.states == nil {
		l.states = make(map[limit.Subject]state, len(read.states))
	}
	// What was put into the table before it was read here is newer there.
	if first > l.known+1 || read.emptied {
		clear(l.states)
		l.first, l.kept = first, 0
	}
	maps.Copy(l.states, read.states)
	l.known = max(l.known, read.last)
	if first > l.first && len(l.states) > 2*l.kept+slack {
		maps.DeleteFunc(l.states, func(_ limit.Subject, s state) bool { return s.row < first })
		l.first, l.kept = first, len(l.states)
	}
	return nil
}

// emptySQL takes out of a row of the log what is in the table of counters by then.
const emptySQL = "UPDATE counter_log SET data = NULL WHERE seq = ?"

// Settle puts all counters of the log into their table, and leaves the log with nothing but
// the number of its last row. It is for the end of a server, and for a copy, which carries
// the table alone.
func (m *Memory) Settle(t sqlkit.Writer) error {
	if err := m.Begin(t); err != nil {
		return err
	}
	last := m.known
	if last == 0 || m.changed == 0 && m.first >= last {
		return nil
	}
	m.Distrust()
	m.collect(last)
	if err := m.put(t, len(m.putting)); err != nil {
		return err
	}
	if err := t.Exec(dropSQL, sqlkit.Bind(last-1)); err != nil {
		return err
	}
	if err := t.Exec(emptySQL, sqlkit.Bind(last)); err != nil {
		return err
	}
	m.first, m.gone, m.known = last, 0, last
	return nil
}
