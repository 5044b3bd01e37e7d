package login

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/hash"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/alike"
	"countersign/internal/login/why"
	"countersign/internal/mail"
)

const ownLogin = "own@out.example"

// tardy is a place that takes its time.
type tardy struct {
	*place
	takes time.Duration
}

func (p *tardy) Ask(ctx context.Context, q directory.Question) (*directory.Answer, error) {
	select {
	case <-time.After(p.takes):
	case <-ctx.Done():
		return nil, fault.Wrap("test", fault.Canceled, ctx.Err())
	}
	return p.place.Ask(ctx, q)
}

// chain is two of them before the domain out.example.
type chain struct {
	many
	list []*tardy
}

func (c chain) For(mail.Domain) (list []directory.Source) {
	for _, p := range c.list {
		list = append(list, p)
	}
	return list
}

// neighbours is a world in whose domain out.example are accounts of the store, and of the
// two directories of which the first verifies passwords itself, in 2 s where they are
// wrong. A derivation takes 30 ms.
func neighbours(t *testing.T) (*world, chain) {
	t.Helper()
	w, m := outsiders(t, 0)
	c := chain{many: m, list: []*tardy{{m[0], 2 * time.Second}, {m[1], 10 * time.Millisecond}}}
	w.beside(c)
	m[0].answers["here@out.example"] = directory.Answer{Login: "here@out.example", Verified: true}
	m[0].answers["revoked@out.example"] = directory.Answer{Login: "revoked@out.example", Verified: true}
	m[1].answers["cheap@out.example"] = directory.Answer{Login: "cheap@out.example", Hash: hashOf(t, cheaper, goodPassword).Text()}
	for _, login := range []string{ownLogin, "off-here@out.example", "bare@out.example"} {
		if err := w.admin.AddAccount(t.Context(), admin.NewAccount{Address: at(login), Password: goodPassword}); err != nil {
			t.Fatal(err)
		}
	}
	for _, login := range []string{"v@out.example", "here@out.example", "revoked@out.example", "plain@out.example"} {
		w.must(fromOutside(w, login, goodPassword))
	}
	w.give("off-here@out.example", func(a *account.Account) { a.State = account.Suspended })
	w.give("here@out.example", func(a *account.Account) { a.State = account.Suspended })
	w.give("bare@out.example", func(a *account.Account) { a.Credentials = nil })
	w.give("revoked@out.example", func(a *account.Account) { a.Credentials = nil })
	w.must(fromOutside(w, "cheap@out.example", goodPassword)) // its kind of hash is known from now on
	w.during = func() { time.Sleep(30 * time.Millisecond) }
	for _, p := range c.list {
		p.asked = nil
	}
	w.work()
	return w, c
}

// Only a hash that somebody has logged in with is a kind that failures cost, and none that
// costs far more than those of the day.
func TestHashesThatNobodyHasProvedCostNobody(t *testing.T) {
	w, m := outsiders(t, 0)
	costly := hashOf(t, hash.Params{MemoryKiB: 8 * mostKinds * today.MemoryKiB, Iterations: 1, Parallelism: 1}, goodPassword)
	m[1].answers["cheap@out.example"] = directory.Answer{Login: "cheap@out.example", Hash: hashOf(t, cheaper, goodPassword).Text()}
	m[1].answers["costly@out.example"] = directory.Answer{Login: "costly@out.example", Hash: costly.Text()}
	var told []string
	w.restart(setup{options: Options{Directories: m, Hashes: alike.Hashes{
		TooCostly: func(directory string, c hash.Cost) { told = append(told, directory+": "+c.String()) },
		Unsaid: func(directory string, c hash.Cost) {
			t.Errorf("told of %s of %s, of whose hashes nothing was said", c, directory)
		},
	}}})
	known := func() int { return len(w.v.kinds.Of(t.Context(), m[1].name)) }
	before := known()
	_, _ = fromOutside(w, "cheap@out.example", wrongPassword)
	if known() != before {
		t.Error("a hash counts that nobody has proved")
	}
	_, _ = fromOutside(w, "costly@out.example", wrongPassword)
	if len(told) != 0 {
		t.Errorf("told of a hash that nobody has proved: %q", told)
	}
	for range 2 {
		w.must(fromOutside(w, "costly@out.example", goodPassword))
	}
	if known() != before {
		t.Error("a hash counts that is too costly")
	}
	if want := []string{m[1].name + ": " + costly.Cost().String()}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q, once", told, want)
	}
	w.must(fromOutside(w, "cheap@out.example", goodPassword))
	if known() != before+1 || len(told) != 1 {
		t.Errorf("a hash that was proved does not count; told %q", told)
	}
}

// With the argon2id of the day as it is by default, failures cost what is widely recommended
// for hashes in a directory.
func TestRecommendedHashesAreLevelled(t *testing.T) {
	for _, text := range []string{"bcrypt 12", "pbkdf2-sha256 600000"} {
		w, m := outsiders(t, 0)
		w.restart(setup{params: hash.DefaultParams(), options: Options{Directories: m}})
		cost, err := hash.ParseCost(text)
		if err != nil {
			t.Fatal(err)
		}
		w.v.kinds.Learn(m[1].name, cost)
		w.work()
		_, _ = fromOutside(w, "nobody@out.example", goodPassword)
		if work := fmt.Sprint(w.work()); !strings.Contains(work, text) {
			t.Errorf("a failure has cost %s, without %s", work, text)
		}
	}
}

// failing are logins that must look alike.
func failing() map[string][2]string {
	return map[string][2]string{
		"own, wrong password":           {ownLogin, wrongPassword},
		"own, suspended":                {"off-here@out.example", goodPassword},
		"own, suspended and wrong":      {"off-here@out.example", wrongPassword},
		"own, without a password":       {"bare@out.example", goodPassword},
		"unknown":                       {"nobody@out.example", goodPassword},
		"wrong in the first":            {"v@out.example", wrongPassword},
		"wrong in the second":           {"plain@out.example", wrongPassword},
		"wrong, a cheaper hash":         {"cheap@out.example", wrongPassword},
		"disabled there":                {"off@out.example", goodPassword},
		"disabled there, wrong":         {"off@out.example", wrongPassword},
		"wrong place there":             {"near@out.example", goodPassword},
		"suspended here":                {"here@out.example", goodPassword},
		"suspended here, wrong":         {"here@out.example", wrongPassword},
		"revoked here":                  {"revoked@out.example", goodPassword},
		"an answer about somebody else": {"alias@out.example", goodPassword},
	}
}

// states are how the two directories may be.
func states() map[string]func(c chain) {
	down := func(n int, kind fault.Kind, takes time.Duration) func(c chain) {
		return func(c chain) { c.list[n].err, c.list[n].takes = fault.New("test", kind, "away"), takes }
	}
	return map[string]func(c chain){
		"well":         func(chain) {},
		"slow":         func(c chain) { c.list[0].takes, c.list[1].takes = 9*time.Second, 7*time.Second },
		"first down":   down(0, fault.Unavailable, 0),
		"first hangs":  down(0, fault.Unavailable, 5*time.Second),
		"second down":  down(1, fault.Unavailable, 0),
		"second hangs": down(1, fault.Unavailable, 5*time.Second),
		"first busy":   down(0, fault.Busy, 0),
		"second lies":  down(1, fault.Corrupt, time.Second),
	}
}

// Whatever fails in a directory's domain has the same answer after the same time and the
// same work, whether the store has the name, a directory, both or none; and none of it
// tells a directory what it need not know.
func TestFailuresAroundDirectoriesAreAlike(t *testing.T) {
	for state, set := range states() {
		synctest.Test(t, func(t *testing.T) {
			w, c := neighbours(t)
			set(c)
			var want string
			for name, f := range failing() {
				c.list[0].asked, c.list[1].asked = nil, nil
				began := time.Now()
				p, err := fromOutside(w, f[0], f[1])
				got := fmt.Sprint(p, fault.KindOf(err), " ", fault.ReasonOf(err), " after ", time.Since(began), " and ", w.work())
				if want == "" {
					want = got
				}
				if got != want {
					t.Errorf("%s, %s: %s\nothers: %s", state, name, got, want)
				}
				if reason := fault.ReasonOf(err); (reason == "auth-failed") != (state == "well" || state == "slow") {
					t.Errorf("%s, %s: %v", state, name, err)
				}
				wantDiscreet(t, c, f[0])
			}
		})
	}
}

// wantDiscreet fails where a directory was told of a name or a password that is not its own.
func wantDiscreet(t *testing.T, c chain, login string) {
	t.Helper()
	for _, p := range c.list {
		if len(p.asked) > 1 {
			t.Errorf("%s: directory %s was asked %d times", login, p.name, len(p.asked))
		}
		for _, q := range p.asked {
			if q.Login == login {
				continue
			}
			if !strings.HasSuffix(q.Login, "@out.example") || q.Password == goodPassword || q.Password == wrongPassword || q.Password == "" || q.Client.IsValid() {
				t.Errorf("%s: directory %s was asked %+v", login, p.name, q)
			}
			if _, there := p.answers[q.Login]; there {
				t.Errorf("%s: directory %s was asked about its account %s", login, p.name, q.Login)
			}
		}
	}
}

// Passwords of the store's own accounts, and of those that a directory must not be asked
// about, go to no directory; who has the right one gets in whatever becomes of directories.
func TestOwnPasswordsStayHere(t *testing.T) {
	for state, set := range states() {
		synctest.Test(t, func(t *testing.T) {
			w, c := neighbours(t)
			set(c)
			w.must(fromOutside(w, ownLogin, goodPassword))
			if n := len(c.list[0].asked) + len(c.list[1].asked); n != 0 {
				t.Errorf("%s: %d questions about an account of the store", state, n)
			}
			for _, login := range []string{ownLogin, "here@out.example", "bare@out.example", "revoked@out.example"} {
				_, _ = fromOutside(w, login, wrongPassword)
			}
			for _, p := range c.list {
				for _, q := range p.asked {
					if slices.Contains([]string{ownLogin, "here@out.example", "bare@out.example", "revoked@out.example"}, q.Login) {
						t.Errorf("%s: asked about %s", state, q.Login)
					}
				}
			}
		})
	}
}

// The name that is asked about in vain is the same for a login each time, and another for
// each login.
func TestNobodyIsAlwaysTheSame(t *testing.T) {
	w, c := neighbours(t)
	c.list[0].takes, c.list[1].takes, w.during = 0, 0, nil
	for range 2 {
		_, _ = fromOutside(w, ownLogin, wrongPassword)
	}
	_, _ = fromOutside(w, "bare@out.example", wrongPassword)
	asked := c.list[0].asked
	if len(asked) != 3 || asked[0].Login != asked[1].Login || asked[0].Login == asked[2].Login || asked[0].Password == asked[1].Password {
		t.Errorf("asked %+v", asked)
	}
}

// The record says why a login would have failed, also where a directory that is away made
// it trouble.
func TestTheCauseOfTroubleIsRecorded(t *testing.T) {
	w, c := neighbours(t)
	c.list[0].takes, c.list[1].takes, w.during = 0, 0, nil
	c.list[0].err = fault.New("test", fault.Unavailable, "away")
	for login, cause := range map[string]string{ownLogin: "wrong-password", "here@out.example": "suspended", "nobody@out.example": ""} {
		_, err := fromOutside(w, login, wrongPassword)
		if fault.ReasonOf(err) != "auth-unavailable" || why.Word(err) != cause {
			t.Errorf("%s: %v (%s)", login, err, why.Word(err))
		}
	}
}

// A login that is explained asks nobody in vain.
func TestExplainingAsksNobodyInVain(t *testing.T) {
	w, c := neighbours(t)
	c.list[0].takes, c.list[1].takes, w.during = 0, 0, nil
	wrong := wrongPassword
	x, err := w.v.Explain(t.Context(), Question{Attempt: Attempt{Client: netip.MustParseAddr("192.0.2.7"), Mechanism: "PLAIN"}, Login: ownLogin, Password: &wrong})
	if err != nil || x.Cause != "wrong-password" || len(c.list[0].asked)+len(c.list[1].asked) != 0 {
		t.Errorf("%+v, %v", x, err)
	}
}
