package login

import (
	"context"
	"net/netip"
	"testing"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/login/why"
	"countersign/internal/sasl"
)

// ban refuses a login from here.
func ban(w *world, login string) {
	w.v.opt.Banned = func(client netip.Addr, of string) bool { return client == here && of == login }
}

// TestBannedFailsLikeAny: a login that is banned where the client is gets the one refusal
// after the same work, be the secret right, remembered or wrong, and the account there or
// not; the record has it apart.
func TestBannedFailsLikeAny(t *testing.T) {
	const nobody = "nobody@acme.example"
	for _, q := range questions() {
		for _, s := range []situation{
			{name: "right", cause: all("banned"), before: func(w *world) { ban(w, loginA) }},
			{name: "wrong", secret: wrongPassword, cause: map[string]string{"": "banned", "OAUTHBEARER": "token", "EXTERNAL": "unknown"}, before: func(w *world) { ban(w, loginA) }},
			{name: "suspended", cause: all("banned"), before: func(w *world) {
				ban(w, loginA)
				if err := w.admin.SuspendAccount(context.Background(), at(loginA)); err != nil {
					w.t.Fatal(err)
				}
			}},
		} {
			t.Run(q.mechanism+"/"+s.name, func(t *testing.T) { failAlike(t, q, s) })
		}
		if q.mechanism == "PLAIN" || q.keys {
			t.Run(q.mechanism+"/nobody", func(t *testing.T) {
				failAlike(t, q, situation{login: nobody, cause: all("banned"), before: func(w *world) { ban(w, nobody) }})
			})
		}
		t.Run(q.mechanism+"/others", func(t *testing.T) {
			w := newWorld(t)
			ban(w, loginA)
			if _, err := q.ask(w, elsewhere, loginA, q.right); err != nil {
				t.Errorf("from elsewhere: %v", err)
			}
			ban(w, "b@acme.example")
			if _, err := q.ask(w, here, loginA, q.right); err != nil {
				t.Errorf("another login: %v", err)
			}
		})
	}
}

// TestBannedNetworkIsNobodys: whose network is a credential is not recognised there
// while they are banned.
func TestBannedNetworkIsNobodys(t *testing.T) {
	w := newWorld(t)
	ask := func() *account.Principal {
		t.Helper()
		p, err := w.v.Network(t.Context(), Attempt{Client: here})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if ask() == nil {
		t.Fatal("the network is nobody's")
	}
	ban(w, loginA)
	if p := ask(); p != nil {
		t.Errorf("it is %v's", p.Sender.Account.Login())
	}
}

// TestBannedLeavesNoTrace: a right password under a ban is no use, makes nobody known, and
// stores nothing anew.
func TestBannedLeavesNoTrace(t *testing.T) {
	w := newWorld(t)
	w.hashed(loginA, hashOf(t, cheaper, goodPassword)) // which would be renewed
	before := w.secret(loginA)
	ban(w, loginA)
	if err := w.password(loginA, goodPassword); why.Word(err) != "banned" {
		t.Fatal(err)
	}
	if w.secret(loginA).Hash != before.Hash {
		t.Error("the hash was renewed")
	}
	if w.v.clients.Know("password of "+loginA, here) {
		t.Error("the client is known by a login that was refused")
	}
}

// TestBannedExchangeThatPassesThrough: whom a directory has let in, in an exchange of its
// own, is refused all the same, and gets no account here.
func TestBannedExchangeThatPassesThrough(t *testing.T) {
	const login = "t@out.example"
	one, c, x := passes(t, sasl.ScramSHA256)
	ban(one.w, login)
	if _, _, err := x.Next(t.Context(), []byte(clientFirst)); err != nil {
		t.Fatal(err)
	}
	_, done, err := x.Next(t.Context(), []byte("secret"))
	if done || c.Principal != nil {
		t.Errorf("it got in")
	}
	wantRefused(t, nil, err)
	if why.Word(err) != "banned" {
		t.Errorf("recorded as %q", why.Word(err))
	}
	if _, err := one.w.store.Account(t.Context(), login); !fault.Is(err, fault.NotFound) {
		t.Errorf("it has an account: %v", err)
	}
}
