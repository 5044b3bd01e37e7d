package counters

import (
	"bytes"
	"encoding/binary"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit"
)

// The form of a row of the log: an octet for the form, then of each counter an octet with
// the kind of its subject, the length of its name, the name, the length of the counter, and
// the counter as limit.Counter.AppendBinary writes it. Lengths are uvarints of package
// encoding/binary.
const form = 1

// appendState appends the state of a counter.
func appendState(b []byte, s limit.Subject, state []byte) []byte {
	b = append(b, byte(s.Kind))
	b = binary.AppendUvarint(b, uint64(len(s.Name)))
	b = append(b, s.Name...)
	b = binary.AppendUvarint(b, uint64(len(state)))
	return append(b, state...)
}

// each calls take for every state in a row of the log, in order; a state is valid during the
// call. Errors are sqlkit.ErrDamaged.
func each(row []byte, take func(limit.Subject, []byte)) error {
	if len(row) == 0 {
		return nil
	}
	if row[0] != form {
		return sqlkit.ErrDamaged
	}
	for row = row[1:]; len(row) > 0; {
		kind := limit.Kind(row[0])
		name, rest, ok := text(row[1:])
		if !ok {
			return sqlkit.ErrDamaged
		}
		state, rest, ok := text(rest)
		if !ok {
			return sqlkit.ErrDamaged
		}
		take(limit.Subject{Kind: kind, Name: string(name)}, state)
		row = rest
	}
	return nil
}

// text takes a length and so many octets off the front.
func text(b []byte) (taken, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	b = b[size:]
	return b[:n], b[n:], true
}

// state is that of a counter in a row of the log. Its data is not changed.
type state struct {
	row  int64
	data []byte
}

// latest collects the last state of each subject.
type latest struct {
	states map[limit.Subject]state
	// first and last are the numbers of the rows, 0 for none.
	first, last int64
	octets      int
	// emptied says that one had nothing, as everything up to it is in the table.
	emptied bool
}

// take takes the next row of allSQL or sinceSQL.
func (l *latest) take(r *sqlkit.Row) error {
	seq, data := r.Int64(), r.Blob()
	if l.first == 0 {
		l.first = seq
	}
	l.last = seq
	l.octets += len(data)
	if len(data) == 0 {
		l.emptied = true
		clear(l.states)
	}
	return each(data, func(s limit.Subject, data []byte) {
		l.states[s] = state{seq, bytes.Clone(data)}
	})
}
