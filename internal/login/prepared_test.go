package login

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/fault"
	"countersign/internal/login/secrets"
	"countersign/internal/sasl"
)

// typedOn are passwords as keyboards of some countries have them, and what clients of SCRAM make
// of them (RFC 5802 section 2.2).
func typedOn() map[string]string {
	return map[string]string{
		"das ist´s, geheim": "das ist \u0301s, geheim",
		"zehn m² Garten ":   "zehn m2 Garten ",
		"la 1ª contraseña":  "la 1a contraseña",
	}
}

// raw returns the key of a text as it is.
func raw(k *sasl.Keys, text string) sasl.Key {
	return sasl.ScramKey(k.Mechanism, text, k.Salt, k.Iterations)
}

// proves reports whether a text as it is proves to be a.
func (w *world) proves(mechanism, text string) bool {
	w.t.Helper()
	k := w.keysOf(mechanism, loginA)
	want := raw(k, text)
	which := slices.IndexFunc(k.List, func(have sasl.Key) bool { return string(have.Stored) == string(want.Stored) })
	if which >= 0 && string(k.List[which].Server) != string(want.Server) {
		w.t.Error("the server proves something else")
	}
	p, err := w.v.Proved(w.t.Context(), Attempt{Client: here, Mechanism: mechanism}, "", k, which)
	if err != nil && !fault.Is(err, fault.Unauthenticated) {
		w.t.Fatal(err)
	}
	return p != nil && p.Credential.Kind == account.Password
}

// Clients prepare a password by SASLprep, as SCRAM has it, or as what has replaced it does: both
// get in, also after a password of other days has been given by PLAIN, and auth test says so.
func TestSCRAMOfBothPreparations(t *testing.T) {
	for password, prepared := range typedOn() {
		for _, way := range []string{"set here", "imported", "keys of before"} {
			w := newWorldWith(t, setup{})
			switch way {
			case "set here":
				w.setPassword(loginA, password)
			case "imported":
				w.hashed(loginA, hashOf(t, dearer, password))
			case "keys of before":
				w.setPassword(loginA, password)
				w.single(loginA)
			}
			if err := w.password(loginA, password); err != nil {
				t.Fatalf("%q %s by PLAIN: %v", password, way, err)
			}
			for _, mechanism := range []string{sasl.ScramSHA1, sasl.ScramSHA256} {
				for text, right := range map[string]bool{password: true, prepared: true, password + "x": false, "": false} {
					if w.proves(mechanism, text) != right {
						t.Errorf("%q %s, %s with %q: %v", password, way, mechanism, text, !right)
					}
				}
				if told := w.explain(mechanism, here, loginA, password); told.Principal == nil {
					t.Errorf("%q %s: auth test by %s: %v", password, way, mechanism, told.Cause)
				}
			}
			if err := w.password(loginA, prepared); err == nil {
				t.Errorf("%q is the password %q too", prepared, password)
			}
		}
	}
}

// A key of before has not what most clients make of the password: auth test says that too.
func TestAuthTestOfASingleKey(t *testing.T) {
	w := newWorldWith(t, setup{})
	w.setPassword(loginA, "zehn m² Garten")
	w.single(loginA)
	if told := w.explain(sasl.ScramSHA256, here, loginA, "zehn m² Garten"); told.Cause != "wrong-password" {
		t.Errorf("%+v", told)
	}
}

// single makes the keys of an account's password those that stood in the store before there were
// two.
func (w *world) single(login string) {
	w.t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	w.store.Alter(login, func(a *account.Account) {
		s := &a.Password().Secret
		for i, each := range s.Keys {
			if each.Mechanism != sasl.ScramSHA1 && each.Mechanism != sasl.ScramSHA256 {
				continue
			}
			k, err := w.maker.Open(each.Mechanism, login, each.Value)
			if err != nil {
				w.t.Fatal(err)
			}
			h, err := hash.Parse(fmt.Sprintf("{%s}%d,%s,%s,%s", each.Mechanism, k.Iterations, b64(k.Salt), b64(k.Stored), b64(k.Server)))
			if err != nil {
				w.t.Fatal(err)
			}
			one, err := w.maker.Imported(login, h)
			if err != nil {
				w.t.Fatal(err)
			}
			s.Keys[i].Value = one.Key(each.Mechanism)
		}
	})
}

// As many keys are tried, by the same challenge, for an account with one, with two, and for none.
func TestAsManyKeysForAllNames(t *testing.T) {
	w := newWorldWith(t, setup{})
	w.setPassword("b@acme.example", "zehn m² Garten")
	for _, mechanism := range []string{sasl.ScramSHA1, sasl.ScramSHA256} {
		for _, login := range []string{loginA, "b@acme.example", "nobody@acme.example"} {
			k := w.keysOf(mechanism, login)
			if len(k.List) != 2 || k.Iterations != sasl.MinIterations || len(k.Salt) != 16 {
				t.Errorf("%s: %d keys, %d, %d", login, len(k.List), k.Iterations, len(k.Salt))
			}
			for which := range 3 {
				p, err := w.v.Proved(t.Context(), Attempt{Client: here, Mechanism: mechanism}, "", k, which)
				if real := login == "b@acme.example" && which < 2 || login == loginA && which < 1; (err == nil) != real || (p != nil) != real {
					t.Errorf("%s with key %d: %v", login, which, err)
				}
			}
		}
	}
	if k := w.keysOf(secrets.CramMD5, loginA); len(k.List) != 1 {
		t.Errorf("%d keys of CRAM-MD5", len(k.List))
	}
}
