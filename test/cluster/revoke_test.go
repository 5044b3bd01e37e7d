package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/generated"
	"countersign/internal/audit"
	"countersign/internal/login/secrets"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/seal"
	"countersign/internal/store/postgres"
	"countersign/internal/store/sqlite"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// felt is how soon a change must be in force everywhere.
const felt = time.Second

// site is some gates on one store, in which the test works as another process.
type site struct {
	t     *testing.T
	gates []*harness.Gate
	store siteStore
	ids   mail.IDSource
	// way is how clients come in; nil is by a password.
	way way
}

// way opens a session with a gate that comes in as an account, and returns it with the code of
// the reply that says so, 235 where it does.
type way func(g int, who, secret string) (c *talk.Client, code string)

// siteStore is what the test asks of the store.
type siteStore interface {
	account.Store
	List(ctx context.Context, f queue.Filter) ([]queue.Item, error)
	Search(ctx context.Context, q audit.Query) ([]audit.Event, error)
	Close() error
}

// TestRevocationOnTwoNodes is for gates that share a database.
func TestRevocationOnTwoNodes(t *testing.T) { newSite(t).revocations() }

// newSite starts two gates on one database.
func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteWith(t, "")
}

// newSiteWith is newSite with more configuration for each of them.
func newSiteWith(t *testing.T, extra string) *site {
	t.Helper()
	url := shared.Cluster(t).Database(t)
	key := filepath.Join(t.TempDir(), "seal.key")
	s := &site{t: t}
	nowhere := harness.FreePort(t) // mail waits, as nobody listens there
	for i, start := range []func(testing.TB, string, string) *harness.Gate{harness.Serve, harness.Join} {
		s.gates = append(s.gates, start(t, nowhere, fmt.Sprintf("[store]\nurl = %q\n[node]\nid = \"gate-%d\"\n[dkim]\nkey_file = %q\n%s", url, i, key, extra)))
	}
	s.open(postgres.Open(t.Context(), postgres.Options{URL: url, Patience: 30 * time.Second}))
	return s
}

// TestRevocationByAnotherProcess is for one gate with the embedded engine.
func TestRevocationByAnotherProcess(t *testing.T) {
	s := &site{t: t}
	s.gates = append(s.gates, harness.Serve(t, harness.FreePort(t), ""))
	s.open(sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(s.gates[0].Dir, "data", "countersign.db")}))
	s.revocations()
}

func (s *site) open(store siteStore, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	s.store = store
	s.t.Cleanup(func() { store.Close() })
}

// revocation is a change that ends the use of a credential.
type revocation struct {
	name string
	// app says that it is about the account's app password, not the password.
	app bool
	// change makes it and returns when it was made, at the latest.
	change func(s *site, who string) time.Time
	// held says that it holds waiting mail.
	held bool
}

func revocations() []revocation {
	command := func(stdin, line string) func(s *site, who string) time.Time {
		return func(s *site, who string) time.Time {
			began := time.Now().Add(-time.Second) // the store's clock shows microseconds
			s.gates[0].Admin(stdin, strings.Fields(strings.ReplaceAll(line, "WHO", who))...)
			return s.changed(who, began)
		}
	}
	return []revocation{
		{"password changed by the command", false, command("another long password\n", "account passwd WHO"), true},
		{"password changed and mail kept", false, command("another long password\n", "account passwd WHO --keep-mail"), false},
		{"account suspended by the command", true, command("", "account suspend WHO"), true},
		{"app password revoked", true, func(s *site, who string) time.Time {
			return s.put(who, func(a *account.Account) {
				a.Credentials = slices.DeleteFunc(a.Credentials, func(c account.Credential) bool { return c.Kind == account.AppPassword })
			})
		}, true},
		{"networks taken away", true, command("", "credential set WHO printer --allow-network 192.0.2.0/24"), true},
		{"networks taken away and mail kept", true, command("", "credential set WHO printer --allow-network 192.0.2.0/24 --keep-mail"), false},
	}
}

// changed returns when the record says that an account was changed last, no earlier than
// since.
func (s *site) changed(who string, since time.Time) time.Time {
	s.t.Helper()
	found, err := s.store.Search(s.t.Context(), audit.Query{Login: who, Since: since})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range slices.Backward(found) {
		if strings.HasPrefix(string(e.Kind), "admin.") && strings.HasPrefix(e.Actor, "cli:") {
			return e.At
		}
	}
	s.t.Fatalf("nothing is recorded of the change of %s: %+v", who, found)
	return time.Time{}
}

// put changes an account, and returns when it began with that.
func (s *site) put(who string, change func(a *account.Account)) time.Time {
	s.t.Helper()
	a, err := s.store.Account(s.t.Context(), who)
	if err != nil {
		s.t.Fatal(err)
	}
	change(&a)
	began := time.Now()
	if err := s.store.PutAccount(s.t.Context(), a, audit.Event{At: began, Kind: audit.AdminChanged, Actor: "test", Object: "account " + who}); err != nil {
		s.t.Fatal(err)
	}
	return began
}

// revocations makes each change of an account of its own, and wants it in force.
func (s *site) revocations() {
	for i, r := range revocations() {
		s.t.Run(r.name, func(t *testing.T) {
			who := fmt.Sprintf("user%d@example.org", i)
			part := &site{t: t, gates: s.gates, store: s.store}
			part.revoke(r, who)
		})
	}
}

func (s *site) revoke(r revocation, who string) {
	s.t.Helper()
	s.gates[0].Admin(harness.Password+"\n", "account", "add", who)
	secret := harness.Password
	if r.app {
		secret = s.addApp(who)
	}
	s.ends(r, who, secret)
}

// ends wants a change to end what an account has of open sessions, logins and waiting mail.
func (s *site) ends(r revocation, who, secret string) {
	t := s.t
	t.Helper()
	var open []*talk.Client
	for g := range s.gates {
		open = append(open, s.login(g, who, secret))
		s.login(g, who, secret) // remembered by now
		talk.Accepted(t, open[g].SubmitAs(who, "b@example.com", talk.MessageOf(who, "one", "one")))
	}
	s.waiting(who, queue.Held, 0)

	ends := make([]chan ending, len(open))
	for g, o := range open {
		ends[g] = make(chan ending, 1)
		go func() { ends[g] <- commands(o, who) }()
	}
	at := r.change(s, who)
	for g := range open {
		e := <-ends[g]
		if e.code != "421" && e.code != "535" {
			t.Fatalf("gate %d answers a command with %s (%v)", g, e.code, e.err)
		}
		last := e.last
		t.Logf("gate %d: the last command that was taken began %v after the change", g, last.Sub(at))
		if at.Sub(last) > felt/2 {
			t.Errorf("the session with gate %d ended %v before the change", g, at.Sub(last))
		}
		if last.Sub(at) > felt {
			t.Errorf("gate %d takes commands for %v after the change", g, last.Sub(at))
		}
	}
	for g := range s.gates {
		if code := s.code(g, who, secret); code != "535" && (s.way == nil || code != "530") {
			t.Errorf("gate %d answers the old secret with %s", g, code)
		}
	}
	held := 0
	if r.held {
		held = len(s.gates)
	}
	s.waiting(who, queue.Held, held)
	if took := time.Since(at); took > 10*felt {
		t.Errorf("all of it took %v", took)
	}
}

// TestNarrowerSendersOnTwoNodes: of the mail of a credential that may send under one
// address only from now on, what came under another is held, and the rest goes on.
func TestNarrowerSendersOnTwoNodes(t *testing.T) {
	s := newSite(t)
	const who, alias = "user@example.org", "alias@example.org"
	s.gates[0].Admin(harness.Password+"\n", "account", "add", who, "--alias", alias)
	secret := s.addApp(who)
	for g := range s.gates {
		c := s.login(g, who, secret)
		talk.Accepted(t, c.SubmitAs(who, "b@example.com", talk.MessageOf(who, "one", "one")))
		talk.Accepted(t, c.SubmitAs(alias, "b@example.com", talk.MessageOf(alias, "one", "one")))
	}
	out := s.gates[0].Admin("", "credential", "set", who, "printer", "--sender", alias)
	if !strings.Contains(out, "changed; 2 deliveries held: ") {
		t.Errorf("the command says %s", out)
	}
	s.waiting(who, queue.Held, len(s.gates))
	list, err := s.store.List(t.Context(), queue.Filter{Login: who, State: queue.Held})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range list {
		if from := item.Submission.Envelope.From.String(); from != who {
			t.Errorf("mail of %s is held", from)
		}
	}
	s.gates[1].Admin("", "credential", "set", who, "printer", "--any-sender")
	s.waiting(who, queue.Held, len(s.gates))
	s.gates[1].Admin("", "queue", "release", "--account", who)
	s.waiting(who, queue.Held, 0)
}

// addApp gives an account an app password and returns that.
func (s *site) addApp(who string) string {
	s.t.Helper()
	password, err := generated.Password(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	secret := s.secret(who, password)
	s.put(who, func(a *account.Account) {
		a.Credentials = append(a.Credentials, account.Credential{
			ID: s.ids.New(), Kind: account.AppPassword, Name: "printer", Secret: secret, Created: time.Now(), Changed: time.Now().Truncate(time.Microsecond),
		})
	})
	return password
}

// secret makes what is stored of an app password.
func (s *site) secret(who, password string) account.Secret {
	s.t.Helper()
	salt, err := s.store.Salt(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	hasher, err := secrets.NewHasher(secrets.HasherOptions{Queue: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	sealer, err := seal.New(make([]byte, 32), rand.Reader) // nothing is sealed
	if err != nil {
		s.t.Fatal(err)
	}
	maker, err := secrets.NewMaker(secrets.MakerOptions{Hasher: hasher, Sealer: sealer, Salt: salt})
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := maker.MakeSecret(s.t.Context(), who, password, account.AppPassword, false)
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// waiting wants so many deliveries of an account in a state.
func (s *site) waiting(who string, state queue.State, want int) {
	s.t.Helper()
	list, err := s.store.List(s.t.Context(), queue.Filter{Login: who, State: state})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(list) != want {
		s.t.Errorf("%d deliveries are %s, want %d", len(list), state, want)
	}
}

// login opens a session that has logged in.
func (s *site) login(g int, who, secret string) *talk.Client {
	s.t.Helper()
	c, code := s.come(g, who, secret)
	if code != "235" {
		s.t.Fatalf("gate %d answers a login with %s", g, code)
	}
	return c
}

// code returns what a login is answered with.
func (s *site) code(g int, who, secret string) string {
	s.t.Helper()
	_, code := s.come(g, who, secret)
	return code
}

// come is the way in.
func (s *site) come(g int, who, secret string) (*talk.Client, string) {
	s.t.Helper()
	if s.way != nil {
		return s.way(g, who, secret)
	}
	return s.auth(g, who, secret)
}

func (s *site) auth(g int, who, secret string) (c *talk.Client, code string) {
	s.t.Helper()
	c = talk.Open(s.t, s.gates[g])
	c.Send(talk.Plain(who, secret) + "\r\n")
	return c, c.Reply()[:3]
}

// ending is how a session ended.
type ending struct {
	// last is when the last command began that was taken.
	last time.Time
	// code is that of the reply to the one that was not.
	code string
	err  error
}

// commands says MAIL, RCPT and RSET until one is refused, for a minute at most. It says
// RSET seldom, of which a session without messages has a hundred.
func commands(c *talk.Client, who string) ending {
	round := []string{"MAIL FROM:<" + who + ">"}
	for range 90 {
		round = append(round, "RCPT TO:<b@example.com>")
	}
	round = append(round, "RSET")
	pace := time.NewTicker(2 * time.Millisecond) // at full speed it is over within a second
	defer pace.Stop()
	first := time.Now()
	last := first
	for time.Since(first) < time.Minute {
		for _, line := range round {
			<-pace.C
			began := time.Now()
			reply, err := c.Ask(line)
			if code, _, _ := strings.Cut(reply, " "); err != nil || code != "250" {
				return ending{last, code, err}
			}
			last = began
		}
	}
	return ending{last, "", errors.New("every command is taken")}
}
