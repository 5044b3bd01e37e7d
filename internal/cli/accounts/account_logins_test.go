package accounts

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/store/sqlite"
)

// TestLastLogins finds the latest logins of one account in a record of several windows, each
// once and the newest first, among what else is recorded of it.
func TestLastLogins(t *testing.T) {
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "x.db"), Server: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// The numbers of this record begin at 1; every other event is of the account, each 12th a login
	// of it.
	const login, count = "a@example.org", 3*100 + 7
	var events []audit.Event
	for n := range count {
		e := audit.Event{At: time.UnixMicro(int64(n)), Kind: audit.Accepted, Login: login}
		switch {
		case n%12 == 0:
			e.Kind, e.Session, e.Client = audit.AuthPassed, "S", "192.0.2.1"
			e.Data = map[string]string{"mechanism": fmt.Sprint("M", n), "credential": "password", "program": "client.example"}
		case n%2 == 1:
			e.Kind, e.Login = audit.AuthPassed, "b@example.org"
		}
		events = append(events, e)
	}
	if err := s.Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	for _, window := range []int64{1, 7, 12, 50, 1 << 17} {
		logins, cut, err := lastLogins(t.Context(), s, login, window)
		if err != nil || cut {
			t.Fatal(cut, err)
		}
		var got []string
		for _, l := range logins {
			got = append(got, l.Mechanism)
		}
		if want := "M300 M288 M276 M264 M252 M240 M228 M216 M204 M192"; strings.Join(got, " ") != want {
			t.Errorf("window %d: %s, want %s", window, got, want)
		}
	}
	logins, _, err := lastLogins(t.Context(), s, login, loginsWindow)
	if err != nil {
		t.Fatal(err)
	}
	if want := "by M300 from 192.0.2.1 with client.example, credential password; session S"; logins[0].line() != want {
		t.Errorf("got %s", logins[0].line())
	}
	for name, want := range map[string]int{"b@example.org": maxLogins, "c@example.org": 0} {
		if logins, cut, err := lastLogins(t.Context(), s, name, 9); err != nil || cut || len(logins) != want {
			t.Errorf("%s: %d logins, %v, %v", name, len(logins), cut, err)
		}
	}
}

// slow is a record of which each search takes a second, and which ends at once when its time
// is over.
type slow struct{ audit.Store }

func (slow) Search(ctx context.Context, q audit.Query) ([]audit.Event, error) {
	if q.Login == "" {
		return []audit.Event{{Seq: 1000}}, nil
	}
	select {
	case <-time.After(900 * time.Millisecond):
		return []audit.Event{{Seq: q.BeforeSeq - 1}}, nil
	case <-ctx.Done():
		return nil, fault.Wrap("test", fault.Canceled, ctx.Err())
	}
}

// TestLastLoginsAreBounded: what was found in time is shown, and that there may be more.
func TestLastLoginsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logins, cut, err := lastLogins(t.Context(), slow{}, "a@example.org", 10)
		if err != nil || !cut || len(logins) != 2 {
			t.Errorf("%d logins, %v, %v", len(logins), cut, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := lastLogins(ctx, slow{}, "a@example.org", 10); !fault.Is(err, fault.Canceled) {
			t.Errorf("a command that is given up says %v", err)
		}
	})
}

// TestLineOfALogin names what a login was by.
func TestLineOfALogin(t *testing.T) {
	for _, c := range []struct {
		login loginView
		want  string
	}{
		{loginView{Client: "192.0.2.1", Session: "S", Credential: "copier"}, "by its network from 192.0.2.1, credential copier; session S"},
		{loginView{Mechanism: "XOAUTH2", Session: "S", Issuer: "idp"}, "by XOAUTH2, a claim of issuer idp; session S"},
		{loginView{Mechanism: "XOAUTH2", Session: "S", Issuer: "idp", Credential: "sso"}, "by XOAUTH2, credential sso of issuer idp; session S"},
	} {
		if got := c.login.line(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
