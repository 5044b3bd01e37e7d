package attack

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// tries is how often each kind of failure is tried with each mechanism; maxApart is what the
// medians of one mechanism may differ by.
const (
	tries    = 200
	maxApart = 5 * time.Millisecond
)

// failure is a way for a login to fail.
type failure struct {
	name string
	// prepare makes the account of that login such that it fails; nil where nothing has to
	// be done.
	prepare func(g *harness.Gate, login string)
	// wrong says that the secret is.
	wrong bool
	// causes are what the record may call it.
	causes []string
}

// login is that of the account.
func (f failure) login() string { return strings.ReplaceAll(f.name, " ", "-") + "@example.org" }

func failures() []failure {
	// both does something to the account's password and to its token's user.
	both := func(args ...string) func(g *harness.Gate, login string) {
		return func(g *harness.Gate, login string) {
			for _, credential := range []string{"password", "idp"} {
				g.Admin("", slices.Concat([]string{"credential", args[0], login, credential}, args[1:])...)
			}
		}
	}
	soon := time.Now().Add(30 * time.Second).UTC().Format(time.RFC3339)
	return []failure{
		{"unknown", nil, false, []string{"unknown", "token-of-another"}},
		{"wrong", nil, true, []string{"wrong-password", "token: bad-signature"}},
		{"without credential", both("revoke"), false, []string{"no-credential", "no-keys", "token-of-another", "unknown"}},
		{"suspended", func(g *harness.Gate, login string) { g.Admin("", "account", "suspend", login) }, false, []string{"suspended"}},
		{"expired", both("set", "--expires", soon), false, []string{"expired"}},
		{"other network", both("set", "--allow-network", "192.0.2.0/24"), false, []string{"network"}},
	}
}

// failing is a gate at which every kind of failure has an account of its own.
type failing struct {
	*harness.Doors
	b     *testing.B
	keys  map[string]talk.Key // of each kind, what is shown
	right talk.Key
}

// BenchmarkFailures measures at the socket how far the kinds of failure of each mechanism are
// apart (promise 6), tried in turns. What the client computes is not counted. One mechanism
// alone is -bench Failures/NAME.
func BenchmarkFailures(b *testing.B) {
	if b.N != 1 {
		b.Fatal("this is for -benchtime 1x")
	}
	withoutDetector(b)
	f := newFailing(b)
	f.areWhatTheySay()
	for _, mechanism := range talk.Mechanisms() {
		b.Run(mechanism, func(b *testing.B) { f.measure(b, mechanism) })
	}
}

// newFailing starts the gate. Its tokens open accounts that have a credential for them.
func newFailing(b *testing.B) *failing {
	b.Helper()
	f := &failing{b: b, keys: map[string]talk.Key{}}
	const often = "[session]\nmax_auth_failures = 1000000\n"
	f.Doors = harness.ServeMeasured(b, "127.0.0.1:9", often)
	another := harness.NewIssuer(b, filepath.Join(b.TempDir(), "another.json"))
	another.KeyID = f.Issuer.KeyID
	for _, kind := range failures() {
		login := kind.login()
		if kind.name != "unknown" {
			f.add(login)
		}
		k := talk.Key{Login: login, Password: harness.Password, Token: f.Issuer.Token(f.Issuer.Claims(login))}
		if kind.wrong {
			f.right = k
			k.Password, k.Token = "not the password at all", another.Token(another.Claims(login))
		}
		if kind.prepare != nil {
			kind.prepare(f.Gate, login)
		}
		f.keys[kind.name] = k
	}
	harness.WaitFor(b, "the end of a credential", func() bool {
		return strings.Contains(f.try("PLAIN", f.keys["expired"]), "535 ")
	})
	return f
}

// add adds an account that every mechanism leads to.
func (f *failing) add(login string) {
	f.b.Helper()
	f.Admin(harness.Password+"\n", "account", "add", login)
	f.Admin("", "account", "set", login, "--legacy")
	f.Admin(harness.Password+"\n", "account", "passwd", login) // from which the keys are made
	f.Admin("", "credential", "add", login, "idp", "--oauth", "example "+login)
}

// try logs in once over a connection of its own.
func (f *failing) try(mechanism string, k talk.Key) (reply string) {
	f.b.Helper()
	c := talk.Open(f.b, f.Gate)
	defer c.Vanish(false)
	return c.Auth(c.By(mechanism, k))
}

// areWhatTheySay wants the record to have each kind of failure for what it is, and the right
// secret to get in, so that it is known what is measured.
func (f *failing) areWhatTheySay() {
	f.b.Helper()
	for _, mechanism := range talk.Mechanisms() {
		if reply := f.try(mechanism, f.right); !strings.HasPrefix(reply, "235 ") {
			f.b.Fatalf("%s with the right secret: %q", mechanism, reply)
		}
		for _, kind := range failures() {
			c := talk.Open(f.b, f.Gate)
			c.IsRefused(mechanism+", "+kind.name, c.Auth(c.By(mechanism, f.keys[kind.name])))
			var events []harness.Event
			harness.WaitFor(f.b, "the record of a failure", func() bool {
				events = f.Events("--kind", "auth.failed", "--session", c.Session)
				return len(events) > 0
			})
			if cause := events[0].Data["cause"]; !slices.Contains(kind.causes, cause) {
				f.b.Fatalf("%s, %s: the record has %q, want one of %q", mechanism, kind.name, cause, kind.causes)
			}
			c.Vanish(false)
		}
	}
}

// measure tries all kinds in turns on one connection, and prints their medians.
func (f *failing) measure(b *testing.B, mechanism string) {
	b.Helper()
	kinds, took := failures(), map[string][]time.Duration{}
	c := talk.Open(f.b, f.Gate)
	for i := range tries {
		for j := range kinds {
			name := kinds[(i+j)%len(kinds)].name
			took[name] = append(took[name], f.once(c, mechanism, f.keys[name]))
		}
	}
	var names []string
	for _, kind := range kinds {
		names = append(names, kind.name)
	}
	report(b, mechanism, names, took)
}

// report prints the medians of some kinds of failure, and how far they are apart.
func report(b *testing.B, mechanism string, names []string, took map[string][]time.Duration) {
	b.Helper()
	least, most, text := time.Hour, time.Duration(0), ""
	for _, name := range names {
		all := took[name]
		slices.Sort(all)
		median := all[len(all)/2]
		least, most = min(least, median), max(most, median)
		text += fmt.Sprintf(" %s %.2f", name, ms(median))
	}
	word := "met"
	if most-least >= maxApart {
		word = "MISSED"
	}
	fmt.Printf("%-18s ms, medians of %d:%s; %.2f apart, goal < %.0f: %s\n", mechanism, tries, text, ms(most-least), ms(maxApart), word)
	b.ReportMetric(ms(most-least), "ms-apart")
	b.ReportMetric(0, "ns/op") // means nothing here
}

// once fails once and returns what the gate took for all of its replies.
func (f *failing) once(c *talk.Client, mechanism string, k talk.Key) (took time.Duration) {
	f.b.Helper()
	d := c.By(mechanism, k)
	reply, _, err := c.Exchange(d, 1+len(d.Answers), func(line string) (string, error) {
		began := time.Now()
		reply, err := c.Ask(line)
		took += time.Since(began)
		return reply, err
	})
	if err != nil {
		f.b.Fatal(err)
	}
	c.IsRefused(mechanism, reply)
	return took
}
