package server

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestBrokenSaysNothingOfACommit: only an answer of the server about the commit
// itself proves that it was not made; that it is going down does not.
func TestBrokenSaysNothingOfACommit(t *testing.T) {
	for _, tt := range []struct {
		err    error
		broken bool
	}{
		{nil, false},
		{io.ErrUnexpectedEOF, true},
		{errors.New("conn closed"), true},
		{&pgconn.PgError{Code: "57P01"}, true}, // terminating connection due to administrator command
		{fmt.Errorf("commit: %w", &pgconn.PgError{Code: "57P02"}), true},
		{&pgconn.PgError{Code: "08006"}, true},
		{&pgconn.PgError{Code: stateSerialization}, false},
		{&pgconn.PgError{Code: "23505"}, false},
		{&pgconn.PgError{Code: stateDiskFull}, false},
	} {
		if got := Broken(tt.err); got != tt.broken {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.broken)
		}
	}
}
