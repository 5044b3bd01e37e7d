package attack

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account/hash"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// panel starts a directory of kind http that answers with these hashes, by login, and returns the table of it, which
// says that it has hashes of those kinds.
func panel(b *testing.B, hashes map[string]string, kinds ...string) string {
	b.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var question struct{ Login string }
		answer := map[string]any{"result": "unknown"}
		if err := json.NewDecoder(r.Body).Decode(&question); err == nil && hashes[question.Login] != "" {
			answer = map[string]any{"result": "found", "login": question.Login, "hash": hashes[question.Login]}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	b.Cleanup(server.Close)
	key := filepath.Join(b.TempDir(), "panel.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 64)+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	return fmt.Sprintf("[[directory]]\nname = \"panel\"\nkind = \"http\"\nurl = %q\nkey_file = %q\nhashes = [\"%s\"]\ncustomer = \"far\"\ncreate_domains = true\n",
		server.URL, key, strings.Join(kinds, `", "`))
}

// perSession is how many rounds one connection is used for, which has to log in within three minutes.
const perSession = 20

// BenchmarkFailuresOfADirectory is BenchmarkFailures by PLAIN for names of a directory whose kinds of hashes were said
// and with none of which anybody has logged in yet, and for one that it does not have.
func BenchmarkFailuresOfADirectory(b *testing.B) {
	if b.N != 1 {
		b.Fatal("this is for -benchtime 1x")
	}
	withoutDetector(b)
	own, err := hash.New(hash.DefaultParams(), harness.Password, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha512.Sum512([]byte(harness.Password + "salt"))
	hashes := map[string]string{
		"argon2id@far.example": "{ARGON2ID}" + own.Text(), "bcrypt@far.example": bcryptOf(b, 10),
		"ssha512@far.example": "{SSHA512}" + base64.StdEncoding.EncodeToString(append(sum[:], "salt"...)),
	}
	causes := map[string]string{"nobody@far.example": "unknown"}
	for login := range hashes {
		causes[login] = "wrong-password"
	}
	gate := harness.Serve(b, "127.0.0.1:9", "[session]\nmax_auth_failures = 1000000\n"+panel(b, hashes, own.Cost().Kind(), "bcrypt:10", "SSHA512"))
	var c *talk.Client
	took, logins := map[string][]time.Duration{}, []string{"nobody@far.example", "argon2id@far.example", "bcrypt@far.example", "ssha512@far.example"}
	for i := range tries {
		if i%perSession == 0 {
			c = talk.Open(b, gate)
		}
		for j := range logins {
			login := logins[(i+j)%len(logins)]
			began := time.Now()
			c.IsRefused(login, c.Say(talk.Plain(login, "not the password at all"), "535 "))
			took[login] = append(took[login], time.Since(began))
		}
	}
	for login, cause := range causes {
		if e := gate.Recorded(1, "--kind", "auth.failed", "--account", login); !slices.ContainsFunc(e, func(e harness.Event) bool { return e.Data["cause"] == cause }) {
			b.Errorf("%s: the record has %+v, want %q", login, e[0], cause)
		}
	}
	report(b, "PLAIN, directory", logins, took)
}
