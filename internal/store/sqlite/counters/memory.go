// Package counters keeps what limits count so that a message costs little: counters are in
// memory while they change, and what a transaction has changed is one row at the end of a
// log. Now and then the counters of the log go into their own table, ordered, some with each
// transaction, and the log begins anew.
//
// It is exact however the process ends: the log is written in the transaction that counts,
// and memory is believed only as long as its number is that of the last row. After anything
// that failed, and at the start, the log is read again.
//
// Main types: Memory, for who writes; Log, for who looks.
package counters

import (
	"slices"
	"strings"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/counting"
)

// Statements of the log.
const (
	lastSQL   = "SELECT coalesce(max(seq), 0) FROM counter_log"
	allSQL    = "SELECT seq, data FROM counter_log ORDER BY seq"
	appendSQL = "INSERT INTO counter_log (seq, data) VALUES (?, ?)"
	dropSQL   = "DELETE FROM counter_log WHERE seq <= ?"
)

// Bounds are how much is kept in memory and in the log, and how much is put away at once.
type Bounds struct {
	// Changed is how many counters may wait in the log until they are put away.
	Changed int
	// Log is how many octets the log may have until it is put away.
	Log int
	// Octets is how much memory counters may take, roughly, until those that do not change
	// are forgotten.
	Octets int
	// Portion is how many counters go into their table with one transaction at least, and
	// Rows how many rows of the log are removed with one.
	Portion, Rows int
}

// Usual are the bounds of a gate.
var Usual = Bounds{Changed: 16_384, Log: 4 << 20, Octets: 64 << 20, Portion: 64, Rows: 16}

// Memory has the counters that change. It is used by the goroutine that writes, within its
// transactions.
type Memory struct {
	bounds  Bounds
	entries map[limit.Subject]*entry
	// known is the number of the last row of the log that memory agrees with, -1 while it
	// agrees with none; last is that of the last row as this transaction has begun.
	known, last int64
	// first is the lowest number in the log, gone up to which rows may be removed.
	first, gone int64
	// logged is the size of the log behind the row upto.
	logged int
	// changed counts the entries that are not as in their table, and octets is what all take.
	changed, octets int
	// putting are the subjects that are being put away, in the order of their keys; then
	// everything up to the row upto is in the table.
	putting []place
	upto    int64
	// round counts how often everything was put away.
	round int64
	row   []byte // the next row, whose memory is used again
}

// place is where in their table the counter of a subject is.
type place struct {
	key     string
	subject limit.Subject
}

// entry is a counter in memory.
type entry struct {
	// raw is its stored form until it is asked for; counter is nil then.
	raw     []byte
	counter *limit.Counter
	// ends is what its row has, 0 for no row, -1 where that is not known.
	ends int64
	// changed says that its row is not as it is.
	changed bool
	// used is in which round it was asked for last.
	used int64
	// octets is roughly what it takes.
	octets int
}

// New returns a Memory that has read nothing.
func New(b Bounds) *Memory { return &Memory{bounds: b, known: -1} }

// Begin is called in each transaction before the first counter is asked for. Errors are
// those of the store.
func (m *Memory) Begin(t sqlkit.Writer) error {
	last, _, err := t.Number(lastSQL, nil)
	if err != nil {
		return err
	}
	if m.last = last; last == m.known {
		return nil
	}
	m.known = -1
	read := latest{states: map[limit.Subject]state{}}
	if err := t.Query(allSQL, nil, read.take); err != nil {
		return err
	}
	*m = Memory{bounds: m.bounds, entries: make(map[limit.Subject]*entry, len(read.states)), known: last, last: last, first: max(read.first, 1), logged: read.octets}
	for s, state := range read.states {
		e := &entry{raw: state.data, ends: -1, changed: true}
		m.entries[s] = e
		m.weigh(s, e, len(state.data))
		m.changed++
	}
	return nil
}

// Counter returns the counter of a subject, which may be changed in this transaction if
// Flush is told so. Until then memory is not believed: a transaction that comes to nothing
// has perhaps changed it.
func (m *Memory) Counter(t sqlkit.Writer, s limit.Subject) (*limit.Counter, error) {
	e := m.entries[s]
	if e == nil {
		e = &entry{}
		var size int
		err := t.Query(counting.ReadSQL, sqlkit.Bind(counting.KeyOf(s)), func(r *sqlkit.Row) error {
			var err error
			data := r.Blob()
			e.ends, size = r.Int64(), len(data)
			e.counter, err = limit.Decode(data)
			return err
		})
		if err != nil {
			return nil, err
		}
		if e.counter == nil {
			e.counter = &limit.Counter{}
		}
		m.entries[s] = e
		m.weigh(s, e, size)
	}
	if e.counter == nil {
		c, err := limit.Decode(e.raw)
		if err != nil {
			return nil, err
		}
		e.counter, e.raw = c, nil
	}
	e.used = m.round
	return e.counter, nil
}

// Distrust says that counters are about to be changed: unless Flush follows and its transaction
// is stored, memory is not what the store has.
func (m *Memory) Distrust() { m.known = -1 }

// Pruned says that rows of the table of counters are about to be removed by others.
func (m *Memory) Pruned() {
	for _, e := range m.entries {
		e.ends = -1
	}
}

// weigh notes what an entry takes: itself with its name twice, and some ten times of its
// stored form.
func (m *Memory) weigh(s limit.Subject, e *entry, stored int) {
	m.octets -= e.octets
	e.octets = 700 + 2*len(s.Name) + 10*stored
	m.octets += e.octets
}

// Flush writes the counters that a transaction has changed, and puts some of those before
// away. Errors are those of the store.
func (m *Memory) Flush(t sqlkit.Writer, changed []limit.Subject) error {
	if len(changed) == 0 {
		return nil
	}
	last := m.last // nobody else writes meanwhile
	m.row = append(m.row[:0], form)
	var state []byte
	for _, s := range changed {
		e := m.entries[s]
		state = e.counter.AppendBinary(state[:0])
		m.row = appendState(m.row, s, state)
		m.weigh(s, e, len(state))
		if !e.changed {
			e.changed = true
			m.changed++
		}
	}
	if err := t.Exec(appendSQL, sqlkit.Bind(last+1, m.row)); err != nil {
		return err
	}
	m.logged += len(m.row)
	m.begin(last)
	if err := m.put(t, max(m.bounds.Portion, 2*len(changed))); err != nil {
		return err
	}
	if err := m.drop(t); err != nil {
		return err
	}
	m.known = last + 1 // which the store has only if the transaction is stored
	return nil
}

// begin begins to put everything away that was counted up to a row, where there is enough.
func (m *Memory) begin(last int64) {
	if len(m.putting) > 0 || m.changed < m.bounds.Changed && m.logged < m.bounds.Log && m.octets < m.bounds.Octets {
		return
	}
	m.collect(last)
}

// collect begins to put away what was counted up to a row.
func (m *Memory) collect(last int64) {
	m.putting = make([]place, 0, m.changed)
	for s, e := range m.entries {
		if e.changed {
			m.putting = append(m.putting, place{counting.KeyOf(s), s})
		}
	}
	slices.SortFunc(m.putting, func(a, b place) int { return strings.Compare(a.key, b.key) })
	m.upto, m.logged = last, 0
	m.round++
}

// put puts some counters into their table, in the order of their keys, so that many of them
// are on one page.
func (m *Memory) put(t sqlkit.Writer, most int) error {
	if len(m.putting) == 0 {
		return nil
	}
	n := min(most, len(m.putting))
	for _, p := range m.putting[:n] {
		if e := m.entries[p.subject]; e.changed {
			if err := e.store(t, p.key); err != nil {
				return err
			}
			e.changed = false
			m.changed--
		}
	}
	if m.putting = m.putting[n:]; len(m.putting) == 0 {
		m.putting = nil
		m.gone = m.upto
		m.forget()
	}
	return nil
}

// store writes the row of a counter.
func (e *entry) store(t sqlkit.Writer, key string) error {
	data := e.raw
	if e.counter != nil {
		data = e.counter.AppendBinary(nil)
	} else if c, err := limit.Decode(e.raw); err != nil {
		return err
	} else {
		e.counter, e.raw = c, nil
	}
	ends := counting.EndsOf(e.counter)
	text, args := counting.WriteSQL, sqlkit.Bind(key, data, ends)
	if ends == e.ends {
		text, args = counting.KeepSQL, sqlkit.Bind(data, key)
	}
	e.ends = ends
	return t.Exec(text, args)
}

// forget forgets what does not change: what was not asked for since it was put away, and
// all of it where that is not enough.
func (m *Memory) forget() {
	for s, e := range m.entries {
		if !e.changed && (e.used < m.round || m.octets > m.bounds.Octets) {
			m.octets -= e.octets
			delete(m.entries, s)
		}
	}
}

// drop removes some rows of the log that nobody needs. The last one stays, by whose number
// memory is known to be right.
func (m *Memory) drop(t sqlkit.Writer) error {
	if m.first > m.gone {
		return nil
	}
	to := min(m.gone, m.first+int64(m.bounds.Rows)-1)
	if err := t.Exec(dropSQL, sqlkit.Bind(to)); err != nil {
		return err
	}
	m.first = to + 1
	return nil
}
