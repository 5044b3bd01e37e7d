package importing

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/hash"
	"countersign/internal/account/roster"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/testkit/accountstore"
)

// bcrypt is a hash of the lowest cost.
const bcrypt = "$2a$04$zVHmKQtGGQob.b/Nc7l9NO8UlrYcW05FiuCj/SxsFO/ZtiN9.mNzy"

// ssha is a hash of "right password 1".
const ssha = "{SSHA256}maIYFGZnUUS6fvRJ/001iv5a+qHUaHFP3ww1ytFzX8lzYWx0c2FsdA=="

// maker is a SecretMaker whose secrets can be matched without work.
type maker struct{}

func (maker) MakeSecret(_ context.Context, _, password string, _ account.CredentialKind, legacy bool) (account.Secret, error) {
	return account.Secret{Hash: "{PLAIN}" + password, Cost: fmt.Sprint("legacy ", legacy)}, nil
}

func (maker) KeyIn(hash.Hash) string { return "" }

func (maker) Imported(_ context.Context, _ string, h hash.Hash) (account.Secret, error) {
	return account.Secret{Hash: h.Text(), Cost: h.Cost().String()}, nil
}

func (maker) Hash(_ context.Context, _ string, s *account.Secret) (hash.Hash, error) {
	return hash.Parse(s.Hash)
}

func clock() time.Time { return time.Unix(1_800_000_000, 0).UTC() }

// world has customer acme with domain acme.example and an account in it.
type world struct {
	*testing.T
	store *accountstore.Store
	opt   Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, ids := accountstore.New(), &mail.IDSource{}
	admin := admin.New(admin.Options{Store: s, Secrets: maker{}, IDs: ids, Now: clock, Actor: "cli:test"})
	ctx := t.Context()
	for _, err := range []error{
		admin.AddPlan(ctx, account.Plan{Name: "gold", Legacy: true}),
		admin.AddCustomer(ctx, "acme", "gold"),
		admin.AddDomain(ctx, "acme.example", "acme", []account.Key{{Selector: "s"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return &world{T: t, store: s, opt: Options{
		Store: s, Admin: admin, Secrets: maker{}, IDs: ids, Now: clock, Actor: "cli:test",
		Keys: func(context.Context, mail.Domain) ([]account.Key, error) { return []account.Key{{Selector: "s"}}, nil },
	}}
}

// run imports a passwd-file, and returns the results as lines.
func (w *world) run(ctx context.Context, store account.Store, list string) (lines []string, s Summary, err error) {
	opt := w.opt
	opt.Store = store
	s, err = Run(ctx, roster.NewPasswdFile(strings.NewReader(list), roster.Options{}), opt, func(r Result) error {
		lines = append(lines, fmt.Sprintf("%d %s %s", r.Line, r.Object, r.Outcome))
		return nil
	})
	return lines, s, err
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "user%d@acme.example:%s\n", i, bcrypt)
	}
	return b.String()
}

// gated is a store of which a test says when accounts are stored, and counts them.
type gated struct {
	account.Store
	before func(a *account.Account) error
}

func (g *gated) PutAccount(ctx context.Context, a account.Account, e audit.Event) error {
	if err := g.before(&a); err != nil {
		return err
	}
	return g.Store.PutAccount(ctx, a, e)
}

// AddAccounts asks before for each.
func (g *gated) AddAccounts(ctx context.Context, list []account.Account, events []audit.Event) error {
	for i := range list {
		if err := g.before(&list[i]); err != nil {
			return err
		}
	}
	return g.Store.AddAccounts(ctx, list, events)
}

// TestOrder: accounts are stored at the same time, in any order, and reported in that of
// the list.
func TestOrder(t *testing.T) {
	w := newWorld(t)
	w.opt.Workers, w.opt.Together = 4, 1
	second := make(chan struct{})
	var stored atomic.Int32
	store := &gated{w.store, func(a *account.Account) error {
		switch a.Address.Local {
		case "user0":
			<-second // the first waits for the second
		case "user1":
			close(second)
		}
		stored.Add(1)
		return nil
	}}
	lines, s, err := w.run(t.Context(), store, many(50))
	if err != nil || s.Added != 50 || stored.Load() != 50 {
		t.Fatalf("%+v, %v", s, err)
	}
	for i, line := range lines {
		if want := fmt.Sprintf("%d account user%d@acme.example added", i+1, i); line != want {
			t.Fatalf("got %q, want %q", line, want)
		}
	}
	a, err := w.store.Account(t.Context(), "user7@acme.example")
	if err != nil || a.Password() == nil || a.Password().Secret.Hash != bcrypt || a.State != account.Active {
		t.Fatalf("%+v, %v", a, err)
	}
	events := w.store.Events()
	if e := events[len(events)-1]; e.Kind != audit.AdminAdded || e.Actor != "cli:test" || strings.Contains(e.Text, "$") {
		t.Fatalf("%+v", e)
	}
}

// TestInterrupted: an import that was cut off goes on where it is run again.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	w.opt.Workers, w.opt.Together = 1, 5
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	store := &gated{w.store, func(a *account.Account) error {
		if a.Address.Local == "user20" {
			cancel()
		}
		return ctx.Err()
	}}
	lines, s, err := w.run(ctx, store, many(60))
	if !fault.Is(err, fault.Canceled) || !strings.Contains(err.Error(), "the same command goes on") {
		t.Fatalf("%v", err)
	}
	if len(lines) != s.Lines() || s.Added != 20 || s.Failed != 0 {
		t.Fatalf("%d lines, %+v", len(lines), s)
	}
	before, _ := w.store.Accounts(t.Context(), account.AccountQuery{})
	_, again, err := w.run(t.Context(), w.store, many(60))
	if err != nil || again.Unchanged != len(before) || again.Added != 60-len(before) || again.Failed != 0 {
		t.Fatalf("%d were there; %+v, %v", len(before), again, err)
	}
}

// sealing is a maker whose imported hashes do not show what they are.
type sealing struct{ maker }

func (sealing) Imported(_ context.Context, _ string, h hash.Hash) (account.Secret, error) {
	return account.Secret{Hash: "{SEALED}x", Keys: []account.SecretKey{{Mechanism: "X", Value: h.Text()}}}, nil
}

func (sealing) Hash(_ context.Context, login string, s *account.Secret) (hash.Hash, error) {
	if login != "s@acme.example" {
		return hash.Hash{}, fault.New("test", fault.Corrupt, "it is bound to its login")
	}
	return hash.Parse(s.Keys[0].Value)
}

// TestSealedHashes: a hash that is stored sealed is known again, by itself and by its
// password in clear.
func TestSealedHashes(t *testing.T) {
	w := newWorld(t)
	w.opt.Secrets = sealing{}
	if _, s, err := w.run(t.Context(), w.store, "s@acme.example:"+ssha); err != nil || s.Added != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	for line, want := range map[string]Outcome{
		"hash\ns@acme.example," + ssha: Unchanged, "hash\ns@acme.example," + bcrypt: Skipped,
		"password\ns@acme.example,right password 1": Unchanged, "password\ns@acme.example,wrong password 1": Skipped,
	} {
		list, err := roster.NewCSV(strings.NewReader("address,"+line+"\n"), roster.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), list, w.opt, func(r Result) error {
			if r.Outcome != want {
				t.Errorf("%s: %+v", line, r)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// TestStoreAway: trouble of the store ends the import, and is no failure of a line.
func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	w.opt.Together = 1
	away := errors.New("away")
	store := &gated{w.store, func(a *account.Account) error {
		if a.Address.Local == "user3" {
			return fault.Wrap("put", fault.Unavailable, away)
		}
		return nil
	}}
	lines, s, err := w.run(t.Context(), store, many(40))
	if !errors.Is(err, away) || s.Failed != 0 || len(lines) != 3 {
		t.Fatalf("%v, %+v, %v", lines, s, err)
	}
	broken := errors.New("pipe closed")
	_, err = Run(t.Context(), roster.NewPasswdFile(strings.NewReader(many(40)), roster.Options{}), w.opt, func(Result) error { return broken })
	if !errors.Is(err, broken) {
		t.Fatalf("%v", err)
	}
}

// TestOneOfMany: an account that cannot be stored keeps none of those from it that would
// be stored with it.
func TestOneOfMany(t *testing.T) {
	w := newWorld(t)
	store := &gated{w.store, func(a *account.Account) error {
		if a.Address.Local == "user30" {
			return &fault.Error{Kind: fault.Conflict}
		}
		return nil
	}}
	lines, s, err := w.run(t.Context(), store, many(120))
	if err != nil || s.Added != 119 || s.Failed != 1 || lines[30] != "31 account user30@acme.example failed" {
		t.Fatalf("%+v, %v", s, err)
	}
	all, _ := w.store.Accounts(t.Context(), account.AccountQuery{})
	if len(all) != 119 {
		t.Errorf("%d accounts", len(all))
	}
}

// TestManyBadLines: lines without an account do not keep those from being stored that
// came before them.
func TestManyBadLines(t *testing.T) {
	w := newWorld(t)
	_, s, err := w.run(t.Context(), w.store, many(1)+strings.Repeat("no colon\n", 5000)+"last@acme.example:"+bcrypt+"\n")
	if err != nil || s.Added != 2 || s.Failed != 5000 {
		t.Fatalf("%+v, %v", s, err)
	}
}

// unread is a list that breaks off.
type unread struct{ roster.Entry }

func (unread) Next() (roster.Entry, error) { return roster.Entry{}, io.ErrUnexpectedEOF }

func TestListBreaksOff(t *testing.T) {
	w := newWorld(t)
	if _, err := Run(t.Context(), unread{}, w.opt, func(Result) error { return nil }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("%v", err)
	}
}

// TestDryRun: what it says is what happens then, and it changes nothing.
func TestDryRun(t *testing.T) {
	list := `new1@acme.example:` + bcrypt + `
new1@acme.example:` + bcrypt + `
short:` + bcrypt + `
here@acme.example:` + bcrypt + `
alias@acme.example:` + bcrypt + `
x@fresh.example:` + bcrypt + `
y@fresh.example:*
z@localhost:` + bcrypt + `
`
	for _, conflict := range []Conflict{"", Skip, ReplacePassword, Fail} {
		w := newWorld(t)
		w.opt.Conflict, w.opt.Customer, w.opt.CreateDomains, w.opt.Plan = conflict, "acme", true, "gold"
		err := w.opt.Admin.AddAccount(t.Context(), admin.NewAccount{
			Address: mail.Address{Local: "here", Domain: "acme.example"}, Password: "correct horse battery",
			Aliases: []mail.Address{{Local: "alias", Domain: "acme.example"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		events := len(w.store.Events())
		w.opt.DryRun = true
		said, would, err := w.run(t.Context(), w.store, list)
		if err != nil || len(w.store.Events()) != events {
			t.Fatalf("%v, %d events", err, len(w.store.Events())-events)
		}
		w.opt.DryRun = false
		did, done, err := w.run(t.Context(), w.store, list)
		if err != nil || !slices.Equal(said, did) {
			t.Errorf("%q: it said\n%s\nand did\n%s\n%v", conflict, strings.Join(said, "\n"), strings.Join(did, "\n"), err)
		}
		would.DryRun = false
		if !reflect.DeepEqual(would, done) || done.Domains != 1 || done.Added != 3 || len(w.store.Events()) == events {
			t.Errorf("%q: %+v, then %+v", conflict, would, done)
		}
	}
}

// TestReplaced: the former hash is remembered, the credential stays the one that mail
// waits under.
func TestReplaced(t *testing.T) {
	w := newWorld(t)
	w.opt.Conflict = ReplacePassword
	if _, _, err := w.run(t.Context(), w.store, "a@acme.example:"+bcrypt+"\n"); err != nil {
		t.Fatal(err)
	}
	before, _ := w.store.Account(t.Context(), "a@acme.example")
	other := strings.Replace(bcrypt, "$04$", "$05$", 1)
	fails := 2
	store := &gated{w.store, func(*account.Account) error {
		if fails--; fails >= 0 {
			return &fault.Error{Kind: fault.Conflict} // somebody else was quicker
		}
		return nil
	}}
	lines, s, err := w.run(t.Context(), store, "a@acme.example:"+other+"\n")
	if err != nil || s.Replaced != 1 {
		t.Fatalf("%v, %v", lines, err)
	}
	after, _ := w.store.Account(t.Context(), "a@acme.example")
	p, old := after.Password(), before.Password()
	if p.Secret.Hash != other || !slices.Equal(p.Secret.Former, []string{bcrypt}) || p.ID != old.ID || !p.Changed.After(old.Changed) {
		t.Fatalf("%+v", p)
	}
	fails = tries
	if _, s, err = w.run(t.Context(), store, "a@acme.example:"+bcrypt+"\n"); err != nil || s.Failed != 1 {
		t.Fatalf("it goes on for ever: %+v, %v", s, err)
	}
}

// TestPasswordsInClear: they are hashed, with the keys that the plan wants, and
// recognised when they come again.
func TestPasswordsInClear(t *testing.T) {
	w := newWorld(t)
	csv := "address,password\na@acme.example,open sesame\nb@acme.example,\"tab\there\"\n"
	run := func(text string) Summary {
		list, err := roster.NewCSV(strings.NewReader(text), roster.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Run(t.Context(), list, w.opt, func(r Result) error {
			if strings.Contains(fmt.Sprintf("%+v", r), "sesame") {
				t.Errorf("a password is told: %+v", r)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := run(csv); s.Added != 1 || s.Failed != 1 {
		t.Fatalf("%+v", s)
	}
	a, _ := w.store.Account(t.Context(), "a@acme.example")
	if a.Password().Secret.Hash != "{PLAIN}open sesame" || a.Password().Secret.Cost != "legacy true" {
		t.Fatalf("%+v", a.Password().Secret)
	}
	w.store.Alter("a@acme.example", func(a *account.Account) { a.Credentials[0].Secret.Hash = bcrypt })
	if s := run(csv); s.Skipped != 1 {
		t.Fatalf("another password passes for this one: %+v", s)
	}
}

func TestOptionsThatDoNotGoTogether(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		kind   fault.Kind
	}{
		"domains of nobody":  {func(o *Options) { o.CreateDomains = true }, fault.Invalid},
		"plan of nobody":     {func(o *Options) { o.Plan = "gold" }, fault.Invalid},
		"unknown customer":   {func(o *Options) { o.Customer = "none" }, fault.NotFound},
		"unknown plan":       {func(o *Options) { o.Customer, o.Plan = "acme", "tin" }, fault.NotFound},
		"awkward customer":   {func(o *Options) { o.Customer, o.CreateDomains = "A B", true }, fault.Invalid},
		"another plan":       {func(o *Options) { o.Customer, o.Plan = "acme", "silver" }, fault.Conflict},
		"domain of somebody": {func(o *Options) { o.Customer = "other" }, fault.Internal},
	} {
		w := newWorld(t)
		if err := w.opt.Admin.AddPlan(t.Context(), account.Plan{Name: "silver"}); err != nil {
			t.Fatal(err)
		}
		if err := w.opt.Admin.AddCustomer(t.Context(), "other", ""); err != nil {
			t.Fatal(err)
		}
		c.change(&w.opt)
		_, s, err := w.run(t.Context(), w.store, many(2))
		if c.kind != fault.Internal && (!fault.Is(err, c.kind) || s.Lines() != 0) || c.kind == fault.Internal && (err != nil || s.Failed != 2) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// Another system made its hash of what its people typed, whatever the gate makes of that: a list
// that has the password as it was typed changes nothing (NFD, a no-break space).
func TestPasswordAsItWasTyped(t *testing.T) {
	const typed = "a\u00a0password of elsewhere"
	sum := sha1.Sum([]byte(typed + "salt"))
	stored := "{SSHA}" + base64.StdEncoding.EncodeToString(append(sum[:], "salt"...))
	w := newWorld(t)
	if _, s, err := w.run(t.Context(), w.store, "s@acme.example:"+stored); err != nil || s.Added != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	for password, want := range map[string]Outcome{typed: Unchanged, "a password of elsewhere": Skipped, "a\u00a0password of here": Skipped} {
		list, err := roster.NewCSV(strings.NewReader("address,password\ns@acme.example,"+password+"\n"), roster.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), list, w.opt, func(r Result) error {
			if r.Outcome != want {
				t.Errorf("%q: %+v", password, r)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}
