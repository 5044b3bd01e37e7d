package login

import (
	"cmp"
	"slices"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/directory"
	"countersign/internal/login/alike"
	"countersign/internal/login/why"
)

// A right password whose hash a directory has, and that lets nobody in all the same, costs what a
// wrong one costs: one that came in here before or not, and whatever is in its way.
func TestRightPasswordOfADirectoryInVain(t *testing.T) {
	const login = "plain@out.example"
	for name, c := range map[string]struct {
		authzid, cause string
		wrong          string // why a wrong password fails
		before         bool
		prepare        func(w *world, m many)
	}{
		"its domain is nobody's": {cause: "unknown-domain", prepare: func(_ *world, m many) { m[0].homeless = true }},
		"denied":                 {cause: "access-list", prepare: deny},
		"denied, and known":      {cause: "access-list", before: true, prepare: deny},
		"would be somebody else": {cause: "authorization-identity", authzid: loginA, before: true, prepare: func(*world, many) {}},
		"has an account of ours": {cause: "token-of-another", wrong: "token-of-another", prepare: func(w *world, m many) {
			m[1].answers[login] = directory.Answer{Login: loginA, Hash: m[1].answers[login].Hash}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, m := outsiders(t, 0)
			w.restart(setup{workers: 1, options: Options{Directories: m, Hashes: alike.Hashes{
				Said: map[string][]hash.Cost{m[1].name: {hash.CostOf(today), hash.CostOf(dearer)}},
			}}})
			if c.before {
				w.must(fromOutside(w, login, goodPassword))
			}
			c.prepare(w, m)
			costs := func(login, authzid, password, cause string) []string {
				t.Helper()
				w.work()
				p, err := w.v.Password(t.Context(), Attempt{Client: here, Session: "s", Mechanism: "PLAIN"}, authzid, login, password)
				wantRefused(t, p, err)
				if got := why.Word(err); got != cause {
					t.Errorf("recorded as %q, want %q", got, cause)
				}
				return w.work()
			}
			wrong := costs(login, "", wrongPassword, cmp.Or(c.wrong, "wrong-password"))
			right := costs(login, c.authzid, goodPassword, c.cause)
			for _, got := range [][]string{right, costs("nobody@out.example", "", wrongPassword, "unknown")} {
				if !slices.Equal(got, wrong) {
					t.Errorf("costs %v, a wrong password %v", got, wrong)
				}
			}
		})
	}
}

func deny(w *world, _ many) {
	w.v.opt.Denied = func(*Attempt, *account.Principal) string { return "deny 192.0.2.0/24 everywhere" }
}

// A right password that is of two forms, as it was typed otherwise than it is kept, and lets nobody
// in, costs what a wrong one of two forms costs.
func TestRightPasswordOfTwoFormsInVain(t *testing.T) {
	const right, wrong = "correct\u00a0horse battery", "wrong\u00a0password, this"
	for name, prepare := range map[string]func(w *world){
		"denied": func(w *world) { deny(w, nil) },
		"suspended": func(w *world) {
			w.give(loginA, func(a *account.Account) { a.State = account.Suspended })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.password(loginA, right); err != nil {
				t.Fatal(err)
			}
			w.restart(setup{})
			prepare(w)
			costs := func(password string) []string {
				w.work()
				p, err := askPassword(w, here, loginA, password)
				wantRefused(t, p, err)
				return w.work()
			}
			if got, want := costs(right), costs(wrong); !slices.Equal(got, want) || len(got) != 2 {
				t.Errorf("the right password costs %v, a wrong one %v", got, want)
			}
		})
	}
}
