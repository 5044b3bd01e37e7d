// Package sqlkit is what the SQL engines share: how values are stored, what a
// statement, a connection and a transaction are to those who only use them, and
// the list of a schema's steps.
//
// Statements are written with "?" for their arguments, in the SQL that SQLite
// and PostgreSQL have in common. It knows no driver.
//
// Main types: Values, Row, Reader, Writer, Migration.
package sqlkit

import "context"

// Reader runs queries. A row is valid only during the call of each.
type Reader interface {
	Query(ctx context.Context, text string, args Values, each func(*Row) error) error
	// Number reads one integer; found is false without a row.
	Number(ctx context.Context, text string, args Values) (n int64, found bool, err error)
}

// Ask is one of several queries that are asked together; Each is called for its rows, behind those
// of the queries before it.
type Ask struct {
	Text string
	Args Values
	Each func(*Row) error
}

// AskAll asks one after the other.
func AskAll(ctx context.Context, c Reader, asks []Ask) error {
	for _, a := range asks {
		if err := c.Query(ctx, a.Text, a.Args, a.Each); err != nil {
			return err
		}
	}
	return nil
}

// Writer is a running transaction. It is used by one goroutine.
type Writer interface {
	// Exec runs a statement that returns no rows.
	Exec(text string, args Values) error
	// Query and Number read within the transaction; Exists reports whether a
	// query, whose first column is an integer, has a row.
	Query(text string, args Values, each func(*Row) error) error
	Number(text string, args Values) (n int64, found bool, err error)
	Exists(text string, args Values) (bool, error)
}
