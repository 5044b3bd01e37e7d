package login

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/account"
	"countersign/internal/directory"
	"countersign/internal/mail"
)

// gatehouse is a directory that takes a second to answer, and so many questions at once.
type gatehouse struct {
	*place
	takes int

	mu sync.Mutex // guards what follows
	// came are the clients whose questions it was asked, in order.
	came         []netip.Addr
	inside, most int
}

func (g *gatehouse) Width() int { return g.takes }

func (g *gatehouse) enter(q *directory.Question) {
	g.mu.Lock()
	g.came = append(g.came, q.Client)
	g.inside++
	g.most = max(g.most, g.inside)
	g.mu.Unlock()
	time.Sleep(time.Second)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
}

func (g *gatehouse) Ask(ctx context.Context, q directory.Question) (*directory.Answer, error) {
	g.enter(&q)
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.place.Ask(ctx, q)
}

func (g *gatehouse) Standing(ctx context.Context, q directory.Question) (directory.Standing, error) {
	g.enter(&q)
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.place.Standing(ctx, q)
}

// door has one of them before all domains but acme.example.
type door struct {
	many
	one *gatehouse
}

func (d door) For(domain mail.Domain) []directory.Source {
	if domain == "acme.example" {
		return nil
	}
	return []directory.Source{d.one}
}

// narrowed is a world beside a gatehouse, which remembers nothing, so that it is asked each
// time; its account has logged in from here, by its password and by an app password.
func narrowed(t *testing.T, takes int) (*world, *gatehouse) {
	t.Helper()
	w, m := outsiders(t, 0)
	g := &gatehouse{place: m[0], takes: takes}
	g.knows = true
	w.beside(door{m, g})
	w.must(fromOutside(w, elsewhereLogin, goodPassword))
	w.addApp(elsewhereLogin, "ap", itsAppPassword)
	w.must(askPassword(w, here, elsewhereLogin, itsAppPassword))
	w.reopen()
	g.came, g.most = nil, 0
	return w, g
}

// reopen makes the verifier anew over the same directories, after the old one has written
// down what it wants to be known.
func (w *world) reopen() {
	w.t.Helper()
	w.v.uses.Write(w.t.Context())
	w.restart(setup{options: Options{Directories: w.v.opt.Directories}})
	if err := w.v.Prepare(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// Who is known from where they are does not stand in line with strangers before a
// directory, whichever of their secrets they show, and a restart makes nobody a stranger.
func TestKnownClientsGoFirstBeforeADirectory(t *testing.T) {
	for _, secret := range []string{goodPassword, itsAppPassword, wrongPassword} {
		for _, restarted := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w, g := narrowed(t, 1)
				if !restarted { // they have to log in once more to be known
					w.restart(setup{options: Options{Directories: w.v.opt.Directories}})
					w.must(fromOutside(w, elsewhereLogin, goodPassword))
					w.must(askPassword(w, here, elsewhereLogin, itsAppPassword))
					g.came = nil
				}
				var asked sync.WaitGroup
				ask := func(client netip.Addr, login, password string) {
					asked.Go(func() { _, _ = askPassword(w, client, login, password) })
					synctest.Wait()
				}
				const strangers = 8
				for i := range strangers {
					ask(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), fmt.Sprintf("nobody%d@out.example", i), wrongPassword)
				}
				ask(elsewhere, elsewhereLogin, secret) // nobody knows them there
				ask(here, elsewhereLogin, secret)
				asked.Wait()
				if got := slices.Index(g.came, here); got != 1 {
					t.Errorf("%q, restarted %v: the known client was asked about as number %d: %v", secret, restarted, got, g.came)
				}
				if got := slices.Index(g.came, elsewhere); got != strangers+1 {
					t.Errorf("%q, restarted %v: the unknown one as number %d: %v", secret, restarted, got, g.came)
				}
			})
		}
	}
}

// Who has come in by the password at another gate goes before strangers here: by the password, not
// by what else opens the account, and from there alone.
func TestKnownAtAnotherGate(t *testing.T) {
	for secret, first := range map[string]bool{goodPassword: true, wrongPassword: true, itsAppPassword: false} {
		synctest.Test(t, func(t *testing.T) {
			w, g := narrowed(t, 1)
			w.restart(setup{options: Options{
				Directories: w.v.opt.Directories,
				Known:       func(client netip.Addr, login string) bool { return client == here && login == elsewhereLogin },
			}})
			var asked sync.WaitGroup
			ask := func(client netip.Addr, login, password string) {
				asked.Go(func() { _, _ = askPassword(w, client, login, password) })
				synctest.Wait()
			}
			const strangers = 8
			for i := range strangers {
				ask(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), fmt.Sprintf("nobody%d@out.example", i), wrongPassword)
			}
			ask(elsewhere, elsewhereLogin, secret)
			ask(here, elsewhereLogin, secret)
			asked.Wait()
			if got := slices.Index(g.came, here); (got == 1) != first {
				t.Errorf("%q: the known client was asked about as number %d: %v", secret, got, g.came)
			}
			if got := slices.Index(g.came, elsewhere); got < strangers {
				t.Errorf("%q: the unknown one as number %d: %v", secret, got, g.came)
			}
		})
	}
}

// A directory is asked as much at once as it takes, whoever asks it first, and one that says
// nothing of that, one question after the other.
func TestADirectoryIsAskedAsMuchAsItTakes(t *testing.T) {
	for _, takes := range []int{0, 1, 3} {
		for _, secret := range []string{goodPassword, itsAppPassword} {
			synctest.Test(t, func(t *testing.T) {
				w, g := narrowed(t, takes)
				var asked sync.WaitGroup
				for i := range 9 {
					asked.Go(func() {
						if p, err := askPassword(w, netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), elsewhereLogin, secret); err != nil || p == nil {
							t.Errorf("%v, %v", p, err)
						}
					})
				}
				asked.Wait()
				if want := max(takes, 1); g.most != want || len(g.came) != 9 {
					t.Errorf("%q: asked %d times, %d at once; it takes %d", secret, len(g.came), g.most, want)
				}
			})
		}
	}
}

// What is known of an account that lives elsewhere is known of its own credential: one that
// gets another password credential is a stranger, and a login that nobody has is none.
func TestKnownByTheCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := narrowed(t, 1)
		proofs, err := w.store.Proofs(t.Context(), elsewhereLogin)
		if err != nil {
			t.Fatal(err)
		}
		a := Attempt{Client: here}
		if c := passwordIn(&proofs); !w.v.knows(&a, elsewhereLogin, c) || w.v.knows(&Attempt{Client: elsewhere}, elsewhereLogin, c) || w.v.knows(&a, elsewhereLogin, &account.Credential{ID: "another"}) || w.v.knows(&a, elsewhereLogin, nil) {
			t.Errorf("%+v is not known as it should", c)
		}
	})
}
