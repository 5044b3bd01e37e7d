package database

import (
	"countersign/internal/store/sqlkit"
)

// Values and Row are the arguments of a statement and a row of a result.
type (
	Values = sqlkit.Values
	Row    = sqlkit.Row
)

// ErrDamaged marks stored data that is not of the form in which it was stored.
var ErrDamaged = sqlkit.ErrDamaged

// Bind makes a statement's arguments.
func Bind(list ...any) Values { return sqlkit.Bind(list...) }

var (
	_ sqlkit.Reader = (*Conn)(nil)
	_ sqlkit.Writer = (*Tx)(nil)
)
