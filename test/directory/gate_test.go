package directory

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign/internal/dkim"
	"countersign/test/harness"
)

// The account that the directories of these tests know.
const (
	live         = "live@example.org"
	livePassword = "pencil"
)

// remember is how long the gates of these tests remember a password: long enough to see
// that they do.
const remember = 2 * time.Second

// site is a directory as a test of the gate sees it.
type site struct {
	// config is what the page tells operators to write, for this server.
	config string
	// mechanisms are those that it can be asked about.
	mechanisms []string
	// stop and start are for the server; remove takes the account away there.
	stop, start, remove func()
}

// gate is a real gate that has no account but those of one directory.
type gate struct {
	*harness.Gate
	box *box
	// directory is the name of the directory.
	directory string
	mails     int // that were sent
}

// testGate lets accounts of each kind of directory log in at the real gate and send.
func testGate(t *testing.T, p *peers) {
	for kind, prepare := range map[string]func(t *testing.T, p *peers) site{
		"dovecot": dovecotSite, "ldap": ldapSite, "sql on PostgreSQL": postgresSite, "sql on MariaDB": mariaSite, "http": panelSite,
	} {
		t.Run(kind, func(t *testing.T) {
			s := prepare(t, p)
			t.Parallel()
			testSite(t, s)
		})
	}
}

// adapted is a configuration of the page with other values, and with what makes waiting short
// and failing cheap.
func adapted(t testing.TB, config string, values map[string]string) string {
	t.Helper()
	for option, value := range values {
		line := regexp.MustCompile(`(?m)^` + option + ` = .*$`)
		if len(line.FindAllString(config, -1)) != 1 {
			t.Fatalf("the page's example has not one line of %s:\n%s", option, config)
		}
		config = line.ReplaceAllLiteralString(config, option+" = "+value)
	}
	auth, table, found := strings.Cut(config, "\n\n")
	if !found {
		t.Fatalf("the page's example has not two tables:\n%s", config)
	}
	const cheap = "hash_memory = \"7MiB\"\nhash_iterations = 1\n"
	return auth + "\nremember = \"" + remember.String() + "\"\n" + cheap + "\n" + table + "failures = 2\npause = \"1s\"\n"
}

// testSite is the life of an account that one directory alone knows.
func testSite(t *testing.T, s site) {
	b, hop := newBox(t)
	g := &gate{Gate: harness.ServeEmpty(t, hop, s.config), box: b, directory: regexp.MustCompile(`(?m)^name = "(.*)"$`).FindStringSubmatch(s.config)[1]}
	for _, mechanism := range s.mechanisms {
		g.refuses(t, mechanism, live, "wrong")
	}
	if list := g.Admin("", "account", "list"); strings.Contains(list, live) {
		t.Errorf("a wrong password has made the account:\n%s", list)
	}
	for _, mechanism := range s.mechanisms {
		g.sends(t, mechanism)
		g.refuses(t, mechanism, live, "wrong")
		g.refuses(t, mechanism, "nobody@example.org", livePassword)
	}
	g.isListed(t)
	g.isSuspended(t)
	g.isAway(t, s)
	g.isGone(t, s)
	g.isSigned(t)
}

// refuses wants a login to be refused for good.
func (g *gate) refuses(t testing.TB, mechanism, login, password string) {
	t.Helper()
	if _, code, text := g.login(t, mechanism, login, password); code != 535 || !strings.HasPrefix(text, "5.7.8 ") {
		t.Errorf("%s of %s: %d %s", mechanism, login, code, text)
	}
}

// isListed wants an account without a password, in a domain with keys, that is the
// directory's.
func (g *gate) isListed(t testing.TB) {
	t.Helper()
	var list []struct {
		Address, Directory string
		HasPassword        bool `json:"has_password"`
	}
	g.parse(t, &list, "account", "list", "--json")
	if len(list) != 1 || list[0].Address != live || list[0].Directory != g.directory || list[0].HasPassword {
		t.Errorf("the accounts are %+v", list)
	}
	var domain struct{ Customer string }
	g.parse(t, &domain, "domain", "show", "example.org", "--json")
	if domain.Customer != "hosting" {
		t.Errorf("the domain is %+v", domain)
	}
}

// parse reads what a command prints.
func (g *gate) parse(t testing.TB, into any, args ...string) {
	t.Helper()
	text := g.Admin("", args...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%q prints %v: %s", args, err, text)
	}
}

// isSigned wants each message that arrived to have the signatures of both keys of the
// domain, and the record to have them all.
func (g *gate) isSigned(t testing.TB) {
	t.Helper()
	var domain struct {
		Records []struct{ Name, Value string }
	}
	g.parse(t, &domain, "domain", "show", "example.org", "--json")
	lookup := func(name string) (values []string, err error) {
		for _, r := range domain.Records {
			if strings.TrimSuffix(r.Name, ".") == strings.TrimSuffix(name, ".") {
				values = append(values, r.Value)
			}
		}
		return values, nil
	}
	for subject, text := range g.box.all() {
		results, err := dkim.Verify(strings.NewReader(text), lookup)
		if err != nil || len(results) != 2 || results[0].Err != nil || results[1].Err != nil {
			t.Errorf("%s: the signatures: %+v, %v", subject, results, err)
		}
	}
	if n := len(g.Events("--kind", "submission.accepted", "--account", live)); n != g.mails || n != len(g.box.all()) {
		t.Errorf("the record has %d messages of %d", n, g.mails)
	}
}

// patience is for what is felt within a second, on a machine that does much else.
const patience = 5 * time.Second

// isSuspended: the command is felt by the session that is open, and by the next login,
// whose password is remembered; the directory is not asked for that.
func (g *gate) isSuspended(t testing.TB) {
	t.Helper()
	open, code, text := g.login(t, "PLAIN", live, livePassword)
	if code != 235 {
		t.Fatalf("%d %s", code, text)
	}
	g.Admin("", "account", "suspend", live)
	began := time.Now()
	harness.WaitFor(t, "the open session to feel it", func() bool {
		err := open.Mail(live)
		if err == nil {
			err = open.Reset()
		}
		code, text = answer(err)
		return err != nil
	})
	if took := time.Since(began); code != 421 || !strings.HasPrefix(text, "4.7.0 ") || took > patience {
		t.Errorf("the open session after %v: %d %s", took, code, text)
	}
	g.refuses(t, "PLAIN", live, livePassword)
	g.Admin("", "account", "resume", live)
	g.sends(t, "PLAIN")
}

// isAway: while the server is down nobody gets in, nor is anybody told that the password
// is wrong; health and metrics say which directory it is; and the gate finds it again.
func (g *gate) isAway(t testing.TB, s site) {
	t.Helper()
	if _, body := g.get(t, "/readyz"); !strings.Contains(body, `"directory `+g.directory+`": "ok"`) {
		t.Errorf("health says: %s", body)
	}
	s.stop()
	for range 3 { // nobody remembers these
		if _, code, text := g.login(t, "PLAIN", live, "wrong"); code != 454 || !strings.HasPrefix(text, "4.7.0 Logins cannot be checked") {
			t.Errorf("while it is away: %d %s", code, text)
		}
	}
	g.until(t, 454)
	status, body := g.get(t, "/readyz")
	if status != http.StatusOK || !strings.Contains(body, `"directory `+g.directory+`": "warning: `) {
		t.Errorf("health says: %d %s", status, body)
	}
	if _, body := g.get(t, "/metrics"); !strings.Contains(body, `countersign_directory_left_alone{directory="`+g.directory+`"} 1`) {
		t.Error("the metrics do not say that it is left alone")
	}
	harness.WaitFor(t, "the record of these logins", func() bool {
		return len(g.Events("--kind", "auth.failed", "--reason", "auth-unavailable", "--account", live)) == 4
	})
	s.start()
	harness.WaitFor(t, "the directory to be asked again", func() bool {
		code, text := g.tries(t)
		if code != 235 && code != 454 {
			t.Fatalf("when it is back: %d %s", code, text)
		}
		return code == 235
	})
	g.sends(t, "PLAIN")
	if _, body := g.get(t, "/readyz"); !strings.Contains(body, `"directory `+g.directory+`": "ok"`) {
		t.Errorf("health says afterwards: %s", body)
	}
}

// isGone: an account that is taken away in the directory is refused when its password is
// not remembered any more.
func (g *gate) isGone(t testing.TB, s site) {
	t.Helper()
	s.remove()
	g.until(t, 535)
	g.refuses(t, "PLAIN", live, livePassword)
}

// until logs in until the answer is not the one that is remembered, which must last for
// that time and no longer, and wants the new one.
func (g *gate) until(t testing.TB, want int) {
	t.Helper()
	var known time.Time
	harness.WaitFor(t, "the end of what is remembered", func() bool {
		began := time.Now()
		code, text := g.tries(t)
		if code == 235 && !known.IsZero() && began.Sub(known) > remember {
			t.Fatalf("the password is still good %v later", began.Sub(known))
		}
		if code == 235 && known.IsZero() {
			known = time.Now() // it was remembered before this
		}
		if code != 235 && code != want {
			t.Fatalf("%d %s", code, text)
		}
		return code == want
	})
}

// tries logs in with the right password, and leaves.
func (g *gate) tries(t testing.TB) (code int, text string) {
	t.Helper()
	c, code, text := g.login(t, "PLAIN", live, livePassword)
	if c != nil {
		c.Close()
	}
	return code, text
}

// get asks the listener for metrics.
func (g *gate) get(t testing.TB, path string) (status int, body string) {
	t.Helper()
	answer, err := http.Get("http://" + g.Metrics + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}
