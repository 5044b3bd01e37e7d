// Package objects keeps what is stored under a name: plans, customers, domains
// and accounts, the credentials of accounts, and certificates. It is
// account.Store in the SQL that the engines share.
//
// Every change of an object is one transaction, in which nothing else changes:
// it checks the revision, writes, raises the generation, stores the event, ends what is
// set for what it removes (limits, entries of access lists), and notes what the queue has to
// follow (package holding).
//
// It decides nothing about who may send.
//
// Main types: Store.
package objects

import (
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/holding"
	"countersign/internal/store/sqlkit/numbered"
)

// Short names for what every file here uses.
type (
	reader = sqlkit.Reader
	writer = sqlkit.Writer
	row    = sqlkit.Row
	values = sqlkit.Values
)

// bind makes a statement's arguments.
func bind(list ...any) values { return sqlkit.Bind(list...) }

// Store implements account.Store, and keeps certificates. Its methods are safe
// for concurrent use.
type Store struct {
	base    sqlkit.Base
	dialect *sqlkit.Dialect
	holder  *holding.Holder
	// enders end what is set for what is removed.
	enders []numbered.Ender
}

// New returns the objects of a database, whose queue holder lets follow them; enders end
// what is set for them.
func New(b sqlkit.Base, d *sqlkit.Dialect, h *holding.Holder, enders ...numbered.Ender) *Store {
	return &Store{b, d, h, enders}
}
