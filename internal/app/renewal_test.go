package app

import (
	"crypto/rand"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/account/hash"
)

// A password that the store does not take in the forms of the day is good all the same, and
// the operator is told.
func TestAPasswordThatIsNotRenewedIsLogged(t *testing.T) {
	log := &lines{}
	w := startWorldTo(t, log, "")
	w.seed()
	old, err := hash.New(hash.Params{MemoryKiB: 64, Iterations: 5, Parallelism: 1}, testPassword, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, "data", "countersign.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"UPDATE credential SET hash = '" + old.Text() + "', keys = ''",
		"CREATE TRIGGER broken BEFORE UPDATE OF hash ON credential BEGIN DELETE FROM nowhere; END",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	const want = "could not be stored in the forms of the day"
	if _, err := w.send("From: <" + testLogin + ">\r\n\r\nx\r\n"); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	if strings.Count(text, want) != 1 || !strings.Contains(text, "nowhere") || strings.Contains(text, testPassword) || strings.Contains(text, "$argon2id") {
		t.Errorf("the log says %s", text)
	}
	if _, err := db.ExecContext(t.Context(), "DROP TRIGGER broken"); err != nil {
		t.Fatal(err)
	}
}
