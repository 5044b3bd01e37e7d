package server

import (
	"context"
	"database/sql/driver"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"countersign/internal/store/sqlkit"
)

// querier is what a connection and a transaction of the driver have in common.
type querier interface {
	Query(ctx context.Context, text string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, text string, args ...any) (pgconn.CommandTag, error)
}

// Conn reads. It is used by one goroutine.
type Conn struct{ q querier }

// Tx is a running transaction. It is used by one goroutine.
type Tx struct {
	ctx context.Context
	q   pgx.Tx
}

var (
	_ sqlkit.Reader = (*Conn)(nil)
	_ sqlkit.Writer = (*Tx)(nil)
)

// Query implements sqlkit.Reader.
func (c *Conn) Query(ctx context.Context, text string, args sqlkit.Values, each func(*sqlkit.Row) error) error {
	return query(ctx, c.q, text, args, each)
}

// Number implements sqlkit.Reader.
func (c *Conn) Number(ctx context.Context, text string, args sqlkit.Values) (n int64, found bool, err error) {
	err = query(ctx, c.q, text, args, func(r *sqlkit.Row) error {
		n, found = r.Int64(), true
		return nil
	})
	return n, found, err
}

// Exec implements sqlkit.Writer.
func (t *Tx) Exec(text string, args sqlkit.Values) error {
	_, err := t.q.Exec(t.ctx, Placeholders(text), plain(args)...)
	return err
}

// Query implements sqlkit.Writer.
func (t *Tx) Query(text string, args sqlkit.Values, each func(*sqlkit.Row) error) error {
	return query(t.ctx, t.q, text, args, each)
}

// Number implements sqlkit.Writer.
func (t *Tx) Number(text string, args sqlkit.Values) (n int64, found bool, err error) {
	return (&Conn{t.q}).Number(t.ctx, text, args)
}

// Exists implements sqlkit.Writer.
func (t *Tx) Exists(text string, args sqlkit.Values) (bool, error) {
	_, found, err := t.Number(text, args)
	return found, err
}

// RawQuery is Query in the server's own words, with "$1" and arguments of any
// type that the driver knows, arrays among them.
func (t *Tx) RawQuery(text string, args []any, each func(*sqlkit.Row) error) error {
	return raw(t.ctx, t.q, text, args, each)
}

// RawQuery is Query in the server's own words; see Tx.
func (c *Conn) RawQuery(ctx context.Context, text string, args []any, each func(*sqlkit.Row) error) error {
	return raw(ctx, c.q, text, args, each)
}

// Raw runs a statement in the server's own words and returns how many rows it
// changed.
func (t *Tx) Raw(text string, args ...any) (rows int64, err error) {
	tag, err := t.q.Exec(t.ctx, text, args...)
	return tag.RowsAffected(), err
}

func raw(ctx context.Context, q querier, text string, args []any, each func(*sqlkit.Row) error) error {
	rows, err := q.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, each)
}

// query runs a query for each row of its result.
func query(ctx context.Context, q querier, text string, args sqlkit.Values, each func(*sqlkit.Row) error) error {
	return raw(ctx, q, Placeholders(text), plain(args), each)
}

func eachRow(rows pgx.Rows, each func(*sqlkit.Row) error) error {
	defer rows.Close()
	var r sqlkit.Row
	var columns []driver.Value
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		columns = columns[:0]
		for _, v := range values {
			columns = append(columns, v)
		}
		r.Set(columns)
		if err := each(&r); err != nil {
			return err
		}
		if err := r.Err(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// plain turns arguments into what the driver takes.
func plain(args sqlkit.Values) []any {
	list := make([]any, len(args))
	for i, a := range args {
		if s, ok := a.Value.(string); ok {
			list[i] = Text(s)
			continue
		}
		list[i] = a.Value
	}
	return list
}

// Text makes a text storable: the server takes neither NUL nor what is not
// UTF-8, which only a text that came from outside for the record has. Both
// become U+FFFD.
func Text(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// Placeholders turns each "?" of a statement into "$1", "$2" and so on, and "?1"
// into "$1". No statement has a "?" in a literal.
func Placeholders(text string) string {
	n := strings.Count(text, "?")
	if n == 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 2*n)
	for i := 1; ; i++ {
		before, after, found := strings.Cut(text, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		if after == "" || after[0] < '0' || after[0] > '9' {
			b.WriteString(strconv.Itoa(i))
		}
		text = after
	}
}
