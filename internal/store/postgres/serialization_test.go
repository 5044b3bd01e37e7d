package postgres

import (
	"strconv"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// disturb makes the server refuse the next n transactions that store an event, their last
// statement, by SQLSTATE 40001: as with one that others were in the way of, nothing of
// them is left.
func disturb(m *member, n int) {
	m.t.Helper()
	m.change("DROP TRIGGER IF EXISTS disturb ON event")
	m.change("DROP SEQUENCE IF EXISTS disturbed")
	m.change("CREATE SEQUENCE disturbed") // which a rollback does not set back
	m.change("CREATE OR REPLACE FUNCTION disturb() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('disturbed') <= " +
		strconv.Itoa(n) + " THEN RAISE EXCEPTION 'others were in the way' USING ERRCODE = '40001'; END IF; RETURN NULL; END $$")
	m.change("CREATE TRIGGER disturb AFTER INSERT ON event FOR EACH STATEMENT EXECUTE FUNCTION disturb()")
}

// TestOthersWereInTheWay: what the server refuses because of others is made again, by
// the writer and by a change of accounts, and is stored once; where that does not help, it
// is Busy, and nothing of it is stored.
func TestOthersWereInTheWay(t *testing.T) {
	a := joinAs(t, shared.Cluster(t).Database(t), "a")
	e := audit.Event{At: time.Unix(1, 0), Kind: audit.AdminChanged, Actor: "cli:me", Object: "plan p"}
	letter := letterTo(1, 1)
	letter.Events = []audit.Event{{At: time.Unix(1, 0), Kind: audit.Accepted, Submission: subOf(1)}}
	steps := []struct {
		name string
		do   func() error
	}{
		{"accept", func() error { return a.Accept(t.Context(), letter) }},
		{"report", func() error { return a.Report(t.Context(), arrived(1)) }},
		{"append", func() error {
			return a.Append(t.Context(), []audit.Event{{At: time.Unix(1, 0), Kind: audit.ServerStarted}})
		}},
		{"plan", func() error { return a.PutPlan(t.Context(), planOf("p"), e) }},
	}
	for i, s := range steps {
		disturb(a, 1000)
		wantFault(t, s.do(), fault.Busy)
		if n := len(search(t, a.Store, audit.Query{})); n != i {
			t.Errorf("%s, given up: %d events, want %d", s.name, n, i)
		}
		disturb(a, 3)
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if n := len(search(t, a.Store, audit.Query{})); n != i+1 {
			t.Errorf("%s: %d events, want %d", s.name, n, i+1)
		}
		want := []mail.ID{}
		if s.name == "accept" {
			want = append(want, subOf(1))
		}
		wantQueue(t, a.Store, want...)
	}
}
