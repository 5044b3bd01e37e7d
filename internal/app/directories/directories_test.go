package directories

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/config"
	"countersign/internal/config/value"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/testkit/accountstore"
)

// callback is a directory over HTTP that knows every login but "nobody".
func callback(t *testing.T, answer map[string]any) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(string(body), "nobody@") {
			answer = map[string]any{"result": "unknown"}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func adminOf(store account.Store) *admin.Admin {
	return admin.New(admin.Options{Store: store, IDs: &mail.IDSource{}, Actor: "gate"})
}

// world is a set of one directory over HTTP beside a store in memory.
func world(t *testing.T, change func(d *config.Directory), answer map[string]any) (*Set, *accountstore.Store) {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 64)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := config.Directory{
		Name: "panel", Kind: "http", URL: callback(t, answer).URL, KeyFile: key, SendPassword: true,
		Timeout: value.Duration(5 * time.Second), Connections: 4, Failures: 3, Pause: value.Duration(time.Second),
		MaxNewAccounts: 100, MaxNewDomains: 10,
	}
	change(&d)
	store := accountstore.New()
	s, err := Open([]config.Directory{d}, Options{Store: store, Admin: adminOf(store), Logger: slog.New(slog.DiscardHandler), NewKeys: func(mail.Domain) ([]account.Key, error) {
		return []account.Key{{Selector: "s1", Algorithm: "rsa", Public: "p"}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, store
}

// found is what the panel answers for a@new.example.
func found(more map[string]any) map[string]any {
	a := map[string]any{"result": "found", "login": "a@new.example", "verified": true}
	for k, v := range more {
		a[k] = v
	}
	return a
}

// ask asks the directory for a domain and makes the account of its answer.
func ask(t *testing.T, s *Set) error {
	t.Helper()
	sources := s.For("new.example")
	if len(sources) != 1 {
		t.Fatalf("%d directories for new.example", len(sources))
	}
	a, err := sources[0].Ask(t.Context(), directory.Question{Login: "a@new.example", Password: "x"})
	if err != nil {
		t.Fatal(err)
	}
	return s.Ensure(t.Context(), sources[0].Name(), a)
}

// The first login of an account makes what is missing: customer, domain with keys, and
// the account, once.
func TestTheFirstLoginMakesTheAccount(t *testing.T) {
	s, store := world(t, func(d *config.Directory) { d.CreateDomains, d.Customer, d.Aliases = true, "hosting", true },
		found(map[string]any{"aliases": []string{"info@new.example", "boss@elsewhere.example", "a@new.example"}}))
	for range 2 {
		if err := ask(t, s); err != nil {
			t.Fatal(err)
		}
	}
	acc, err := store.Account(t.Context(), "a@new.example")
	if err != nil || acc.Directory != "panel" || acc.Password() == nil || acc.Password().Secret.Hash != "" {
		t.Fatalf("%+v, %v", acc, err)
	}
	if len(acc.Aliases) != 1 || acc.Aliases[0].String() != "info@new.example" {
		t.Errorf("its aliases are %v", acc.Aliases)
	}
	d, err := store.Domain(t.Context(), "new.example")
	if err != nil || d.Customer != "hosting" || len(d.Keys) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if n := len(store.Events()); n != 3 {
		t.Errorf("%d events: customer, domain and account have one each", n)
	}
}

// The customer is the answer's where it names one.
func TestTheAnswerNamesTheCustomer(t *testing.T) {
	s, store := world(t, func(d *config.Directory) { d.CreateDomains, d.Customer = true, "hosting" }, found(map[string]any{"customer": "acme"}))
	if err := ask(t, s); err != nil {
		t.Fatal(err)
	}
	if d, err := store.Domain(t.Context(), "new.example"); err != nil || d.Customer != "acme" {
		t.Errorf("%+v, %v", d, err)
	}
}

// A domain that is nobody's lets nobody in, unless domains are made.
func TestNoDomainIsMadeUnasked(t *testing.T) {
	s, store := world(t, func(d *config.Directory) { d.Customer = "hosting" }, found(nil))
	if err := ask(t, s); !fault.Is(err, fault.Unauthenticated) || !strings.Contains(err.Error(), "create_domains") {
		t.Errorf("%v", err)
	}
	if n := len(store.Events()); n != 0 {
		t.Errorf("%d changes were made", n)
	}
}

// An alias that somebody else has keeps nobody from logging in.
func TestAnAliasOfSomebodyElseIsLeftOut(t *testing.T) {
	s, store := world(t, func(d *config.Directory) { d.CreateDomains, d.Customer, d.Aliases = true, "hosting", true }, found(map[string]any{"aliases": []string{"b@new.example"}}))
	ctx := t.Context()
	by := adminOf(store)
	for _, err := range []error{
		by.AddCustomer(ctx, "hosting", ""),
		by.AddDomain(ctx, "new.example", "hosting", []account.Key{{Selector: "s1", Algorithm: "rsa"}}),
		by.AddAccount(ctx, admin.NewAccount{Address: mail.Address{Local: "b", Domain: "new.example"}, Directory: "panel"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := ask(t, s); err != nil {
		t.Fatal(err)
	}
	if acc, err := store.Account(ctx, "a@new.example"); err != nil || len(acc.Aliases) != 0 {
		t.Errorf("%+v, %v", acc, err)
	}
}

// Which plans answers may give is the configuration's to say: a directory of some domains
// gives those of plans and group_plans alone.
func TestPlansThatMayBeGiven(t *testing.T) {
	for name, c := range map[string]struct {
		plans, groups []string
		want          string
	}{
		"none":        {nil, nil, ""},
		"another one": {[]string{"other"}, []string{"third=cn=third"}, ""},
		"this one":    {[]string{"gold"}, nil, "gold"},
		"by a group":  {nil, []string{"gold=cn=gold"}, "gold"},
	} {
		s, store := world(t, func(d *config.Directory) {
			d.CreateDomains, d.Customer, d.Domains, d.Plans, d.GroupPlans = true, "hosting", []string{"new.example"}, c.plans, c.groups
		}, found(map[string]any{"plan": "gold"}))
		if err := adminOf(store).AddPlan(t.Context(), account.Plan{Name: "gold"}); err != nil {
			t.Fatal(err)
		}
		if err := ask(t, s); err != nil {
			t.Fatal(err)
		}
		if acc, err := store.Account(t.Context(), "a@new.example"); err != nil || acc.Plan != c.want {
			t.Errorf("%s: %+v, %v", name, acc, err)
		}
	}
}

// Each directory is asked about its own domains alone.
func TestDomainsOfADirectory(t *testing.T) {
	s, _ := world(t, func(d *config.Directory) { d.Domains = []string{"new.example"} }, found(nil))
	if len(s.For("other.example")) != 0 || len(s.For("new.example")) != 1 {
		t.Error("the domains do not count")
	}
	sources := s.For("new.example")
	if _, err := sources[0].Ask(context.Background(), directory.Question{Login: "nobody@new.example", Password: "x"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown login: %v", err)
	}
}

// What is wrong with a directory is said with its name, and nothing is left open.
func TestWhatCannotBeOpened(t *testing.T) {
	for name, d := range map[string]config.Directory{
		"no key":   {Name: "panel", Kind: "http", URL: "https://panel.example", KeyFile: filepath.Join(t.TempDir(), "none"), Timeout: value.Duration(time.Second), Connections: 1, Failures: 1, Pause: value.Duration(time.Second)},
		"no query": {Name: "panel", Kind: "sql", URL: "postgres://x@127.0.0.1/x", Query: "DELETE FROM x", Timeout: value.Duration(time.Second), Connections: 1, Failures: 1, Pause: value.Duration(time.Second)},
	} {
		if _, err := Open([]config.Directory{d}, Options{}); err == nil || !strings.Contains(err.Error(), `directory "panel"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A directory answers for its own domains alone, and makes nobody in a domain that is
// another customer's.
func TestNobodyIsMadeInAForeignDomain(t *testing.T) {
	foreign := found(map[string]any{"login": "boss@victim.example"})
	for name, change := range map[string]func(d *config.Directory){
		"domain":   func(d *config.Directory) { d.Domains = []string{"new.example"} },
		"customer": func(d *config.Directory) { d.Customer = "hosting" },
	} {
		s, store := world(t, change, foreign)
		ctx := t.Context()
		for _, err := range []error{
			adminOf(store).AddCustomer(ctx, "hosting", ""),
			adminOf(store).AddCustomer(ctx, "victim", ""),
			adminOf(store).AddDomain(ctx, "victim.example", "victim", []account.Key{{Selector: "s1", Algorithm: "rsa"}}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := ask(t, s); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := store.Account(ctx, "boss@victim.example"); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: the account was made (%v)", name, err)
		}
	}
}

// The extra fields of a Dovecot are named as the attributes of an LDAP server are.
func TestDovecotFields(t *testing.T) {
	o := Dovecot(&config.Directory{PlanAttribute: "plan", CustomerAttribute: "customer", AliasAttribute: "aliases"})
	if o.Plan != "plan" || o.Customer != "customer" || o.Aliases != "aliases" {
		t.Errorf("%+v", o)
	}
}

// How accounts stand is asked where the configuration wants it, and the directory knows.
func TestAskStanding(t *testing.T) {
	for _, want := range []bool{true, false} {
		s, _ := world(t, func(d *config.Directory) { d.AskStanding = want }, found(nil))
		w, ok := s.For("new.example")[0].(directory.Witness)
		if !ok || w.Witnesses() != want {
			t.Errorf("ask_standing = %v: %v", want, ok && w.Witnesses())
		}
	}
	d := config.Directory{
		Name: "mailboxes", Kind: "dovecot", URL: t.TempDir() + "/none", AskStanding: true,
		Timeout: value.Duration(time.Second), Connections: 4, Failures: 3, Pause: value.Duration(time.Second),
	}
	s, err := Open([]config.Directory{d}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if w, ok := s.For("new.example")[0].(directory.Witness); ok && w.Witnesses() {
		t.Error("a Dovecot says how accounts stand without a password")
	}
}

// Each is tried once, and what is wrong is said with its name.
func TestCheck(t *testing.T) {
	s, _ := world(t, func(*config.Directory) {}, found(nil))
	list := s.Check(t.Context())
	if len(list) != 1 || list[0].Name != "panel" || list[0].Kind != "http" || !fault.Is(list[0].Err, fault.Corrupt) {
		t.Errorf("a callback that verifies what it was not given: %+v", list)
	}
	s, _ = world(t, func(*config.Directory) {}, map[string]any{"result": "unknown"})
	if list := s.Check(t.Context()); len(list) != 1 || list[0].Err != nil {
		t.Errorf("%+v", list)
	}
}
