package sqlite

import (
	"bytes"
	"testing"
)

// TestSpare: what is deleted is spare, until it is used again.
func TestSpare(t *testing.T) {
	s := openNew(t)
	spare := func() int64 {
		t.Helper()
		n, err := s.Spare(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	put := func(name string) {
		t.Helper()
		if err := s.PutCertificate(t.Context(), name, bytes.Repeat([]byte("x"), 400_000)); err != nil {
			t.Fatal(err)
		}
	}
	put("a")
	if n := spare(); n > 100_000 {
		t.Errorf("%d octets are spare before anything was deleted", n)
	}
	if err := s.DeleteCertificate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if n := spare(); n < 390_000 || n > 500_000 {
		t.Errorf("after 400,000 octets were deleted %d are spare", n)
	}
	put("b")
	if n := spare(); n > 100_000 {
		t.Errorf("%d octets are spare after they were used again", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Spare(t.Context()); err == nil {
		t.Error("a closed store has something spare")
	}
}
