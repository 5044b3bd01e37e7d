package login

import (
	"countersign/internal/login/secrets"
	"fmt"
	"testing"

	"countersign/internal/account/admin"
	"countersign/internal/sasl"
)

// outline is what a client sees of keys before it proves anything, and what an exchange
// computes with.
func outline(k *sasl.Keys) string {
	return fmt.Sprintf("%d keys of %d and %d octets, %d of salt, %d iterations", len(k.List), len(k.List[0].Stored), len(k.List[0].Server), len(k.Salt), k.Iterations)
}

// keysOf asks for the keys of a login.
func (w *world) keysOf(mechanism, login string) *sasl.Keys {
	w.t.Helper()
	k, err := w.v.Keys(w.t.Context(), mechanism, login)
	if err != nil {
		w.t.Fatal(err)
	}
	if k.Mechanism != mechanism || k.Login != login {
		w.t.Errorf("the keys are of %s, %q", k.Mechanism, k.Login)
	}
	return k
}

// keyed are the mechanisms with keys.
func keyed() []string {
	return []string{sasl.ScramSHA1, sasl.ScramSHA256, secrets.CramMD5, secrets.DigestMD5}
}

// Keys that nobody has look as real ones do, and stay.
func TestDecoysLookReal(t *testing.T) {
	w := newWorld(t)
	for _, mechanism := range keyed() {
		want := outline(w.keysOf(mechanism, loginA))
		for _, login := range []string{"nobody@acme.example", "no address", "", "b\x00@acme.example"} {
			decoy := w.keysOf(mechanism, login)
			if got := outline(decoy); got != want {
				t.Errorf("%s for %q: %s; real ones are %s", mechanism, login, got, want)
			}
			again := w.keysOf(mechanism, login)
			if string(again.Salt) != string(decoy.Salt) {
				t.Errorf("%s for %q: the salt has changed", mechanism, login)
			}
		}
	}
}

// salts are what clients of all mechanisms are shown for a login.
func (w *world) shown(login string) (text string) {
	for _, mechanism := range []string{sasl.ScramSHA1, sasl.ScramSHA256} {
		k := w.keysOf(mechanism, login)
		text += fmt.Sprintf("%x %d ", k.Salt, k.Iterations)
	}
	return text
}

// The decoy of a name is its own, is the same after a restart and on every gate of the
// store, in capitals and not, and where an account comes or goes.
func TestDecoysStay(t *testing.T) {
	w := newWorld(t)
	const name = "nobody@acme.example"
	before := w.shown(name)
	if w.shown("NoBody@ACME.example") != before {
		t.Error("a name in capitals shows another salt")
	}
	if w.shown("somebody@acme.example") == before {
		t.Error("two names show the same salt")
	}
	w.restart(setup{})
	if w.shown(name) != before {
		t.Error("a restart changed the salt")
	}
	if err := w.admin.AddAccount(t.Context(), admin.NewAccount{Address: at(name), Password: goodPassword}); err != nil {
		t.Fatal(err)
	}
	if w.shown(name) != before {
		t.Error("an account that is added shows another salt than its name did before")
	}
	w.setPassword(name, "another good password")
	if w.shown(name) != before {
		t.Error("another password shows another salt")
	}
	if err := w.admin.SuspendAccount(t.Context(), at(name)); err != nil {
		t.Fatal(err)
	}
	if w.shown(name) != before {
		t.Error("a suspended account shows another salt")
	}
	if err := w.admin.RemoveAccount(t.Context(), at(name)); err != nil {
		t.Fatal(err)
	}
	if w.shown(name) != before {
		t.Error("a removed account shows another salt")
	}
	w.v.opt.Maker = w.makerOf(setup{salt: "another store's salt"})
	if w.shown(name) == before {
		t.Error("another store shows the same salt")
	}
}

// An account with a key for one mechanism only, as one that was imported has before its
// first login, shows for it what any name does.
func TestAccountWithoutKeysShowsADecoy(t *testing.T) {
	w := newWorld(t)
	before := w.shown(loginA)
	w.hashed(loginA, hashOf(t, today, goodPassword))
	if w.shown(loginA) != before {
		t.Error("an account without keys shows another salt")
	}
}

// Names that do not exist have each of the iterations that accounts may have.
func TestDecoysHaveTheIterationsInUse(t *testing.T) {
	former := []int{sasl.MinIterations + 1, sasl.MinIterations + 2}
	w := newWorldWith(t, setup{former: former})
	const names = 3000
	count := map[int]int{}
	for i := range names {
		login := fmt.Sprintf("nobody%d@acme.example", i)
		k := w.keysOf(sasl.ScramSHA256, login)
		count[k.Iterations]++
		if k.Iterations != w.keysOf(sasl.ScramSHA1, login).Iterations {
			t.Fatalf("%s has other iterations for another mechanism, as no account does", login)
		}
	}
	for _, n := range append(former, sasl.MinIterations) {
		if got := count[n]; got < names/3-150 || got > names/3+150 {
			t.Errorf("%d of %d names have %d iterations", got, names, n)
		}
	}
	if len(count) != 3 {
		t.Errorf("iterations: %v", count)
	}
}

// Nothing proves a decoy, whatever the exchange says.
func TestNothingProvesADecoy(t *testing.T) {
	w := newWorld(t)
	for _, mechanism := range keyed() {
		for _, login := range []string{"nobody@acme.example", "b@acme.example"} {
			if login == "b@acme.example" && mechanism != secrets.CramMD5 && mechanism != secrets.DigestMD5 {
				continue // b has keys of SCRAM
			}
			for _, which := range []int{-1, 0, 1, 1 << 30} {
				p, err := w.v.Proved(t.Context(), Attempt{Mechanism: mechanism}, "", w.keysOf(mechanism, login), which)
				wantRefused(t, p, err)
			}
		}
	}
}
