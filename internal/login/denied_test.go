package login

import (
	"net/netip"
	"slices"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/login/why"
)

// TestDeniedCostsWhatAnyFailureCosts: a right password from where access lists deny its login is
// refused after the work of a wrong one, also where it could be told to be right without any.
func TestDeniedCostsWhatAnyFailureCosts(t *testing.T) {
	for name, c := range map[string]struct {
		right   string
		prepare func(w *world)
	}{
		"derived":    {goodPassword, func(*world) {}},
		"remembered": {goodPassword, func(w *world) { logIn(w, goodPassword) }},
		"generated":  {appPassword, func(w *world) { w.addApp(loginA, "app", appPassword) }},
		"of several kinds": {goodPassword, func(w *world) {
			w.hashed(loginA, hashOf(w.t, cheaper, goodPassword)) // which would be renewed
			w.v.opt.Hasher.Learn(hash.CostOf(cheaper))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			w.v.opt.Denied = func(a *Attempt, p *account.Principal) string {
				if a.Client == here && p.Sender.Account.Login() == loginA {
					return "deny 192.0.2.0/24 everywhere"
				}
				return ""
			}
			stored := w.secret(loginA).Hash
			costs := func(login, secret, cause string) []string {
				t.Helper()
				w.work()
				p, err := askPassword(w, here, login, secret)
				wantRefused(t, p, err)
				if got := why.Word(err); got != cause {
					t.Errorf("recorded as %q, want %q", got, cause)
				}
				return w.work()
			}
			const denied = "access-list"
			nobody := costs("nobody@acme.example", wrongPassword, "unknown")
			for range 2 { // the second time too
				wrong, right := costs(loginA, wrongPassword, "wrong-password"), costs(loginA, c.right, denied)
				slices.Sort(nobody)
				slices.Sort(wrong)
				slices.Sort(right)
				if !slices.Equal(wrong, right) || !slices.Equal(wrong, nobody) {
					t.Errorf("a wrong password costs %v, the right one %v, a name that nobody has %v", wrong, right, nobody)
				}
			}
			if w.secret(loginA).Hash != stored {
				t.Error("the hash was renewed")
			}
			if _, err := askPassword(w, elsewhere, loginA, c.right); err != nil {
				t.Errorf("from elsewhere: %v", err)
			}
		})
	}
}

// logIn logs in with success.
func logIn(w *world, password string) {
	w.t.Helper()
	if _, err := askPassword(w, netip.MustParseAddr("203.0.113.50"), loginA, password); err != nil {
		w.t.Fatal(err)
	}
}
