package counters

import (
	"context"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit"
)

// emptySQL takes out of a row of the log what is in the table of counters by then.
const emptySQL = "UPDATE counter_log SET data = NULL WHERE seq = ?"

// Look returns what the log has of some subjects, in the form of limit.Counter: that counts
// in place of what is in their table. It may be called beside whoever writes.
func Look(ctx context.Context, c sqlkit.Reader, subjects []limit.Subject) (map[limit.Subject][]byte, error) {
	wanted := make(map[limit.Subject]bool, len(subjects))
	for _, s := range subjects {
		wanted[s] = true
	}
	read := latest{states: map[limit.Subject][]byte{}, wanted: func(s limit.Subject) bool { return wanted[s] }}
	err := c.Query(ctx, allSQL, nil, read.take)
	return read.states, err
}

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
