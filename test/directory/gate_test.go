package directory

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"syscall"
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
	// witness says that it can be asked, without a password, how an account stands.
	witness bool
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
	return auth + "\n" + cheap + "\n" + table + "remember = \"" + remember.String() + "\"\nfailures = 2\npause = \"1s\"\n"
}

// testSite is the life of an account that one directory alone knows.
func testSite(t *testing.T, s site) {
	b, hop := newBox(t)
	g := &gate{Gate: harness.ServeEmpty(t, hop, s.config), box: b, directory: regexp.MustCompile(`(?m)^name = "(.*)"$`).FindStringSubmatch(s.config)[1]}
	g.isExplained(t)
	g.refuses(t, "PLAIN", live, "wrong")
	g.refuses(t, "PLAIN", "nobody@example.org", livePassword)
	if list := g.Admin("", "account", "list"); strings.Contains(list, "@example.org") {
		t.Errorf("a refusal has made an account:\n%s", list)
	}
	for _, mechanism := range s.mechanisms {
		g.sends(t, mechanism)
		g.refuses(t, mechanism, live, "wrong")
	}
	g.isListed(t)
	g.isSuspended(t)
	g.isAway(t, s)
	g.isGone(t, s)
	g.isSigned(t)
}

// isExplained wants the command of the page to say that the account would be let in, before
// it is there.
func (g *gate) isExplained(t testing.TB) {
	t.Helper()
	if text := g.Admin(livePassword+"\n", "auth", "test", live); !strings.Contains(text, "PASSED") || !strings.Contains(text, g.directory) {
		t.Errorf("the login is explained so:\n%s", text)
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
	if n := len(g.Recorded(g.mails, "--kind", "submission.accepted", "--account", live)); n != g.mails || n != len(g.box.all()) {
		t.Errorf("the record has %d messages of %d", n, g.mails)
	}
}

// patience is for what is felt within a second, on a machine that does much else.
const patience = 5 * time.Second

// isSuspended: the command is felt by the session that is open, and by the next login,
// whose password is remembered; the directory is not asked for that.
func (g *gate) isSuspended(t testing.TB) {
	t.Helper()
	open, reply := g.login(t, "PLAIN", live, livePassword)
	if !strings.HasPrefix(reply, "235 ") {
		t.Fatal(reply)
	}
	g.Admin("", "account", "suspend", live)
	began := time.Now()
	harness.WaitFor(t, "the open session to feel it", func() bool {
		for _, line := range []string{"MAIL FROM:<" + live + ">", "RSET"} {
			open.Send(line + "\r\n")
			if reply = open.Reply(); !strings.HasPrefix(reply, "250 ") {
				return true
			}
		}
		return false
	})
	if took := time.Since(began); !strings.HasPrefix(reply, "421 4.7.0 ") || took > patience {
		t.Errorf("the open session after %v: %s", took, reply)
	}
	g.refuses(t, "PLAIN", live, livePassword)
	g.Admin("", "account", "resume", live)
	g.sends(t, "PLAIN")
}

// isAway: while the server is down nobody gets in, nor is anybody told that the password
// is wrong, and where the directory can say how an account stands, an app password waits for
// that too; health and metrics say which directory it is; and
// the gate finds it again, one that was started meanwhile, too.
func (g *gate) isAway(t testing.TB, s site) {
	t.Helper()
	made := g.Admin("", "credential", "add", live, "scanner", "--app-password", "--sender", live)
	scanner := regexp.MustCompile(`(?m)^password: (.*)$`).FindStringSubmatch(made)
	if scanner == nil {
		t.Fatalf("there is no app password in %q", made)
	}
	g.isWell(t)
	s.stop()
	g.isUndecided(t, s)
	g.until(t, undecided)
	status, body := g.Get("/readyz")
	if status != http.StatusOK || !strings.Contains(body, `"directory `+g.directory+`": "warning: `) {
		t.Errorf("health says: %d %s", status, body)
	}
	if _, body := g.Get("/metrics"); !strings.Contains(body, `countersign_directory_left_alone{directory="`+g.directory+`"} 1`) {
		t.Error("the metrics do not say that it is left alone")
	}
	harness.WaitFor(t, "the record of these logins", func() bool {
		return len(g.Events("--kind", "auth.failed", "--reason", "auth-unavailable", "--account", live)) > len(clearSecrets)
	})
	g.Kill(syscall.SIGTERM)
	g.Start()
	g.isUndecided(t, s)
	if reply := g.tries(t, "PLAIN", live, scanner[1]); strings.HasPrefix(reply, "235 ") == s.witness || !strings.HasPrefix(reply, "235 ") && !strings.HasPrefix(reply, undecided) {
		t.Errorf("the app password: %s", reply)
	}
	s.start()
	for _, mechanism := range s.mechanisms {
		harness.WaitFor(t, "the directory to be asked again", func() bool {
			reply := g.tries(t, mechanism, live, livePassword)
			if !strings.HasPrefix(reply, "235 ") && !strings.HasPrefix(reply, undecided) {
				t.Fatalf("%s, when it is back: %s", mechanism, reply)
			}
			return strings.HasPrefix(reply, "235 ")
		})
	}
	g.sends(t, "PLAIN")
	g.isWell(t)
}

// isWell wants health to find no fault with the directory.
func (g *gate) isWell(t testing.TB) {
	t.Helper()
	if _, body := g.Get("/readyz"); !strings.Contains(body, `"directory `+g.directory+`": "ok"`) {
		t.Errorf("health says: %s", body)
	}
}

// isUndecided wants that nothing can be said of a password that nobody remembers.
func (g *gate) isUndecided(t testing.TB, s site) {
	t.Helper()
	for range 2 {
		for _, mechanism := range s.mechanisms {
			if reply := g.tries(t, mechanism, live, "wrong"); !strings.HasPrefix(reply, undecided) {
				t.Errorf("%s, while it is away: %s", mechanism, reply)
			}
		}
	}
}

// isGone: an account that is taken away in the directory is refused when its password is
// not remembered any more.
func (g *gate) isGone(t testing.TB, s site) {
	t.Helper()
	s.remove()
	g.until(t, "535 5.7.8 ")
	g.refuses(t, "PLAIN", live, livePassword)
}

// undecided begins the reply to a login that nobody can check.
const undecided = "454 4.7.0 Logins cannot be checked"

// until logs in until the password is not remembered any more, which must not last longer
// than it should, and wants that answer then.
func (g *gate) until(t testing.TB, want string) {
	t.Helper()
	var known time.Time
	harness.WaitFor(t, "the end of what is remembered", func() bool {
		began := time.Now()
		reply := g.tries(t, "PLAIN", live, livePassword)
		passed := strings.HasPrefix(reply, "235 ")
		if passed && known.IsZero() {
			known = time.Now() // it was remembered before this
		}
		if passed && began.Sub(known) > remember {
			t.Fatalf("the password is still good %v later", began.Sub(known))
		}
		if !passed && !strings.HasPrefix(reply, want) {
			t.Fatal(reply)
		}
		return !passed
	})
}
