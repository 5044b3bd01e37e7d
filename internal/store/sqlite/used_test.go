package sqlite

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/credentials"
)

// TestUseKeptByAWrongClock: what was kept while the clock of this machine was ahead gives
// way to what comes after that was put right.
func TestUseKeptByAWrongClock(t *testing.T) {
	right := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	now := right.AddDate(1, 0, 0)
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "test.db"), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	credentials.Fill(t, s)
	use := func(of mail.ID) account.Use {
		t.Helper()
		list, err := s.Uses(t.Context(), "ann@one.example", 10)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(u account.Use) bool { return of == "" || u.Credential == of })
		if i < 0 {
			t.Fatalf("no use of %q in %+v", of, list)
		}
		return list[i]
	}
	u := use("")
	for _, at := range []time.Time{now, right} {
		now, u.At = at, at
		if err := s.Used(t.Context(), []account.Use{u}); err != nil {
			t.Fatal(err)
		}
		if kept := use(u.Credential); !kept.At.Equal(at) {
			t.Errorf("kept is %v, want %v", kept.At, at)
		}
	}
}
