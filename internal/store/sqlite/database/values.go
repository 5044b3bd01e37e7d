package database

import (
	"countersign/internal/mail"
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

// SplitAddress undoes what Bind does to an address.
func SplitAddress(s string) mail.Address { return sqlkit.SplitAddress(s) }

var (
	_ sqlkit.Reader = (*Conn)(nil)
	_ sqlkit.Writer = (*Tx)(nil)
)
