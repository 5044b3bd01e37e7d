package login

import (
	"testing"

	"pgregory.net/rapid"

	"countersign/internal/account"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// holder is an account as the property test keeps it beside the gate.
type holder struct {
	password, app string
	// former is the password before.
	former    string
	suspended bool
}

// asker is one client whose questions come in any order.
type asker struct {
	w      *world
	client *Client
	people map[string]*holder
	// made holds secrets that were made, which takes time, by what they are of.
	made map[string]account.Secret
	// keys are those that were given, with the login that they were asked for.
	keys []*sasl.Keys
	// proved is whom the last question proved, "" for nobody.
	proved string
}

// TestNoOrderOfQuestionsEndsWithoutTheSecret asks any questions in any order while
// accounts change, and wants a principal after those alone that showed the right secret
// of an account that was active.
func TestNoOrderOfQuestionsEndsWithoutTheSecret(t *testing.T) {
	made := map[string]account.Secret{}
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		x := &asker{w: w, made: made, people: map[string]*holder{
			loginA:           {password: goodPassword, app: appPassword},
			"b@acme.example": {password: passwordOfB, app: "bbbbb-ccccc-ddddd-eeeee"},
		}}
		for login, h := range x.people {
			secret := x.make(login, h.app, account.AppPassword)
			w.give(login, func(a *account.Account) {
				a.Credentials = append(a.Credentials, account.Credential{ID: mail.ID("app of " + login), Kind: account.AppPassword, Name: "app", Secret: secret})
			})
		}
		x.client = &Client{Verifier: w.v, Attempt: Attempt{Client: here, Mechanism: "PLAIN"}}
		r.Repeat(map[string]func(*rapid.T){
			"password": x.password, "keys": x.askKeys, "prove": x.prove, "token": x.token,
			"certificate": x.certificate, "suspend": x.suspend, "change": x.change, "": x.check,
		})
	})
}

// anybody draws a login, of which some do not exist.
func anybody(r *rapid.T) string {
	return rapid.SampledFrom([]string{loginA, "b@acme.example", "A@ACME.example", "nobody@acme.example", "", "nonsense"}).Draw(r, "login")
}

// holder returns the account of a login, nil for none, and its name.
func (x *asker) holder(login string) (string, *holder) {
	key, _ := mail.KeyOf(login)
	return key, x.people[key]
}

// secret draws the secret of somebody, or of nobody.
func (x *asker) secret(r *rapid.T) string {
	return rapid.SampledFrom([]string{x.people[loginA].password, x.people[loginA].app, x.people["b@acme.example"].password, x.people["b@acme.example"].app, x.people[loginA].former, "", "nonsense", "\x00"}).Draw(r, "secret")
}

// settle notes whom a question has proved by what was expected of it.
func (x *asker) settle(r *rapid.T, err error, login string, right bool) {
	key, h := x.holder(login)
	right = right && h != nil && !h.suspended
	if (err == nil) != right {
		r.Fatalf("%q: %v, right %v", login, err, right)
	}
	x.proved = ""
	if right {
		x.proved = key
	}
}

func (x *asker) password(r *rapid.T) {
	login, secret := anybody(r), x.secret(r)
	_, h := x.holder(login)
	authzid := rapid.SampledFrom([]string{"", loginA, "b@acme.example"}).Draw(r, "authzid")
	key, _ := x.holder(login)
	err := x.client.VerifyPassword(x.w.t.Context(), authzid, login, secret)
	x.settle(r, err, login, h != nil && (secret == h.password || secret == h.app) && (authzid == "" || authzid == key))
}

func (x *asker) askKeys(r *rapid.T) {
	k, err := x.client.Keys(x.w.t.Context(), rapid.SampledFrom(keyed()).Draw(r, "mechanism"), anybody(r))
	if err != nil {
		r.Fatal(err)
	}
	x.keys, x.proved = append(x.keys, k), ""
}

// prove proves keys that were given some time ago, with any secret.
func (x *asker) prove(r *rapid.T) {
	if len(x.keys) == 0 {
		r.Skip("no keys were given")
	}
	k := rapid.SampledFrom(x.keys).Draw(r, "keys")
	secret := x.secret(r)
	key, h := x.holder(k.Login)
	which := whichOf(x.w, k, key, secret)
	err := x.client.Proved(x.w.t.Context(), "", k, which)
	right := which >= 0 && h != nil && !h.suspended && (secret == h.password || secret == h.app)
	x.proved = ""
	switch {
	case err == nil && !right:
		r.Fatalf("%q has proved what is not the secret of now", k.Login)
	case err == nil: // it may fail, as the account was suspended when keys were given
		x.proved = key
	}
}

func (x *asker) token(r *rapid.T) {
	login, token := anybody(r), rapid.SampledFrom([]string{"good", "", "nonsense"}).Draw(r, "token")
	err := x.client.VerifyToken(x.w.t.Context(), login, token)
	if key, _ := x.holder(login); login != "" && key != loginA {
		token = ""
	}
	x.settle(r, err, loginA, token == "good")
}

func (x *asker) certificate(r *rapid.T) {
	subject := rapid.SampledFrom([]string{fingerprint, "cn:nobody", ""}).Draw(r, "subject")
	x.client.Subjects = nil
	if subject != "" {
		x.client.Subjects = []string{subject}
	}
	x.settle(r, x.client.VerifyCertificate(x.w.t.Context(), ""), loginA, subject == fingerprint)
}

// suspend suspends or resumes an account.
func (x *asker) suspend(r *rapid.T) {
	login := rapid.SampledFrom([]string{loginA, "b@acme.example"}).Draw(r, "whom")
	h := x.people[login]
	h.suspended = !h.suspended
	x.w.give(login, func(a *account.Account) {
		a.State = account.Active
		if h.suspended {
			a.State = account.Suspended
		}
	})
}

// change gives an account another password. Keys that were given before prove nothing
// any more.
func (x *asker) change(r *rapid.T) {
	login := rapid.SampledFrom([]string{loginA, "b@acme.example"}).Draw(r, "whose")
	h := x.people[login]
	next := rapid.SampledFrom([]string{"another password", "one more password", "and yet another"}).Draw(r, "password")
	h.former, h.password = h.password, next
	secret := x.make(login, next, account.Password)
	x.w.give(login, func(a *account.Account) {
		c := a.Password()
		c.Secret, c.Changed = secret, c.Changed.Add(1)
	})
}

// make returns the secret of a password.
func (x *asker) make(login, password string, kind account.CredentialKind) account.Secret {
	name := login + " " + password
	secret, ok := x.made[name]
	if !ok {
		var err error
		secret, err = x.w.maker.MakeSecret(x.w.t.Context(), login, password, kind, true)
		if err != nil {
			x.w.t.Fatal(err)
		}
		x.made[name] = secret
	}
	return secret
}

// check compares the client with what is expected.
func (x *asker) check(r *rapid.T) {
	p := x.client.Principal
	switch {
	case (p != nil) != (x.proved != ""):
		r.Fatalf("the principal is %v, proved is %q", p, x.proved)
	case p != nil && p.Sender.Account.Login() != x.proved:
		r.Fatalf("the principal is %s, proved is %q", p.Sender.Account.Login(), x.proved)
	}
}
