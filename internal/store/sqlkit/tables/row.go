package tables

import (
	"context"
	"encoding/binary"
	"errors"

	"countersign/internal/store/sqlkit"
)

// Limit bounds a page of rows. A page has at least one row where there is one.
type Limit struct {
	Rows  int
	Bytes int64
}

// errEnough ends a query whose other rows do not fit into the page.
var errEnough = errors.New("the page is full")

// Page returns the first rows behind a key, nil for the beginning, in the order
// of the keys; none at the end.
func (t *Table) Page(ctx context.Context, c sqlkit.Reader, behind Row, limit Limit) (rows []Row, err error) {
	var octets int64
	args := append(append(make([]any, 0, t.Keys+1), behind...), limit.Rows)
	err = c.Query(ctx, t.pageSQL(behind != nil), sqlkit.Bind(args...), func(r *sqlkit.Row) error {
		row := scan(t.Columns, r)
		if r.Err() != nil {
			return r.Err()
		}
		rows = append(rows, row)
		octets += t.Octets(row)
		if octets >= limit.Bytes {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return rows, nil
}

// Last returns the greatest key, nil where there is no row.
func (t *Table) Last(ctx context.Context, c sqlkit.Reader) (key Row, err error) {
	err = c.Query(ctx, t.lastSQL(), nil, func(r *sqlkit.Row) error {
		key = scan(t.Columns[:t.Keys], r)
		return r.Err()
	})
	return key, err
}

// Count counts the rows.
func (t *Table) Count(ctx context.Context, c sqlkit.Reader) (int64, error) {
	n, _, err := c.Number(ctx, "SELECT count(*) FROM "+t.Name, nil)
	return n, err
}

// Stored returns the values as they are given to a driver: nil for an empty one
// that is stored as NULL.
func (t *Table) Stored(r Row) []any {
	out := make([]any, len(r))
	for i, v := range r {
		out[i] = v
		if !t.Columns[i].Optional {
			continue
		}
		switch v := v.(type) {
		case string:
			if v == "" {
				out[i] = nil
			}
		case []byte:
			if len(v) == 0 {
				out[i] = nil
			}
		}
	}
	return out
}

// Octets says how much a row holds, without its large body.
func (t *Table) Octets(r Row) int64 {
	var n int64
	for _, v := range r {
		switch v := v.(type) {
		case string:
			n += int64(len(v))
		case []byte:
			n += int64(len(v))
		default:
			n += 8
		}
	}
	return n
}

// Append appends the one form that a row has in octets, whatever engine it is
// from: for each value a letter for its kind, and eight octets, the most
// significant first, of the number or of the length of what follows.
func (t *Table) Append(out []byte, r Row) []byte {
	for _, v := range r {
		switch v := v.(type) {
		case int64:
			out = binary.BigEndian.AppendUint64(append(out, 'i'), uint64(v))
		case string:
			out = binary.BigEndian.AppendUint64(append(out, 't'), uint64(len(v)))
			out = append(out, v...)
		case []byte:
			out = binary.BigEndian.AppendUint64(append(out, 'b'), uint64(len(v)))
			out = append(out, v...)
		}
	}
	return out
}
