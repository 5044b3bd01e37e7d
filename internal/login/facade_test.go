package login

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xdg-go/scram"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/alike"
	"countersign/internal/login/outside"
	"countersign/internal/login/secrets"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// castle is a directory that runs SCRAM as a Dovecot does: it challenges for its names at
// once, and refuses all else after 2 s. The proof of each of its accounts is "right".
type castle struct {
	place
	// answers is how long it takes to challenge, refuses to refuse.
	answers, refuses time.Duration
	down             fault.Kind // Internal for not at all
	iterations, salt int
	disabled         bool

	mu   sync.Mutex // guards what follows
	seen []string   // the names of all exchanges
	open int
}

func (p *castle) Patience() time.Duration { return 5 * time.Second }
func (p *castle) Offers(mechanism string, first bool) bool {
	return !first && strings.HasPrefix(mechanism, "SCRAM-")
}

func (p *castle) Begin(_ context.Context, q directory.Question) (outside.Passed, error) {
	p.count(1)
	return &siege{castle: p, attempt: q}, nil
}

func (p *castle) count(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open += n
}

func (p *castle) see(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, name)
}

// siege is one exchange of it.
type siege struct {
	castle  *castle
	attempt directory.Question
	name    string
	over    bool
	account *directory.Answer
}

func (x *siege) Account() *directory.Answer { return x.account }

func (x *siege) Cancel() {
	if !x.over {
		x.over = true
		x.castle.count(-1)
	}
}

func (x *siege) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fault.Wrap("test", fault.Unavailable, ctx.Err())
	}
}

func (x *siege) refuse(ctx context.Context) ([]byte, bool, error) {
	if err := x.wait(ctx, x.castle.refuses); err != nil {
		return nil, false, err
	}
	return nil, false, fault.New("test", fault.Unauthenticated, "no")
}

func (x *siege) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	p := x.castle
	if p.down != fault.Internal {
		if err := x.wait(ctx, p.answers); err != nil {
			return nil, false, err
		}
		return nil, false, fault.New("test", p.down, "away")
	}
	switch {
	case x.account != nil:
		return nil, true, nil
	case x.name == "":
		parts := strings.Split(string(response), ",")
		x.name = strings.TrimPrefix(parts[2], "n=")
		p.see(x.name)
		if !strings.HasPrefix(x.name, "there") {
			return x.refuse(ctx)
		}
		if err := x.wait(ctx, p.answers); err != nil {
			return nil, false, err
		}
		salt := strings.Repeat(x.name, 10)[:p.salt]
		return fmt.Appendf(nil, "%s%s,s=%s,i=%d", parts[3], alike.Nonce(), base64.StdEncoding.EncodeToString([]byte(salt)), p.iterations), false, nil
	case !strings.HasSuffix(string(response), ",p=right"):
		return x.refuse(ctx)
	}
	x.account = &directory.Answer{Login: x.name, Verified: true, Disabled: p.disabled}
	return []byte("v=proof"), false, nil
}

// keep is one of them before out.example.
type keep struct {
	many
	one *castle
}

func (s keep) For(domain mail.Domain) []directory.Source {
	if domain != "out.example" {
		return nil
	}
	return []directory.Source{s.one}
}

// besieged is a world whose domain out.example has accounts of the store and of a castle.
func besieged(t *testing.T) (*world, *castle) {
	t.Helper()
	w, m := outsiders(t, 0)
	p := &castle{place: place{w: w, name: "castle"}, answers: 3 * time.Millisecond, refuses: 2 * time.Second, down: fault.Internal, iterations: 4096, salt: 16}
	w.beside(keep{m, p})
	for _, login := range []string{ownLogin, "off-here@out.example", "bare@out.example"} {
		if err := w.admin.AddAccount(t.Context(), admin.NewAccount{Address: at(login), Password: goodPassword}); err != nil {
			t.Fatal(err)
		}
	}
	for _, login := range []string{"there-off@out.example", "there@out.example"} {
		if err := w.admin.AddAccount(t.Context(), admin.NewAccount{Address: at(login), Directory: "castle"}); err != nil {
			t.Fatal(err)
		}
	}
	w.give("off-here@out.example", func(a *account.Account) { a.State = account.Suspended })
	w.give("there-off@out.example", func(a *account.Account) { a.State = account.Suspended })
	w.give("bare@out.example", func(a *account.Account) { a.Credentials = nil })
	return w, p
}

// client begins an exchange of SCRAM.
func (w *world) client(from string) (*Client, sasl.Exchange) {
	c := &Client{Verifier: w.v, Attempt: Attempt{Client: netip.MustParseAddr(from), Session: "S1", Mechanism: sasl.ScramSHA256}}
	m, _ := sasl.Lookup(sasl.ScramSHA256)
	return c, c.Begin(m, &sasl.Conn{Host: "gate.example"})
}

const cnonce = "0123456789abcdef"

// dialogue is what a client sees that proves nothing: the form of the challenge, and the
// answer, each with its time.
func (w *world) dialogue(login, proof string) string {
	c, x := w.client("192.0.2.7")
	defer c.End()
	defer w.v.fronts.Keep(w.t.Context()) // which Run does
	began := time.Now()
	challenge, done, err := x.Next(w.t.Context(), []byte("n,,n="+login+",r="+cnonce))
	if err != nil || done {
		return fmt.Sprint("no challenge: ", done, fault.KindOf(err), fault.ReasonOf(err))
	}
	parts := strings.Split(string(challenge), ",")
	salt, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(parts[1], "s="))
	if err != nil || !strings.HasPrefix(parts[0], "r="+cnonce) {
		w.t.Errorf("%s: %q", login, challenge)
	}
	seen := fmt.Sprintf("nonce of %d, salt of %d, %s, after %v; ", len(parts[0]), len(salt), parts[2], time.Since(began))
	began = time.Now()
	final := "c=biws," + parts[0] + ",p=" + proof
	if strings.HasPrefix(proof, "c=") {
		final = proof
	}
	challenge, done, err = x.Next(w.t.Context(), []byte(final))
	if errors.Is(err, sasl.ErrSyntax) {
		w.t.Errorf("%s: %q is answered as a malformed response", login, final)
	}
	if c.Principal != nil {
		w.t.Errorf("%s: %+v has proved nothing", login, c.Principal)
	}
	return seen + fmt.Sprintf("%q %v %v %s after %v", challenge, done, fault.KindOf(err), fault.ReasonOf(err), time.Since(began))
}

// inDomain are names of every kind.
func inDomain() []string {
	return []string{
		"nobody@out.example", "there@out.example", "there-new@out.example", "there-off@out.example",
		ownLogin, "off-here@out.example", "bare@out.example",
	}
}

// Whatever the name, an exchange of SCRAM before a directory that runs it shows a challenge of
// one form, after one time, and fails at its end in one way, after one time.
func TestExchangesBeforeADirectoryAreAlike(t *testing.T) {
	wrong := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for state, set := range map[string]func(p *castle){
		"well":  func(*castle) {},
		"quick": func(p *castle) { p.answers, p.refuses = 0, 0 },
		"slow":  func(p *castle) { p.answers, p.refuses = 80*time.Millisecond, 4*time.Second },
		"down":  func(p *castle) { p.down, p.answers = fault.Unavailable, 0 },
		"hangs": func(p *castle) { p.down, p.answers = fault.Unavailable, time.Hour },
		"busy":  func(p *castle) { p.down, p.answers = fault.Busy, 0 },
	} {
		synctest.Test(t, func(t *testing.T) {
			w, p := besieged(t)
			w.dialogue("there-first@out.example", wrong) // something is known of the castle
			set(p)
			for range 8 { // and of its pace
				w.dialogue("there@out.example", wrong)
			}
			for _, proof := range []string{wrong, "AAAA", "%%%", "c=biws,r=another,p=" + wrong, "c=eSws,r=another,p=" + wrong, "c=", "c=,,,"} {
				want := w.dialogue("nobody@out.example", proof)
				for _, login := range inDomain() {
					if got := w.dialogue(login, proof); got != want {
						t.Errorf("%s, %s: %s\nthe unknown: %s", state, login, got, want)
					}
				}
				wanted := map[string]string{"well": "auth-failed", "quick": "auth-failed", "slow": "auth-failed", "busy": "auth-busy"}[state]
				if wanted == "" {
					wanted = "auth-unavailable"
				}
				if !strings.Contains(want, wanted) {
					t.Errorf("%s: %s", state, want)
				}
			}
			if p.open != 0 {
				t.Errorf("%s: %d exchanges are open", state, p.open)
			}
			for _, name := range p.seen {
				if !strings.HasPrefix(name, "there") && !strings.HasPrefix(name, "nobody") {
					t.Errorf("%s: the castle was asked about %s", state, name)
				}
			}
		})
	}
}

// Whatever a client can choose about its first message beside the name goes no further, for
// every name alike: the castle would refuse some of it for names that it has, and the
// challenge shown in place of its own would not be that of the plain message.
func TestFirstMessagesThatTheCastleMayRefuse(t *testing.T) {
	wide := func(login string) string { return string(rune(login[0])+0xff41-'a') + login[1:] }
	quoted := func(login string) string { return `"` + strings.Replace(login, "@", `"@`, 1) }
	for what, message := range map[string]func(login string) string{
		"a foreign authzid": func(login string) string { return "n,a=z@out.example,n=" + login },
		"quoted":            func(login string) string { return "n,,n=" + quoted(login) },
		"wide":              func(login string) string { return "n,,n=" + wide(login) },
		"capitals":          func(login string) string { return "n,,n=" + strings.ToUpper(login) },
		"its domain":        func(login string) string { return "n,,n=" + strings.Replace(login, "out", "OUT", 1) },
		"another authzid":   func(login string) string { return "n,a=" + strings.ToUpper(login) + ",n=" + login },
	} {
		synctest.Test(t, func(t *testing.T) {
			w, p := besieged(t)
			w.dialogue("there@out.example", "wrong")
			p.seen = nil
			for _, login := range inDomain() {
				c, x := w.client("192.0.2.7")
				began := time.Now()
				challenge, done, err := x.Next(t.Context(), []byte(message(login)+",r="+cnonce))
				if len(challenge) > 0 || done || fault.ReasonOf(err) != "auth-failed" || why.Word(err) != "login-spelling" || time.Since(began) != 500*time.Millisecond && time.Since(began) != 100*time.Millisecond {
					t.Errorf("%s, %s: %q, %v, %v after %v", what, login, challenge, done, err, time.Since(began))
				}
				c.End()
			}
			if len(p.seen) > 0 {
				t.Errorf("%s: the castle was asked about %q", what, p.seen)
			}
		})
	}
}

// A challenge has cost one look at the store, whoever makes it.
func TestChallengesCostOneLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := besieged(t)
		for _, login := range inDomain() {
			c, x := w.client("192.0.2.7")
			before := w.store.Reads().Proofs
			if _, _, err := x.Next(t.Context(), []byte("n,,n="+login+",r="+cnonce)); err != nil {
				t.Fatal(err)
			}
			if n := w.store.Reads().Proofs - before; n != 1 {
				t.Errorf("%s: %d looks", login, n)
			}
			c.End()
		}
	})
}

// A name that the castle has challenged for shows one salt, whatever becomes of the castle.
func TestNobodyShowsTwoSalts(t *testing.T) {
	salt := func(w *world, login string) string {
		c, x := w.client("192.0.2.7")
		defer c.End()
		challenge, _, err := x.Next(w.t.Context(), []byte("n,a="+login+",n="+login+",r="+cnonce))
		if err != nil {
			w.t.Fatal(err)
		}
		return strings.Join(strings.Split(string(challenge), ",")[1:], ",")
	}
	for state, set := range map[string]func(p *castle){
		"down":  func(p *castle) { p.down = fault.Unavailable },
		"busy":  func(p *castle) { p.down = fault.Busy },
		"slow":  func(p *castle) { p.answers = 3 * time.Second },
		"hangs": func(p *castle) { p.down, p.answers = fault.Unavailable, time.Hour },
	} {
		synctest.Test(t, func(t *testing.T) {
			w, p := besieged(t)
			p.salt, p.iterations = 24, 5000
			before := map[string]string{}
			for range 2 {
				for _, login := range inDomain() {
					before[login] = salt(w, login)
				}
			}
			set(p)
			for _, login := range inDomain() {
				if now := salt(w, login); now != before[login] {
					t.Errorf("%s, %s: %s before, now %s", state, login, before[login], now)
				}
			}
		})
	}
}

// proving lets a client prove a password to our own exchange.
func (w *world) proving(login, password string) (*Client, error) {
	client, err := scram.SHA256.NewClient(login, password, "")
	if err != nil {
		w.t.Fatal(err)
	}
	talk := client.NewConversation()
	c, x := w.client("192.0.2.7")
	defer c.End()
	var challenge []byte
	for {
		text, err := talk.Step(string(challenge))
		if err != nil {
			w.t.Fatal(err)
		}
		var done bool
		if challenge, done, err = x.Next(w.t.Context(), []byte(text)); done || err != nil {
			return c, err
		}
	}
}

// An account of the store proves itself whatever becomes of the directory; the nonce of its
// exchange has the directory's form, and is good.
func TestOwnAccountsProveThemselvesBeforeADirectory(t *testing.T) {
	for _, down := range []fault.Kind{fault.Internal, fault.Unavailable} {
		synctest.Test(t, func(t *testing.T) {
			w, p := besieged(t)
			p.down = down
			c, err := w.proving(ownLogin, goodPassword)
			if err != nil || c.Principal == nil || c.Principal.Sender.Account.Login() != ownLogin {
				t.Errorf("%v, %+v", err, c.Principal)
			}
			if c, err = w.proving(ownLogin, wrongPassword); err == nil || c.Principal != nil {
				t.Errorf("a wrong password: %+v", c.Principal)
			}
			if down == fault.Internal && why.Word(err) != "wrong-password" {
				t.Errorf("recorded as %q", why.Word(err))
			}
		})
	}
}

// What the store holds against an account of the directory is found before the client sees
// that its password was right.
func TestSuspendedBeforeTheDirectorysProof(t *testing.T) {
	for _, login := range []string{"there-off@out.example", "there-new@out.example"} {
		synctest.Test(t, func(t *testing.T) {
			w, p := besieged(t)
			p.disabled = login == "there-new@out.example"
			w.dialogue("there@out.example", "wrong")
			if got, want := w.dialogue(login, "right"), w.dialogue(login, "wrong"); got != want {
				t.Errorf("%s: %s\nwith a wrong password: %s", login, got, want)
			}
		})
	}
}

// A directory's account gets in by its proof, after its last empty word.
func TestTheDirectorysAccountGetsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := besieged(t)
		c, x := w.client("192.0.2.7")
		defer c.End()
		challenge, _, err := x.Next(t.Context(), []byte("n,,n=there@out.example,r="+cnonce))
		if err != nil {
			t.Fatal(err)
		}
		nonce, _, _ := strings.Cut(string(challenge), ",")
		if challenge, _, err = x.Next(t.Context(), []byte("c=biws,"+nonce+",p=right")); string(challenge) != "v=proof" || err != nil || c.Principal != nil {
			t.Fatalf("%q, %v, %+v", challenge, err, c.Principal)
		}
		if _, done, err := x.Next(t.Context(), []byte{}); !done || err != nil || c.Principal == nil || c.Principal.Sender.Account.Login() != "there@out.example" {
			t.Errorf("%v, %v, %+v", done, err, c.Principal)
		}
	})
}

// A challenge that comes when the client had to be shown another one is trouble, not a wrong
// password, and the next one is waited for.
func TestALateChallengeIsTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p := besieged(t)
		p.answers = 700 * time.Millisecond
		if got := w.dialogue("there@out.example", "right"); !strings.Contains(got, "auth-unavailable") {
			t.Errorf("late: %s", got)
		}
		if got := w.dialogue("there@out.example", "right"); !strings.Contains(got, `"v=proof"`) {
			t.Errorf("the next: %s", got)
		}
	})
}

// The names that have no keys show what accounts of the directory show, and of the store
// beside it.
func TestPosesFollowTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p := besieged(t)
		p.iterations, p.salt = 20_000, 24
		for range 2 {
			w.dialogue("there@out.example", "wrong")
		}
		if got := w.dialogue("nobody@out.example", "wrong"); !strings.Contains(got, "salt of 24, i=20000,") {
			t.Error(got)
		}
		w.dialogue(ownLogin, "wrong")
		own := 0
		for i := range 100 {
			if strings.Contains(w.dialogue(fmt.Sprintf("nobody%d@out.example", i), "wrong"), "salt of 16, i=4096,") {
				own++
			}
		}
		if own < 25 || own > 75 {
			t.Errorf("%d of 100 unknown names look like accounts of the store", own)
		}
	})
}

// challenged is what a client is shown for a name, but for the nonce.
func (w *world) challenged(login string) string {
	w.t.Helper()
	c, x := w.client("192.0.2.7")
	defer c.End()
	challenge, _, err := x.Next(w.t.Context(), []byte("n,,n="+login+",r="+cnonce))
	if err != nil {
		w.t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(challenge), ",")
	return shown
}

// Two gates of a store show one challenge for a name that nobody has, whichever of them has
// seen what accounts show, and so does one that has just started.
func TestGatesShowOneChallengeOfANameThatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p := besieged(t)
		first := w.v
		second := New(first.opt)
		shown := map[string]bool{}
		for round := range 6 {
			p.iterations, p.salt = 5000*(1+round/2), 16+8*(round%2)
			w.v = []*Verifier{first, second}[round%2]
			for range 2 {
				w.dialogue("there@out.example", "wrong")
			}
			for i := range 20 {
				name := fmt.Sprintf("nobody%d@out.example", i)
				w.v = New(first.opt)
				want := w.challenged(name)
				shown[want[strings.LastIndexByte(want, ','):]] = true
				for g, v := range []*Verifier{first, second} {
					if w.v = v; w.challenged(name) != want {
						t.Errorf("round %d: gate %d shows %s another challenge than one that has just started", round, g, name)
					}
				}
			}
		}
		if len(shown) != 3 {
			t.Errorf("numbers of iterations that were shown: %v", shown)
		}
	})
}

// One network cannot have all exchanges; whose the name is makes no difference.
func TestExchangesAreBoundedByNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := besieged(t)
		var open []*Client
		for i := range 32 {
			c, x := w.client("192.0.2.7")
			if _, _, err := x.Next(t.Context(), []byte("n,,n="+inDomain()[i%len(inDomain())]+",r="+cnonce)); err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
		}
		for _, login := range inDomain() {
			if got := w.dialogue(login, "wrong"); !strings.HasPrefix(got, "no challenge") || !strings.HasSuffix(got, "auth-busy") {
				t.Errorf("%s: %s", login, got)
			}
			c, x := w.client("198.51.100.7")
			if _, _, err := x.Next(t.Context(), []byte("n,,n="+login+",r="+cnonce)); err != nil {
				t.Errorf("%s from elsewhere: %v", login, err)
			}
			c.End()
		}
		for _, c := range open {
			c.End()
			c.End()
		}
		if got := w.dialogue("nobody@out.example", "wrong"); !strings.Contains(got, "auth-failed") {
			t.Errorf("when they are over: %s", got)
		}
	})
}

// CRAM-MD5 of the store's own stays so beside a directory that would run it too: whose the
// name is makes no difference there either.
func TestChallengesOfTheStoreDoNotPass(t *testing.T) {
	for _, login := range []string{"t@out.example", "nobody@out.example", loginA} {
		_, c, x := passes(t, secrets.CramMD5)
		if _, _, err := x.Next(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		_, _, err := x.Next(t.Context(), []byte(login+" 0123456789abcdef0123456789abcdef"))
		if fault.ReasonOf(err) != "auth-failed" || c.Tried != login {
			t.Errorf("%s: %v, recorded as %q", login, err, c.Tried)
		}
	}
}

// The record has the name that a failed challenge of a directory was answered with.
func TestFailedChallengesAreRecordedByName(t *testing.T) {
	for mechanism, response := range map[string]string{
		secrets.CramMD5:   "Wrong@Out.example 0123456789abcdef0123456789abcdef",
		secrets.DigestMD5: `charset=utf-8,username="Wrong@Out.example",realm="r",nonce="n",nc=00000001,cnonce="c",digest-uri="smtp/x",response=0123456789abcdef0123456789abcdef`,
	} {
		one, c, _ := passes(t, mechanism)
		one.challenges = true
		found, _ := sasl.Lookup(mechanism)
		x := c.Begin(found, &sasl.Conn{Host: "gate.example"})
		if _, _, err := x.Next(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		_, _, err := x.Next(t.Context(), []byte(response))
		if c.Tried != "wrong@out.example" || fault.ReasonOf(err) != "auth-failed" {
			t.Errorf("%s: %v, recorded as %q", mechanism, err, c.Tried)
		}
	}
}

// A login by SCRAM is explained by whoever would run it.
func TestExplainingAnExchangeThatPasses(t *testing.T) {
	w, p := besieged(t)
	p.place.answers = map[string]directory.Answer{"there@out.example": {Login: "there@out.example", Verified: true}}
	for password, cause := range map[string]string{goodPassword: "", wrongPassword: "wrong-password"} {
		x, err := w.v.Explain(t.Context(), Question{Attempt: Attempt{Mechanism: sasl.ScramSHA256}, Login: "there@out.example", Password: &password})
		if err != nil || x.Cause != cause || (x.Principal != nil) != (cause == "") {
			t.Errorf("%q: %+v, %v", password, x, err)
		}
	}
}
