package login

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/text/unicode/norm"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/fault"
	"countersign/internal/login/secrets"
	"countersign/internal/sasl"
	"countersign/internal/seal"
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
	for _, mechanism := range account.LegacyMechanisms() {
		for _, login := range []string{loginA, "b@acme.example", "nobody@acme.example"} {
			if k := w.keysOf(mechanism, login); len(k.List) != 3 {
				t.Errorf("%s: %d keys of %s", login, len(k.List), mechanism)
			}
		}
	}
}

// What clients of CRAM-MD5 and DIGEST-MD5 were seen to make of a password, as they prepare or encode it
// in several ways, gets in; also after a password of other days has been given by PLAIN, and after one
// that was decomposed.
func TestLegacyOfAllPreparations(t *testing.T) {
	const password = "zehn m² Gärten"
	decomposed := norm.NFD.String(password)
	digest := func(text string) sasl.Key {
		sum := md5.Sum([]byte(loginA + ":" + realm + ":" + text))
		return sasl.Key{Stored: sum[:]}
	}
	proofs := map[string]map[string]sasl.Key{
		secrets.CramMD5: {
			"curl": sasl.CramKey(password), "gsasl": sasl.CramKey("zehn m2 Gärten"), "curl, decomposed": sasl.CramKey(decomposed),
			"nobody": sasl.CramKey("zehn m2 Garten"),
		},
		secrets.DigestMD5: {
			"curl": digest(password), "gsasl": digest("zehn m\xb2 G\xe4rten"), "curl, decomposed": digest(decomposed),
			"nobody": digest("zehn m2 Garten"),
		},
	}
	for _, way := range []string{"set here", "imported", "decomposed", "keys of before"} {
		w := newWorldWith(t, setup{})
		typed := password
		switch way {
		case "imported":
			w.hashed(loginA, hashOf(t, dearer, password))
		case "decomposed":
			typed = decomposed
			w.hashed(loginA, hashOf(t, dearer, password))
		default:
			w.setPassword(loginA, password)
		}
		if way == "keys of before" {
			w.alone(loginA, password)
		}
		if way != "set here" {
			if err := w.password(loginA, typed); err != nil {
				t.Fatalf("%s by PLAIN: %v", way, err)
			}
		}
		for mechanism, all := range proofs {
			for name, key := range all {
				k := w.keysOf(mechanism, loginA)
				which := slices.IndexFunc(k.List, func(have sasl.Key) bool {
					return string(have.Stored) == string(key.Stored) && string(have.Server) == string(key.Server)
				})
				p, err := w.v.Proved(t.Context(), Attempt{Client: here, Mechanism: mechanism}, "", k, which)
				if right := name != "nobody"; (p != nil) != right || right && p.Credential.Kind != account.Password {
					t.Errorf("%s, %s by %s: %v", way, mechanism, name, err)
				}
			}
			if told := w.explain(mechanism, here, loginA, password); told.Principal == nil {
				t.Errorf("%s: auth test by %s: %v", way, mechanism, told.Cause)
			}
		}
	}
}

// alone makes the keys of an account's password for the legacy mechanisms those that stood in the
// store before there were several.
func (w *world) alone(login, password string) {
	w.t.Helper()
	cram := sasl.CramKey(password)
	plain := map[string][]byte{
		secrets.CramMD5: slices.Concat(cram.Stored, cram.Server), secrets.DigestMD5: sasl.DigestKey(login, realm, password).Stored,
	}
	w.store.Alter(login, func(a *account.Account) {
		s := &a.Password().Secret
		for i, each := range s.Keys {
			if plain[each.Mechanism] == nil {
				continue
			}
			sealed, err := w.sealer.Seal(seal.Password, seal.PasswordName(each.Mechanism, login), plain[each.Mechanism])
			if err != nil {
				w.t.Fatal(err)
			}
			s.Keys[i].Value = base64.StdEncoding.EncodeToString(sealed)
		}
	})
}
