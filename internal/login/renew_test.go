package login

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/hash"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/login/secrets"
	"countersign/internal/login/walk"
	"countersign/internal/login/why"
	"countersign/internal/sasl"
)

// agedWorld is a world of today, in which a has a cheaper hash, b one of today, and
// old@acme.example a dearer one, each of goodPassword and without keys.
func agedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	err := w.admin.AddAccount(t.Context(), admin.NewAccount{Address: at("old@acme.example"), Password: goodPassword})
	if err != nil {
		t.Fatal(err)
	}
	w.hashed(loginA, hashOf(t, cheaper, goodPassword))
	w.hashed("b@acme.example", hashOf(t, today, goodPassword))
	w.hashed("old@acme.example", hashOf(t, dearer, goodPassword))
	w.work()
	return w
}

// Accounts whose hashes are of different days, and logins that do not exist, fail after
// the very same derivations.
func TestHashesOfOtherDaysFailAlike(t *testing.T) {
	w := agedWorld(t)
	if err := w.v.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := costs(cheaper, today, dearer)
	failing := func(login, password string) {
		t.Helper()
		p, err := askPassword(w, here, login, password)
		wantRefused(t, p, err)
		if got := w.work(); !slices.Equal(got, want) {
			t.Errorf("%s, %q: derived %v, want %v", login, password, got, want)
		}
	}
	logins := []string{loginA, "b@acme.example", "old@acme.example", "nobody@acme.example", "no address"}
	for _, login := range logins {
		failing(login, wrongPassword)
		failing(login, "\x00")
	}
	if err := w.admin.SuspendCustomer(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	for _, login := range logins {
		failing(login, goodPassword) // right for three of them
	}
	if cost := w.secret(loginA).Cost; cost != hash.CostOf(cheaper).String() {
		t.Errorf("a failed login renewed the hash to %s", cost)
	}
}

// What Prepare did not see is learnt from the first attempt on it.
func TestHashOfAnotherDayIsLearnt(t *testing.T) {
	w := agedWorld(t)
	for i, want := range [][]string{costs(today), costs(today, dearer), costs(today, dearer)} {
		login := []string{"nobody@acme.example", "old@acme.example", "nobody@acme.example"}[i]
		_ = w.password(login, wrongPassword)
		if got := w.work(); !slices.Equal(got, want) {
			t.Errorf("%s: derived %v, want %v", login, got, want)
		}
	}
}

func TestCostsAreBounded(t *testing.T) {
	w, told := newWorld(t), 0
	w.hasher.TellTooMany(func(hash.Cost) { told++ })
	for i := range 3 * secrets.MaxCosts {
		w.hasher.Learn(hash.CostOf(hash.Params{MemoryKiB: uint32(100 + i), Iterations: 1, Parallelism: 1}))
	}
	w.work()
	_ = w.password("nobody@acme.example", "x")
	if got := w.work(); len(got) != secrets.MaxCosts {
		t.Errorf("a failure costs %d derivations, at most %d may be", len(got), secrets.MaxCosts)
	}
	if told != 1 {
		t.Errorf("the operator was told %d times that there are more kinds", told)
	}
}

// A hash of another day, or of another system, is renewed at the first login that shows
// its password, and the keys that were never there are made.
func TestLoginRenewsAHash(t *testing.T) {
	imported, err := bcrypt.GenerateFromPassword([]byte(goodPassword), 4)
	if err != nil {
		t.Fatal(err)
	}
	bcryptHash, err := hash.Parse(string(imported))
	if err != nil {
		t.Fatal(err)
	}
	for name, was := range map[string]hash.Hash{
		"cheaper": hashOf(t, cheaper, goodPassword), "dearer": hashOf(t, dearer, goodPassword), "bcrypt": bcryptHash, "without keys": hashOf(t, today, goodPassword),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, setup{})
			w.hashed(loginA, was)
			before, _ := w.store.Account(t.Context(), loginA)
			generation, _ := w.store.Generation(t.Context())
			events := len(w.store.Events())
			w.work()
			if _, err := askPassword(w, here, loginA, goodPassword); err != nil {
				t.Fatal(err)
			}
			if got := w.work(); !slices.Equal(got, []string{was.Cost().String()}) {
				t.Errorf("derived %v", got)
			}
			secret := w.secret(loginA)
			if h, err := hash.Parse(secret.Hash); err != nil || h.Cost() != hash.CostOf(today) || secret.Cost != h.Cost().String() || !h.Matches(goodPassword) {
				t.Errorf("stored as %s, %s (%v)", h, secret.Cost, err)
			}
			if now, _ := w.store.Generation(t.Context()); now != generation || w.proofs().Revision != before.Revision {
				t.Error("renewing raised revision or generation")
			}
			list := w.store.Events()
			e := list[len(list)-1]
			if len(list) != events+1 || e.Kind != audit.AdminChanged || e.Actor != "gate" || e.Login != loginA || e.Session != "S1" || e.Client != here.String() {
				t.Errorf("recorded %+v", e)
			}
			if strings.Contains(e.Text, "$") || strings.Contains(e.Text, goodPassword) {
				t.Errorf("the record holds a secret: %s", e.Text)
			}
			for _, q := range questions() {
				if q.keys {
					if _, err := q.ask(w, here, loginA, goodPassword); err != nil {
						t.Errorf("%s after the first login: %v", q.mechanism, err)
					}
				}
			}
			_ = w.password(loginA, goodPassword)
			if len(w.store.Events()) != events+1 {
				t.Error("the second login renewed once more")
			}
		})
	}
}

// Before the password was shown there is no key of an imported one, and a wrong one,
// or a failed login, makes none.
func TestKeysAreMadeOfAShownPasswordAlone(t *testing.T) {
	w := agedWorld(t)
	want := w.secret(loginA)
	shown := func(why string) {
		t.Helper()
		if got := w.secret(loginA); got.Hash != want.Hash || len(got.Keys) != 0 {
			t.Errorf("%s: keys were made, or the hash renewed", why)
		}
	}
	for _, q := range questions() {
		if q.mechanism != "PLAIN" {
			_, _ = q.ask(w, here, loginA, goodPassword)
			shown(q.mechanism)
		}
	}
	_ = w.password(loginA, wrongPassword)
	shown("a wrong password")
	w.give(loginA, func(a *account.Account) { a.Password().Envelope.Expires = w.clock() })
	_ = w.password(loginA, goodPassword)
	shown("an expired credential")
	w.give(loginA, func(a *account.Account) { a.Password().Envelope.Expires = time.Time{}; a.State = account.Suspended })
	_ = w.password(loginA, goodPassword)
	shown("a suspended account")
}

// bcrypt compares 72 octets: what follows them has not been shown.
func TestNothingIsMadeOfWhatBcryptDoesNotCompare(t *testing.T) {
	long := strings.Repeat("long password ", 6) // 84 octets
	imported, err := bcrypt.GenerateFromPassword([]byte(long[:72]), 4)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hash.Parse(string(imported))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.hashed(loginA, h)
	for _, typed := range []string{long, long[:72] + "mistyped"} {
		if err := w.password(loginA, typed); err != nil {
			t.Fatal(err)
		}
		if got := w.secret(loginA); got.Hash != h.Text() || len(got.Keys) != 0 {
			t.Error("something was made of a password that was not compared as a whole")
		}
	}
	if err := w.password(loginA, long[:72]); err != nil {
		t.Fatal(err)
	}
	if got := w.secret(loginA); got.Hash == h.Text() || len(got.Keys) == 0 {
		t.Error("a password that was compared as a whole has not renewed it")
	}
}

// A hash that is SCRAM's keys is kept sealed alone: the password is compared with those, and is
// made into the forms of the day, a wrong one into nothing.
func TestImportedKeys(t *testing.T) {
	w := newWorld(t)
	key := sasl.ScramKey(sasl.ScramSHA256, goodPassword, []byte("salt of another"), 4096)
	b := base64.StdEncoding.EncodeToString
	h, err := hash.Parse("{SCRAM-SHA-256}4096," + b([]byte("salt of another")) + "," + b(key.Stored) + "," + b(key.Server))
	if err != nil {
		t.Fatal(err)
	}
	imported, err := w.maker.Imported(loginA, h)
	if err != nil {
		t.Fatal(err)
	}
	w.give(loginA, func(a *account.Account) { a.Password().Secret = imported })
	x := w.explain("PLAIN", here, loginA, goodPassword)
	if !slices.ContainsFunc(x.Credentials, func(s walk.Standing) bool { return s.Hash == "SCRAM-SHA-256" && !s.Damaged }) {
		t.Errorf("it is explained as %+v", x.Credentials)
	}
	if err := w.password(loginA, "another password 1"); why.Word(err) != "wrong-password" {
		t.Errorf("a wrong password: %v", err)
	}
	if got := w.secret(loginA); got.Hash != imported.Hash {
		t.Errorf("a wrong password has made %q", got.Hash)
	}
	if err := w.password(loginA, goodPassword); err != nil {
		t.Fatal(err)
	}
	if got := w.secret(loginA); !strings.HasPrefix(got.Hash, "$argon2id$") || got.Key(sasl.ScramSHA1) == "" || got.Key(sasl.ScramSHA256) == "" {
		t.Errorf("the right password has left %q", got.Hash)
	}
	w.give(loginA, func(a *account.Account) {
		a.Password().Secret = account.Secret{Hash: imported.Hash, Cost: imported.Cost}
	})
	w.restart(setup{})
	if err := w.password(loginA, goodPassword); why.Word(err) != "damaged-credential" {
		t.Errorf("without its key: %v", err)
	}
}

// iterations are those of a's key for a mechanism.
func (w *world) iterations(mechanism string) int {
	secret := w.secret(loginA)
	k, err := w.maker.Open(mechanism, loginA, secret.Key(mechanism))
	if err != nil {
		w.t.Fatal(err)
	}
	return k.Iterations
}

// Iterations that are raised follow at the next login; lowered ones do not.
func TestIterationsAreRaised(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ configured, want int }{{sasl.MinIterations + 1, sasl.MinIterations + 1}, {sasl.MinIterations, sasl.MinIterations + 1}} {
		w.restart(setup{iterations: c.configured})
		if err := w.password(loginA, goodPassword); err != nil {
			t.Fatal(err)
		}
		for _, mechanism := range []string{sasl.ScramSHA1, sasl.ScramSHA256} {
			if got := w.iterations(mechanism); got != c.want {
				t.Errorf("%s: %d iterations, want %d", mechanism, got, c.want)
			}
			if _, err := askKeys(mechanism)(w, here, loginA, goodPassword); err != nil {
				t.Errorf("%s: %v", mechanism, err)
			}
		}
	}
}

// So it is with a generated password, which keeps its digest.
func TestIterationsOfAppPasswordsAreRaised(t *testing.T) {
	w := newWorld(t)
	w.addApp(loginA, "printer", appPassword)
	printer := func() account.Credential {
		proofs, err := w.store.Proofs(t.Context(), loginA)
		if err != nil {
			t.Fatal(err)
		}
		return proofs.Credentials[slices.IndexFunc(proofs.Credentials, func(c account.Credential) bool { return c.ID == "printer" })]
	}
	before := printer()
	w.restart(setup{iterations: sasl.MinIterations + 1})
	// Typed as people do, with capitals and without the dashes.
	if err := w.password(loginA, strings.ToUpper(strings.ReplaceAll(appPassword, "-", ""))); err != nil {
		t.Fatal(err)
	}
	after := printer()
	if after.Secret.Hash != before.Secret.Hash || after.Changed != before.Changed {
		t.Error("another hash, or another time of change")
	}
	for _, mechanism := range []string{sasl.ScramSHA1, sasl.ScramSHA256} {
		k, err := w.maker.Open(mechanism, loginA, after.Secret.Key(mechanism))
		if err != nil || k.Iterations != sasl.MinIterations+1 {
			t.Fatalf("%s: %d iterations, %v", mechanism, k.Iterations, err)
		}
		if string(sasl.ScramKey(mechanism, appPassword, k.Salt, k.Iterations).Stored) != string(k.Stored) {
			t.Errorf("%s: the key is of another password", mechanism)
		}
	}
}

// Keys that are as good as the password are there while they are allowed.
func TestLegacyKeysComeAndGo(t *testing.T) {
	w := newWorldWith(t, setup{})
	legacy := func(allowed bool) {
		t.Helper()
		w.give(loginA, func(a *account.Account) { a.Legacy = allowed })
	}
	has := func(why string, want bool) {
		t.Helper()
		for _, mechanism := range []string{secrets.CramMD5, secrets.DigestMD5} {
			secret := w.secret(loginA)
			value := secret.Key(mechanism)
			if (value != "") != want {
				t.Errorf("%s: a key of %s is stored: %v, want %v", why, mechanism, value != "", want)
			}
		}
	}
	works := func(why string, want bool) {
		t.Helper()
		for _, mechanism := range []string{secrets.CramMD5, secrets.DigestMD5} {
			_, err := askKeys(mechanism)(w, here, loginA, goodPassword)
			if (err == nil) != want {
				t.Errorf("%s: %s says %v", why, mechanism, err)
			}
		}
	}
	has("allowed", true)
	works("allowed", true)
	legacy(false)
	works("not allowed any more", false)
	if err := w.password(loginA, goodPassword); err != nil {
		t.Fatal(err)
	}
	has("not allowed, after a login", false)
	legacy(true)
	works("allowed again", false)
	if err := w.password(loginA, goodPassword); err != nil {
		t.Fatal(err)
	}
	has("allowed again, after a login", true)
	works("allowed again, after a login", true)
	w.store.Alter(loginA, func(a *account.Account) {
		keys := slices.Clone(a.Password().Secret.Keys)
		for i := range keys {
			if keys[i].Mechanism == secrets.CramMD5 || keys[i].Mechanism == secrets.DigestMD5 {
				keys[i].Value = "damaged"
			}
		}
		a.Password().Secret.Keys = keys
	})
	works("damaged", false)
	if err := w.password(loginA, goodPassword); err != nil {
		t.Fatal(err)
	}
	works("damaged, after a login", true)
}

// A plan allows it for all accounts on it.
func TestLegacyByPlan(t *testing.T) {
	w := newWorldWith(t, setup{})
	plan, err := w.store.Plan(t.Context(), "gold")
	if err != nil {
		t.Fatal(err)
	}
	plan.Legacy = true
	if err := w.store.PutPlan(t.Context(), plan, audit.Event{}); err != nil {
		t.Fatal(err)
	}
	w.hashed("b@acme.example", hashOf(t, today, goodPassword))
	if err := w.password("b@acme.example", goodPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := askKeys(secrets.CramMD5)(w, here, "b@acme.example", goodPassword); err != nil {
		t.Error(err)
	}
}

func TestRenewalThatFailsIsTriedAgain(t *testing.T) {
	w := agedWorld(t)
	w.restart(setup{})
	w.store.refuseRenewal = errors.New("down")
	if err := w.password(loginA, goodPassword); err != nil {
		t.Errorf("the login failed with its renewal: %v", err)
	}
	if cost := w.secret(loginA).Cost; cost != hash.CostOf(cheaper).String() {
		t.Fatalf("renewed to %s by a store that refuses", cost)
	}
	w.store.refuseRenewal = nil
	if err := w.password(loginA, goodPassword); err != nil {
		t.Error(err)
	}
	if cost := w.secret(loginA).Cost; cost != hash.CostOf(today).String() {
		t.Errorf("still %s after the next login", cost)
	}
}

// The operator learns of renewals that the store does not take, once a minute, and not of
// those that somebody else has made needless or whose client has gone.
func TestRenewalThatFailsIsTold(t *testing.T) {
	w := agedWorld(t)
	var told []string
	w.restart(setup{options: Options{NotRenewed: func(login string, err error) { told = append(told, login+": "+err.Error()) }}})
	fails := func(ctx context.Context, login string, err error, want int) {
		t.Helper()
		w.store.refuseRenewal = err
		if _, err := w.v.Password(ctx, Attempt{Client: here, Mechanism: "PLAIN"}, "", login, goodPassword); err != nil {
			t.Errorf("the login failed with its renewal: %v", err)
		}
		if len(told) != want {
			t.Errorf("told %q after %v, want %d", told, err, want)
		}
	}
	fails(t.Context(), loginA, fault.New("test", fault.Conflict, "another hash"), 0)
	fails(t.Context(), loginA, fault.New("test", fault.NotFound, "revoked"), 0)
	down := errors.New("the disk is gone")
	fails(t.Context(), loginA, down, 1)
	fails(t.Context(), "old@acme.example", down, 1)
	w.pass(time.Minute - 1)
	fails(t.Context(), loginA, down, 1)
	w.pass(1)
	fails(t.Context(), "old@acme.example", down, 2)
	if want := []string{loginA + ": " + down.Error(), "old@acme.example: " + down.Error()}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	w.pass(time.Hour)
	gone, leave := context.WithCancel(t.Context())
	w.store.duringRenewal = leave
	fails(gone, loginA, down, 2)
	w.store.duringRenewal = nil
	fails(t.Context(), loginA, nil, 2)
	for _, text := range told {
		if strings.Contains(text, goodPassword) || strings.Contains(text, "$") {
			t.Errorf("a secret in %q", text)
		}
	}
}

// A password that is set meanwhile is not overwritten by the old one's renewal.
func TestRenewalOverwritesNoNewPassword(t *testing.T) {
	w := agedWorld(t)
	w.during = func() {
		w.during = nil
		w.setPassword(loginA, "another good password")
	}
	p, err := askPassword(w, here, loginA, goodPassword)
	wantRefused(t, p, err)
	if err := w.password(loginA, "another good password"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}
