package sqlkit

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"countersign/internal/mail"
)

// Values are a statement's arguments.
type Values = []driver.NamedValue

// ErrDamaged marks stored data that is not of the form in which it was stored.
var ErrDamaged = errors.New("stored data is damaged")

// Bind makes a statement's arguments. What is not of a type below reaches the
// driver as it is, which refuses what it does not know.
func Bind(list ...any) Values {
	out := make(Values, len(list))
	for i, v := range list {
		out[i].Ordinal = i + 1
		switch v := v.(type) {
		case int:
			out[i].Value = int64(v)
		case bool:
			out[i].Value = int64(0)
			if v {
				out[i].Value = int64(1)
			}
		case time.Time:
			out[i].Value = micros(v)
		case mail.ID:
			out[i].Value = string(v)
		case mail.Domain:
			out[i].Value = string(v)
		case mail.Address:
			out[i].Value = joinAddress(v)
		default:
			out[i].Value = v
		}
	}
	return out
}

// Row is one row of a result; its methods take the next column each. A column
// of the wrong type means a damaged database and ends the query with ErrDamaged.
type Row struct {
	columns []driver.Value
	at      int
	err     error
}

// Set makes the row one of these columns, which the next call may overwrite.
func (r *Row) Set(columns []driver.Value) { *r = Row{columns: columns} }

// Fail notes that a column holds what it cannot.
func (r *Row) Fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: column %d: %w", ErrDamaged, r.at, err)
	}
}

// Err tells what was wrong with the columns taken so far.
func (r *Row) Err() error { return r.err }

func (r *Row) next() driver.Value {
	if r.at >= len(r.columns) {
		r.err = fmt.Errorf("%w: a row has only %d columns", ErrDamaged, len(r.columns))
		return nil
	}
	r.at++
	return r.columns[r.at-1]
}

// Int64 takes an integer, or a truth value as 0 or 1.
func (r *Row) Int64() int64 {
	v := r.next()
	n, ok := v.(int64)
	switch narrow := v.(type) {
	case int32:
		n, ok = int64(narrow), true
	case int16:
		n, ok = int64(narrow), true
	case bool:
		n, ok = 0, true
		if narrow {
			n = 1
		}
	}
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%w: column %d is a %T, not an integer", ErrDamaged, r.at, v)
	}
	return n
}

// Text takes a text; NULL is "".
func (r *Row) Text() string {
	v := r.next()
	s, ok := v.(string)
	if !ok && v != nil && r.err == nil {
		r.err = fmt.Errorf("%w: column %d is a %T, not text", ErrDamaged, r.at, v)
	}
	return s
}

// Blob takes octets; NULL and empty are both nil.
func (r *Row) Blob() []byte {
	v := r.next()
	b, ok := v.([]byte)
	if !ok && v != nil && r.err == nil {
		r.err = fmt.Errorf("%w: column %d is a %T, not a blob", ErrDamaged, r.at, v)
	}
	return b
}

// Int takes an integer.
func (r *Row) Int() int { return int(r.Int64()) }

// Bool takes an integer that is 0 for false.
func (r *Row) Bool() bool { return r.Int64() != 0 }

// ID takes an id.
func (r *Row) ID() mail.ID { return mail.ID(r.Text()) }

// Domain takes a domain.
func (r *Row) Domain() mail.Domain { return mail.Domain(r.Text()) }

// Address takes an address as Bind stored it.
func (r *Row) Address() mail.Address { return SplitAddress(r.Text()) }

// Time takes a time as Bind stored it.
func (r *Row) Time() time.Time {
	n := r.Int64()
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// micros is how a time is stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// joinAddress stores an address without quoting: a domain never has an "@", so
// the last one ends the local part.
func joinAddress(a mail.Address) string {
	if a.IsNull() {
		return ""
	}
	return a.Local + "@" + string(a.Domain)
}

// SplitAddress undoes what Bind does to an address. The key of an address has
// the same form.
func SplitAddress(s string) mail.Address {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '@' {
			return mail.Address{Local: s[:i], Domain: mail.Domain(s[i+1:])}
		}
	}
	return mail.Address{}
}
