package login

import (
	"context"
	"countersign/internal/login/secrets"
	"net/netip"
	"testing"
	"time"

	"countersign/internal/account/admin"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/outside"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// tower is a directory that runs exchanges: it takes "secret" as the second response.
type tower struct {
	place
	challenges bool
	begun      []directory.Question
	canceled   int
	err        error
	account    directory.Answer
}

func (p *tower) Patience() time.Duration { return time.Second }

func (p *tower) Offers(mechanism string, first bool) bool {
	return mechanism == sasl.ScramSHA256 || outside.ServerFirst(mechanism) && (!first || p.challenges)
}

func (p *tower) Begin(_ context.Context, q directory.Question) (outside.Passed, error) {
	p.begun = append(p.begun, q)
	return &passage{tower: p}, p.err
}

// passage is one exchange of it.
type passage struct {
	tower *tower
	steps []string
	done  bool
}

func (x *passage) Next(_ context.Context, response []byte) ([]byte, bool, error) {
	x.steps = append(x.steps, string(response))
	switch {
	case x.tower.err != nil:
		return nil, false, x.tower.err
	case len(x.steps) == 1:
		return []byte("what is it?"), false, nil
	case string(response) != "secret":
		return nil, false, fault.New("test", fault.Unauthenticated, "no")
	}
	x.done = true
	return nil, true, nil
}

func (x *passage) Account() *directory.Answer {
	if !x.done {
		return nil
	}
	return &x.tower.account
}

func (x *passage) Cancel() { x.tower.canceled++ }

// towers is one of them, for all domains but acme.example.
type towers struct {
	many
	one *tower
}

func (s towers) Remember(string) time.Duration { return time.Hour }

func (s towers) For(domain mail.Domain) []directory.Source {
	if domain == "acme.example" {
		return nil
	}
	return []directory.Source{s.one}
}

// passes is a world beside one of them, and a client in a mechanism.
func passes(t *testing.T, mechanism string) (*tower, *Client, sasl.Exchange) {
	t.Helper()
	w, m := outsiders(t, 0)
	one := &tower{place: place{w: w, name: "tower"}, account: directory.Answer{Login: "t@out.example", Verified: true}}
	w.beside(towers{m, one})
	c := &Client{Verifier: w.v, Attempt: Attempt{Client: netip.MustParseAddr("192.0.2.7"), Mechanism: mechanism}}
	found, _ := sasl.Lookup(mechanism)
	return one, c, c.Begin(found, &sasl.Conn{Host: "gate.example"})
}

const clientFirst = "n,,n=t@out.example,r=abcdefgh"

// An exchange of somebody who lives elsewhere passes through, from its first response on.
func TestAnExchangePassesThrough(t *testing.T) {
	one, c, x := passes(t, sasl.ScramSHA256)
	challenge, done, err := x.Next(t.Context(), []byte(clientFirst))
	if string(challenge) != "what is it?" || done || err != nil {
		t.Fatalf("%q, %v, %v", challenge, done, err)
	}
	_, done, err = x.Next(t.Context(), []byte("secret"))
	if !done || err != nil || c.Principal == nil || c.Principal.Sender.Account.Directory != "tower" || c.Tried != "t@out.example" {
		t.Fatalf("%v, %v, %+v", done, err, c.Principal)
	}
	if len(one.begun) != 1 || one.begun[0].Mechanism != sasl.ScramSHA256 {
		t.Errorf("begun: %+v", one.begun)
	}
	c.End()
	if one.canceled != 1 {
		t.Errorf("ended %d times", one.canceled)
	}
}

// What the directory refuses is refused as anything is, and nobody has logged in.
func TestAPassedExchangeFails(t *testing.T) {
	_, c, x := passes(t, sasl.ScramSHA256)
	if _, _, err := x.Next(t.Context(), []byte(clientFirst)); err != nil {
		t.Fatal(err)
	}
	_, done, err := x.Next(t.Context(), []byte("guess"))
	if done || c.Principal != nil || fault.ReasonOf(err) != "auth-failed" || why.Word(err) != "wrong-password" {
		t.Errorf("%v, %v, %+v", done, err, c.Principal)
	}
	one, c, x := passes(t, sasl.ScramSHA256)
	one.account.Disabled = true
	_, _, _ = x.Next(t.Context(), []byte(clientFirst))
	if _, done, err := x.Next(t.Context(), []byte("secret")); done || c.Principal != nil || why.Word(err) != "suspended" {
		t.Errorf("disabled: %v", err)
	}
	one, c, x = passes(t, sasl.ScramSHA256)
	one.account.Login = loginA // an account of the store
	_, _, _ = x.Next(t.Context(), []byte(clientFirst))
	if _, done, err := x.Next(t.Context(), []byte("secret")); done || c.Principal != nil || err == nil {
		t.Errorf("an account of the store: %v, %v", done, err)
	}
}

// Accounts of the store are proved here, and so is what cannot be passed.
func TestWhatDoesNotPass(t *testing.T) {
	one, _, x := passes(t, sasl.ScramSHA256)
	challenge, _, err := x.Next(t.Context(), []byte("n,,n="+loginA+",r=abcdefgh"))
	if err != nil || len(one.begun) != 0 || string(challenge) == "what is it?" {
		t.Errorf("%q, %v, begun %+v", challenge, err, one.begun)
	}
	one, _, x = passes(t, sasl.ScramSHA1)
	if _, _, err := x.Next(t.Context(), []byte(clientFirst)); err != nil || len(one.begun) != 0 {
		t.Errorf("a mechanism that it does not have: %v", err)
	}
	one, _, x = passes(t, secrets.CramMD5)
	if challenge, _, err := x.Next(t.Context(), nil); err != nil || len(one.begun) != 0 || string(challenge) == "what is it?" {
		t.Errorf("CRAM-MD5 unasked: %q, %v", challenge, err)
	}
}

// Where challenges pass, they are the directory's from the start.
func TestChallengesPass(t *testing.T) {
	w, m := outsiders(t, 0)
	one := &tower{place: place{w: w, name: "tower"}, challenges: true, account: directory.Answer{Login: "t@out.example", Verified: true}}
	w.beside(towers{m, one})
	c := &Client{Verifier: w.v, Attempt: Attempt{Client: netip.MustParseAddr("192.0.2.7"), Mechanism: secrets.CramMD5}}
	found, _ := sasl.Lookup(secrets.CramMD5)
	x := c.Begin(found, &sasl.Conn{Host: "gate.example"})
	if challenge, _, err := x.Next(t.Context(), nil); string(challenge) != "what is it?" || err != nil {
		t.Fatalf("%q, %v", challenge, err)
	}
	if _, done, err := x.Next(t.Context(), []byte("secret")); !done || err != nil || c.Principal == nil {
		t.Errorf("%v, %v", done, err)
	}
}

// A directory that has run all of an exchange says whose account it is, and nobody else does;
// it cannot name an account that the store has, or another directory.
func TestADirectoryNamesItsOwnAccountsAlone(t *testing.T) {
	for login, cause := range map[string]string{"t@out.example": "", loginA: "token-of-another", elsewhereLogin: "token-of-another"} {
		w, m := outsiders(t, 0)
		w.must(fromOutside(w, elsewhereLogin, goodPassword)) // an account of directory one
		one := &tower{place: place{w: w, name: "tower"}, challenges: true, account: directory.Answer{Login: login, Verified: true}}
		w.beside(towers{m, one})
		c := &Client{Verifier: w.v, Attempt: Attempt{Client: here, Mechanism: secrets.CramMD5}}
		found, _ := sasl.Lookup(secrets.CramMD5)
		x := c.Begin(found, &sasl.Conn{Host: "gate.example"})
		if _, _, err := x.Next(t.Context(), nil); err != nil || c.Tried != "" {
			t.Fatalf("%q was named already, %v", c.Tried, err)
		}
		_, done, err := x.Next(t.Context(), []byte("secret"))
		c.End()
		if got := why.Word(err); done != (cause == "") || (c.Principal != nil) != done || got != cause {
			t.Errorf("as %s: %v, %+v, %v, recorded as %q", login, done, c.Principal, err, got)
		}
	}
}

// Where the client has named its login, the directory cannot let it in as another one of its
// accounts, and none is made for that.
func TestADirectoryLetsInWhoWasNamed(t *testing.T) {
	const other = "other@out.example"
	for _, there := range []bool{false, true} {
		one, c, x := passes(t, sasl.ScramSHA256)
		if there {
			noError(t, one.w.admin.AddAccount(t.Context(), admin.NewAccount{Address: at(other), Directory: "tower"}))
		}
		one.account.Login = other
		if _, _, err := x.Next(t.Context(), []byte(clientFirst)); err != nil {
			t.Fatal(err)
		}
		_, done, err := x.Next(t.Context(), []byte("secret"))
		c.End()
		if done || c.Principal != nil || why.Word(err) != "token-of-another" {
			t.Errorf("account there %v: %v, %+v, %v", there, done, c.Principal, err)
		}
		if _, err := one.w.store.Account(t.Context(), other); (err == nil) != there {
			t.Errorf("account there %v: afterwards %v", there, err)
		}
	}
}
