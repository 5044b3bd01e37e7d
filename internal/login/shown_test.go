package login

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/recent"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/oauth"
	"countersign/internal/sasl"
)

// porch is a directory that verifies tokens, and takes names from the gate.
type porch struct {
	place
	// whose has the accounts that tokens are for.
	whose map[string]string
	// takes and believes say what it does, here that its answers are about one place.
	takes, believes, here bool
	// answer is what it says to whatever it is shown; nil for what is right.
	answer *directory.Answer
	// shown are the tokens that it was shown.
	shown []string
}

func (p *porch) TakesTokens() bool { return p.takes }
func (p *porch) Believes() bool    { return p.believes }

func (p *porch) AskToken(_ context.Context, q directory.Question, token string) (*directory.Answer, error) {
	p.shown = append(p.shown, token)
	return p.say(q, p.whose[token] == q.Login)
}

func (p *porch) AskProven(_ context.Context, q directory.Question) (*directory.Answer, error) {
	_, there := p.answers[q.Login]
	return p.say(q, there)
}

func (p *porch) say(q directory.Question, right bool) (*directory.Answer, error) {
	p.asked = append(p.asked, q)
	switch {
	case p.err != nil:
		return nil, p.err
	case p.answer != nil:
		a := *p.answer
		return &a, nil
	case !right:
		return nil, fault.New("test", fault.Unauthenticated, "no")
	}
	return &directory.Answer{Login: q.Login, Verified: true}, nil
}

func (p *porch) Standing(ctx context.Context, q directory.Question) (directory.Standing, error) {
	s, err := p.place.Standing(ctx, q)
	s.Here = p.here
	return s, err
}

// before is a porch before all domains but acme.example.
type before struct {
	many
	one *porch
}

func (b before) TakesTokens() bool { return b.one.takes }

func (b before) For(domain mail.Domain) []directory.Source {
	if domain == "acme.example" {
		return nil
	}
	return []directory.Source{b.one}
}

const (
	itsToken  = "token.of.t"
	tLogin    = "t@out.example"
	ourLogin  = "own@out.example"
	nobodys   = "nobody@out.example"
	suspended = "gone@out.example"
)

// welcomed is a world before a porch, which has the accounts t and gone; gone is suspended here,
// own is the store's.
func welcomed(t *testing.T) (*world, *porch) {
	t.Helper()
	w, m := outsiders(t, time.Hour)
	p := &porch{place: place{w: w, name: "porch"}, takes: true, believes: true, whose: map[string]string{itsToken: tLogin, "token.of.gone": suspended}}
	p.answers = map[string]directory.Answer{tLogin: {Login: tLogin}, suspended: {Login: suspended}}
	w.beside(before{m, p})
	noError(t, w.admin.AddAccount(t.Context(), admin.NewAccount{Address: at(ourLogin), Password: goodPassword}))
	noError(t, w.admin.AddAccount(t.Context(), admin.NewAccount{Address: at(suspended), Directory: "porch"}))
	w.give(suspended, func(a *account.Account) { a.State = account.Suspended })
	w.work()
	return w, p
}

// A directory that verifies tokens lets its accounts in by them, as by a password; nothing of
// that is remembered, and a session ends where the directory has to be asked again.
func TestADirectoryVerifiesTokens(t *testing.T) {
	w, p := welcomed(t)
	for n := range 2 {
		got, err := askToken(w, here, "T@Out.Example", itsToken)
		if err != nil || got.Sender.Account.Login() != tLogin || got.Sender.Account.Directory != "porch" || got.Mechanism != "OAUTHBEARER" {
			t.Fatalf("%+v, %v", got, err)
		}
		if !got.Until.Equal(w.clock().Add(15 * time.Minute)) {
			t.Errorf("the session ends at %v", got.Until)
		}
		if len(p.asked) != n+1 || p.asked[n].Login != tLogin || p.asked[n].Password != "" || p.asked[n].Client != here {
			t.Errorf("asked %+v", p.asked)
		}
	}
	if _, err := fromOutside(w, tLogin, itsToken); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the token is a password: %v", err)
	}
}

// refusal is what can be seen of a login that fails: what the client is told, what the
// directory is asked, and what is derived.
func refusal(t *testing.T, w *world, p *porch, login, token string) string {
	t.Helper()
	p.asked, p.shown = nil, nil
	w.work()
	got, err := askToken(w, here, login, token)
	if got != nil {
		t.Errorf("%s is let in: %+v", login, got)
	}
	document := ""
	if told := (*sasl.TokenError)(nil); errors.As(err, &told) {
		document = told.Status + " " + told.Scope + " " + told.Configuration
	}
	shown := "as shown"
	for _, was := range p.shown {
		if was != token {
			shown = was
		}
	}
	return fmt.Sprintf("%v %s (%s); asked %d times, %s, %d derived", fault.KindOf(err), fault.ReasonOf(err), document, len(p.asked), shown, len(w.work()))
}

// Whatever is wrong, of whosever name, the answer is one and the same after the same work.
func TestTokensTellNobodysName(t *testing.T) {
	w, p := welcomed(t)
	w.must(askToken(w, elsewhere, tLogin, itsToken))
	const no = "not authenticated auth-failed (invalid_token mail https://id.example); asked 1 times, as shown, 0 derived"
	for _, login := range []string{tLogin, ourLogin, nobodys, suspended, "other@out.example"} {
		for _, token := range []string{"wrong", "token.of.gone", strings.Repeat("x", 9000)} {
			if got := refusal(t, w, p, login, token); got != no {
				t.Errorf("%s: %s", login, got)
			}
			if q := p.asked[0]; (q.Login == login) != (login != ourLogin && login != suspended) || q.Login != login && (!strings.HasPrefix(q.Login, "nobody-") || !strings.HasSuffix(q.Login, "@out.example") || q.Client.IsValid()) {
				t.Errorf("%s: asked about %+v", login, q)
			}
		}
	}
	// What is no token is refused without a question, whosever name it is.
	for _, token := range []string{"", "a b", "a\x01b", strings.Repeat("x", 12<<10)} {
		want := refusal(t, w, p, nobodys, token)
		for _, login := range []string{tLogin, ourLogin, suspended} {
			if got := refusal(t, w, p, login, token); got != want || !strings.HasPrefix(got, "not authenticated auth-failed (invalid_token mail https://id.example)") {
				t.Errorf("%s, %.9q: %s; want %s", login, token, got, want)
			}
		}
	}
	// A directory that names somebody else lets nobody in, and makes no account.
	for _, as := range []string{"other@out.example", ourLogin, suspended, loginA, "t@acme.example"} {
		p.answer = &directory.Answer{Login: as, Verified: true}
		for _, login := range []string{tLogin, ourLogin, nobodys} {
			if got := refusal(t, w, p, login, itsToken); got != no {
				t.Errorf("%s as %s: %s", login, as, got)
			}
		}
	}
	if _, err := w.store.Account(t.Context(), "other@out.example"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an account was made: %v", err)
	}
	// Nor does a hash in place of a yes.
	p.answer = &directory.Answer{Login: tLogin, Hash: textOf(t, itsToken)}
	if got := refusal(t, w, p, tLogin, itsToken); got != no {
		t.Errorf("a hash: %s", got)
	}
	p.answer = &directory.Answer{Login: tLogin, Verified: true, Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
	if got := refusal(t, w, p, tLogin, itsToken); got != no {
		t.Errorf("from another network: %s", got)
	}
}

// A directory that cannot say is trouble for every name: nobody is told that the token is
// not good, nor which names it does not have.
func TestADirectoryThatCannotSayOfTokens(t *testing.T) {
	w, p := welcomed(t)
	for kind, want := range map[fault.Kind]string{
		fault.Unavailable: "unavailable auth-unavailable", fault.Corrupt: "unavailable auth-unavailable", fault.Invalid: "unavailable auth-unavailable", fault.Busy: "busy auth-busy",
	} {
		p.err = fault.New("test", kind, "trouble")
		for _, login := range []string{tLogin, ourLogin, nobodys, suspended} {
			if got := refusal(t, w, p, login, itsToken); got != want+" (); asked 1 times, as shown, 0 derived" {
				t.Errorf("%v, %s: %s", kind, login, got)
			}
		}
	}
}

// Why a token is refused stands in the record.
func TestCausesOfTokensOutside(t *testing.T) {
	w, p := welcomed(t)
	cause := func(login, token, want string) {
		t.Helper()
		if _, err := askToken(w, here, login, token); why.Word(err) != want {
			t.Errorf("%s, %s: recorded as %q, want %q", login, token, why.Word(err), want)
		}
	}
	cause(tLogin, "wrong", "token")
	cause(tLogin, "", "no-credential")
	cause(ourLogin, itsToken, "no-credential")
	cause(suspended, "token.of.gone", "suspended")
	p.answer = &directory.Answer{Login: "other@out.example", Verified: true}
	cause(tLogin, itsToken, "token-of-another")
	p.answer = nil
	w.must(askToken(w, here, tLogin, itsToken))
	w.give(tLogin, func(a *account.Account) { a.Password().Envelope.Mechanisms = []string{"PLAIN"} })
	cause(tLogin, itsToken, "mechanism")
	w.give(tLogin, func(a *account.Account) { a.Credentials = nil })
	cause(tLogin, itsToken, "no-credential")
	w.v.opt.Banned = func(_ netip.Addr, login string) bool { return login == tLogin }
	cause(tLogin, itsToken, "banned")
	if !w.v.clients.Guess(tLogin, here) {
		t.Error("nobody has noted who guesses")
	}
	w.pass(recent.KeepFailed)
}

// Who judges a token: an issuer that speaks for the domain comes first, and without a name
// there is no directory to ask.
func TestWhoJudgesATokenOutside(t *testing.T) {
	w, p := welcomed(t)
	asks := func(login, token string, want int) error {
		t.Helper()
		p.asked = nil
		_, err := askToken(w, here, login, token)
		if len(p.asked) != want {
			t.Errorf("%q: asked %+v", login, p.asked)
		}
		return err
	}
	p.whose["x"] = "x@both.example"
	if err := asks("x@both.example", "x", 0); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("where an issuer speaks: %v", err)
	}
	if err := asks("", itsToken, 0); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("without a name: %v", err)
	}
	if err := asks("", "good", 0); err != nil {
		t.Errorf("without a name, a token of an issuer: %v", err)
	}
	if err := asks("t", itsToken, 0); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("no address: %v", err)
	}
	// An account that has the issuer's user as a credential, in a domain of the directory's.
	w.tokens["of v"] = oauth.Identity{Issuer: "idp", User: "v"}
	w.give(ourLogin, func(a *account.Account) {
		a.Credentials = append(a.Credentials, account.Credential{ID: "o", Kind: account.OAuth, Name: "o", Subject: "idp v"})
	})
	if err := asks(ourLogin, "of v", 1); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("an issuer that does not speak for the domain: %v", err)
	}
	p.takes = false
	if err := asks(tLogin, itsToken, 0); !fault.Is(err, fault.Unauthenticated) || !w.v.TakesTokens() {
		t.Errorf("a directory that takes none: %v", err)
	}
	w.v.opt.Tokens = nil
	err := asks(tLogin, itsToken, 0)
	if told := (*sasl.TokenError)(nil); !errors.As(err, &told) || *told != (sasl.TokenError{Status: "invalid_token", Err: told.Err}) {
		t.Errorf("nobody takes any: %v", err)
	}
	if w.v.TakesTokens() {
		t.Error("somebody takes tokens")
	}
	p.takes = true
	if err := asks(tLogin, itsToken, 1); err != nil || !w.v.TakesTokens() {
		t.Errorf("the directory alone: %v", err)
	}
}

// The client's exchange is the gate's, whoever verifies: the same document, and the end.
func TestTheExchangeOfATokenOutside(t *testing.T) {
	w, _ := welcomed(t)
	m, _ := sasl.Lookup("OAUTHBEARER")
	talk := func(login, token string) (string, bool, error) {
		c := &Client{Verifier: w.v, Attempt: Attempt{Client: here, Mechanism: m.Name}}
		defer c.End()
		x := c.Begin(m, &sasl.Conn{Host: "gate.example"})
		challenge, done, err := x.Next(t.Context(), []byte("n,a="+login+",\x01auth=Bearer "+token+"\x01\x01"))
		if err != nil || done {
			return string(challenge), done, err
		}
		_, done, err = x.Next(t.Context(), []byte{1})
		return string(challenge), done, err
	}
	if _, done, err := talk(tLogin, itsToken); err != nil || !done {
		t.Errorf("%v, %v", done, err)
	}
	want, _, _ := talk(loginA, "wrong") // the issuer's
	for _, login := range []string{tLogin, ourLogin, nobodys} {
		document, done, err := talk(login, "wrong")
		if document != want || document == "" || done || fault.ReasonOf(err) != "auth-failed" {
			t.Errorf("%s: %q, %v, %v", login, document, done, err)
		}
	}
}

// byName asks for a certificate that names an address.
func byName(w *world, authzid string, subjects ...string) (*account.Principal, error) {
	return w.v.Certificate(context.Background(), Attempt{Client: here, Mechanism: "EXTERNAL"}, authzid, subjects)
}

// A certificate opens the account of a directory that it names, once the directory has said
// that it stands.
func TestACertificateNamesAnAccountOutside(t *testing.T) {
	w, p := welcomed(t)
	got, err := byName(w, "", fingerprint+"11", "email:"+tLogin)
	if err != nil || got.Sender.Account.Login() != tLogin || got.Mechanism != "EXTERNAL" || !got.Until.Equal(w.clock().Add(askAgain)) {
		t.Fatalf("%+v, %v", got, err)
	}
	if len(p.asked) != 1 || p.asked[0].Login != tLogin || p.asked[0].Client != here {
		t.Errorf("asked %+v", p.asked)
	}
	for name, c := range map[string]struct {
		authzid  string
		subjects []string
		login    string
	}{
		"a common name":       {"", []string{"cn:" + tLogin}, tLogin},
		"what is no address":  {"", []string{"cn:somebody", "email:" + tLogin}, tLogin},
		"the first address":   {"", []string{"email:" + nobodys, "email:" + tLogin}, ""},
		"a credential first":  {"", []string{"email:" + tLogin, fingerprint}, loginA},
		"itself":              {tLogin, []string{"email:" + tLogin}, tLogin},
		"somebody else":       {ourLogin, []string{"email:" + tLogin}, ""},
		"the store's":         {"", []string{"email:" + ourLogin}, ""},
		"suspended":           {"", []string{"email:" + suspended}, ""},
		"nobody":              {"", []string{"email:" + nobodys}, ""},
		"the store's domain":  {"", []string{"email:b@acme.example"}, ""},
		"a domain of no form": {"", []string{"email:t"}, ""},
	} {
		got, err := byName(w, c.authzid, c.subjects...)
		switch {
		case c.login == "":
			wantRefused(t, got, err)
		case err != nil || got.Sender.Account.Login() != c.login:
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// It has the password's envelope, which credentials.Admin.Revoke counts on.
	mechanisms := func(list ...string) {
		w.give(tLogin, func(a *account.Account) {
			for i := range a.Credentials {
				if a.Credentials[i].Kind == account.Password {
					a.Credentials[i].Envelope.Mechanisms = list
				}
			}
		})
	}
	mechanisms("PLAIN")
	got, err = byName(w, "", "email:"+tLogin)
	wantRefused(t, got, err)
	mechanisms()
	p.answer = &directory.Answer{Login: "other@out.example", Verified: true}
	got, err = byName(w, "", "email:"+tLogin)
	wantRefused(t, got, err)
	p.answer = nil
	p.err = fault.New("test", fault.Unavailable, "away")
	for _, login := range []string{tLogin, ourLogin, nobodys} {
		if got, err := byName(w, "", "email:"+login); got != nil || !fault.Is(err, fault.Unavailable) {
			t.Errorf("away, %s: %+v, %v", login, got, err)
		}
	}
	p.err, p.believes, p.asked = nil, false, nil
	got, err = byName(w, "", "email:"+tLogin)
	wantRefused(t, got, err)
	if len(p.asked) != 0 {
		t.Errorf("asked %+v", p.asked)
	}
}

// Certificates that fail cost one question each, whosever name they have.
func TestCertificatesTellNobodysName(t *testing.T) {
	w, p := welcomed(t)
	delete(p.answers, tLogin)
	for _, login := range []string{tLogin, ourLogin, suspended, nobodys} {
		p.asked = nil
		got, err := byName(w, "", "email:"+login)
		wantRefused(t, got, err)
		if len(p.asked) != 1 || len(w.work()) != 0 {
			t.Errorf("%s: asked %+v", login, p.asked)
		}
	}
}

// What a directory says of an account for where a client is, is remembered for that place.
func TestStandingHere(t *testing.T) {
	w, p := welcomed(t)
	w.must(askToken(w, here, tLogin, itsToken))
	w.addApp(tLogin, "ap", itsAppPassword)
	p.knows, p.here = true, true
	w.beside(before{many{&place{name: "porch", w: w, remember: time.Minute}}, p})
	login := func(from netip.Addr, asked int) {
		t.Helper()
		p.asked = nil
		if _, err := askPassword(w, from, tLogin, itsAppPassword); err != nil || len(p.asked) != asked {
			t.Errorf("from %v: %v, asked %d times, want %d", from, err, len(p.asked), asked)
		}
	}
	login(here, 1)
	login(here, 0)
	login(elsewhere, 1)
	login(here.Next(), 1)
	login(elsewhere, 0)
	w.pass(time.Minute)
	login(here, 1)
}

// Explain says who is asked for a token, and for a certificate's owner, and what comes of it.
func TestExplainWhatIsShownOutside(t *testing.T) {
	w, p := welcomed(t)
	x := w.explain("OAUTHBEARER", here, tLogin, itsToken)
	if x.Unmade != "porch" || x.AskedFor != "token" || len(x.Asked) != 1 || x.NoTokens || len(p.asked) != 1 {
		t.Errorf("%+v, asked %+v", x, p.asked)
	}
	w.must(askToken(w, here, tLogin, itsToken))
	if x := w.explain("OAUTHBEARER", here, tLogin, itsToken); x.Principal == nil || !x.Credentials[0].Serves {
		t.Errorf("%+v", x)
	}
	if x := w.explain("OAUTHBEARER", here, tLogin, "wrong"); x.Principal != nil || x.Cause != "token" {
		t.Errorf("%+v", x)
	}
	q := Question{Attempt: Attempt{Client: here, Mechanism: "EXTERNAL"}, Login: tLogin, Subjects: []string{"email:" + tLogin}}
	if x, err := w.v.Explain(t.Context(), q); err != nil || x.Principal == nil || x.AskedFor != "certificate's owner" || !x.Credentials[0].Serves {
		t.Errorf("%+v, %v", x, err)
	}
	p.err = fault.New("test", fault.Unavailable, "away")
	if x := w.explain("OAUTHBEARER", here, tLogin, itsToken); x.Away != "porch" {
		t.Errorf("%+v", x)
	}
	p.takes, w.v.opt.Tokens = false, nil
	if x := w.explain("OAUTHBEARER", here, tLogin, itsToken); !x.NoTokens {
		t.Errorf("%+v", x)
	}
}
