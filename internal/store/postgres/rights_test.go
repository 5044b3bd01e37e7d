package postgres

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"countersign/internal/fault"
)

// TestMissingRights: a user to whom the tables do not belong is told what it lacks,
// when it joins, and when it stores something: then not for good, as the client's
// message is as good as before.
func TestMissingRights(t *testing.T) {
	c := shared.Cluster(t)
	at := c.Database(t)
	u, err := url.Parse(c.Admin())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = strings.TrimPrefix(at[:strings.Index(at, "?")], "postgres://gate@")
	admin, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	do := func(text string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	do("CREATE ROLE lodger LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO lodger")
	at = strings.Replace(at, "gate@", "lodger@", 1)
	refused := func(want string, err error) {
		t.Helper()
		const advice = "make it the owner of the database and of all tables and sequences in it"
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), advice) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v (%v), want %q and %q", err, fault.KindOf(err), want, advice)
		}
	}
	join := func() (*Store, error) { return Open(t.Context(), Options{URL: at, Server: true}) }
	_, err = join()
	refused("permission denied for table node", err)
	do("GRANT ALL ON node TO lodger")
	_, err = join()
	refused("permission denied for sequence node_epoch", err)
	do("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO lodger")
	s, err := join()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	refused("permission denied for table", s.Accept(t.Context(), letterTo(1, 1)))
}
