package shadow

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/testkit/accountstore"
)

// world is a keeper of directory panel beside a store in memory, with plans gold and
// silver, and customer hosting with domain old.example.
type world struct {
	*testing.T
	*Keeper
	store *accountstore.Store
	admin *admin.Admin
	log   bytes.Buffer
	now   time.Time
	// keys counts the pairs of keys that were made.
	mu   sync.Mutex
	keys int
}

func newWorld(t *testing.T, change func(*Rules)) *world {
	t.Helper()
	w := &world{T: t, store: accountstore.New(), now: time.Unix(1_800_000_000, 0)}
	w.admin = admin.New(admin.Options{Store: w.store, IDs: &mail.IDSource{}, Actor: "gate"})
	ctx := t.Context()
	for _, err := range []error{
		w.admin.AddPlan(ctx, account.Plan{Name: "gold"}), w.admin.AddPlan(ctx, account.Plan{Name: "silver"}),
		w.admin.AddCustomer(ctx, "hosting", "gold"),
		w.admin.AddDomain(ctx, "old.example", "hosting", []account.Key{{Selector: "s1", Algorithm: "rsa"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := Rules{Name: "panel", Customer: "hosting", CreateDomains: true, Aliases: true, MaxAccounts: 100, MaxDomains: 10}
	if change != nil {
		change(&r)
	}
	w.Keeper = New(Options{
		Store: w.store, Admin: w.admin, Now: func() time.Time { return w.now }, Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
		NewKeys: func(mail.Domain) ([]account.Key, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.keys++
			return []account.Key{{Selector: "s1", Algorithm: "rsa", Public: "p"}}, nil
		},
	}, []Rules{r})
	return w
}

// ensure ensures an account, which it returns as it is then.
func (w *world) ensure(a directory.Answer) account.Account {
	w.Helper()
	if err := w.Ensure(w.Context(), "panel", &a); err != nil {
		w.Fatal(err)
	}
	return w.account(a.Login)
}

func (w *world) account(login string) account.Account {
	w.Helper()
	acc, err := w.store.Account(w.Context(), login)
	if err != nil {
		w.Fatal(err)
	}
	return acc
}

// events are the texts of the events since there were so many.
func (w *world) events(since int) (texts []string) {
	for _, e := range w.store.Events()[since:] {
		texts = append(texts, e.Object+": "+e.Text)
	}
	return texts
}

func TestPlanAtEveryLogin(t *testing.T) {
	w := newWorld(t, nil)
	before := len(w.store.Events())
	acc := w.ensure(directory.Answer{Login: "a@old.example", Plan: "silver"})
	if acc.Plan != "silver" || !acc.PlanLearned || acc.Directory != "panel" {
		t.Fatalf("%+v", acc)
	}
	if got := w.events(before); !slices.Equal(got, []string{"account a@old.example: plan silver, as directory panel says"}) {
		t.Errorf("the first login leaves %q", got)
	}
	before = len(w.store.Events())
	generation, _ := w.store.Generation(t.Context())
	for range 3 {
		w.ensure(directory.Answer{Login: "a@old.example", Plan: "silver"})
	}
	if after, _ := w.store.Generation(t.Context()); after != generation || len(w.store.Events()) != before {
		t.Errorf("a login that says nothing new writes: %q", w.events(before))
	}
	if acc = w.ensure(directory.Answer{Login: "a@old.example", Plan: "gold"}); acc.Plan != "gold" {
		t.Errorf("%+v", acc)
	}
	if acc = w.ensure(directory.Answer{Login: "a@old.example"}); acc.Plan != "" {
		t.Errorf("%+v", acc)
	}
	// The customer's plan is its own matter.
	if c, err := w.store.Customer(t.Context(), "hosting"); err != nil || c.Plan != "gold" {
		t.Errorf("%+v, %v", c, err)
	}
}

// A customer that is made has no plan: the answer's is the account's.
func TestNewCustomerHasNoPlan(t *testing.T) {
	w := newWorld(t, nil)
	acc := w.ensure(directory.Answer{Login: "a@new.example", Plan: "silver", Customer: "acme"})
	c, err := w.store.Customer(t.Context(), "acme")
	if err != nil || c.Plan != "" || acc.Plan != "silver" {
		t.Errorf("%+v, %+v, %v", c, acc, err)
	}
}

// A plan that there is not leaves the account what it had, and the operator is told, once.
func TestUnknownPlan(t *testing.T) {
	w := newWorld(t, nil)
	if acc := w.ensure(directory.Answer{Login: "a@old.example", Plan: "tin"}); acc.Plan != "" || acc.PlanLearned {
		t.Errorf("%+v", acc)
	}
	w.ensure(directory.Answer{Login: "b@old.example", Plan: "silver"})
	for range 3 {
		if acc := w.ensure(directory.Answer{Login: "b@old.example", Plan: "tin"}); acc.Plan != "silver" || !acc.PlanLearned {
			t.Errorf("%+v", acc)
		}
	}
	if n := strings.Count(w.log.String(), `plan \"tin\" does not exist`); n != 2 || !strings.Contains(w.log.String(), "login=b@old.example") {
		t.Errorf("told %d times for two accounts:\n%s", n, w.log.String())
	}
	w.now = w.now.Add(time.Hour)
	w.ensure(directory.Answer{Login: "b@old.example", Plan: "tin"})
	if n := strings.Count(w.log.String(), `plan \"tin\" does not exist`); n != 3 {
		t.Errorf("told %d times, once more after an hour is wanted", n)
	}
	// What an operator has given stays too.
	gold := "gold"
	if err := w.admin.SetAccount(t.Context(), w.account("a@old.example").Address, admin.AccountChange{Plan: &gold}); err != nil {
		t.Fatal(err)
	}
	if acc := w.ensure(directory.Answer{Login: "a@old.example", Plan: "tin"}); acc.Plan != "gold" || acc.PlanLearned {
		t.Errorf("%+v", acc)
	}
}

// What an operator has given stays, whatever the directory names.
func TestPlanThatWasGiven(t *testing.T) {
	w := newWorld(t, nil)
	acc := w.ensure(directory.Answer{Login: "a@old.example"})
	set := func(plan string) {
		t.Helper()
		if err := w.admin.SetAccount(t.Context(), acc.Address, admin.AccountChange{Plan: &plan}); err != nil {
			t.Fatal(err)
		}
	}
	set("silver")
	a := directory.Answer{Login: "a@old.example", Plan: "gold"}
	if notes, _, err := w.Rehearse(t.Context(), "panel", &a); err != nil || !strings.Contains(strings.Join(notes, "\n"), `names plan "gold"; the account keeps plan "silver"`) {
		t.Errorf("told beforehand is %q, %v", notes, err)
	}
	if acc = w.ensure(a); acc.Plan != "silver" || acc.PlanLearned || w.log.Len() > 0 {
		t.Errorf("%+v, told %q", acc, w.log.String())
	}
	set("")
	if acc = w.ensure(a); acc.Plan != "gold" || !acc.PlanLearned {
		t.Errorf("%+v", acc)
	}
}

// A directory gives the plans that it may give, and no other; one for some domains none that
// it was not given.
func TestPlansOfADirectory(t *testing.T) {
	for name, c := range map[string]struct {
		domains, plans []string
		gold, silver   bool
	}{
		"all domains, all plans": {nil, nil, true, true},
		"all domains, one plan":  {nil, []string{"silver"}, false, true},
		"some domains, no plan":  {[]string{"old.example"}, nil, false, false},
		"some domains, one plan": {[]string{"old.example"}, []string{"silver"}, false, true},
	} {
		w := newWorld(t, func(r *Rules) { r.Domains, r.Plans = c.domains, c.plans })
		for plan, may := range map[string]bool{"gold": c.gold, "silver": c.silver} {
			acc := w.ensure(directory.Answer{Login: plan + "@old.example", Plan: plan})
			again := w.ensure(directory.Answer{Login: plan + "@old.example", Plan: plan})
			if (acc.Plan == plan) != may || (again.Plan == plan) != may || again.Plan != "" && !may {
				t.Errorf("%s: plan %s is given: %+v", name, plan, again)
			}
			if told := strings.Contains(w.log.String(), `plan \"`+plan+`\" is not among those`); told == may {
				t.Errorf("%s: the operator is told of plan %s: %v", name, plan, told)
			}
		}
	}
}

// A plan that the directory may not give any more goes.
func TestPlanThatMayNotBeGivenAnyMore(t *testing.T) {
	w := newWorld(t, nil)
	w.ensure(directory.Answer{Login: "a@old.example", Plan: "silver"})
	w.rules[0].Plans = []string{"gold"}
	if acc := w.ensure(directory.Answer{Login: "a@old.example", Plan: "silver"}); acc.Plan != "" || acc.PlanLearned {
		t.Errorf("%+v", acc)
	}
}

func TestAliasesAtEveryLogin(t *testing.T) {
	w := newWorld(t, nil)
	w.ensure(directory.Answer{Login: "b@old.example"})
	acc := w.ensure(directory.Answer{Login: "a@old.example", Aliases: []string{"one@old.example", "One@old.example", "x@elsewhere.example", "b@old.example", "a@old.example"}})
	if len(acc.Aliases) != 1 || acc.Aliases[0].Key() != "one@old.example" || !slices.Equal(acc.Learned, acc.Aliases) {
		t.Fatalf("%+v", acc)
	}
	if !strings.Contains(w.log.String(), "aliases that are addresses of other accounts are left out: 1") {
		t.Errorf("the operator is not told:\n%s", w.log.String())
	}
	before := len(w.store.Events())
	w.ensure(directory.Answer{Login: "a@old.example", Aliases: []string{"b@old.example", "one@old.example"}})
	if got := w.events(before); len(got) != 0 {
		t.Errorf("an alias that is another's is tried at each login: %q", got)
	}
	byHand := admin.AccountChange{AddAliases: []mail.Address{{Local: "hand", Domain: "old.example"}}}
	if err := w.admin.SetAccount(t.Context(), acc.Address, byHand); err != nil {
		t.Fatal(err)
	}
	acc = w.ensure(directory.Answer{Login: "a@old.example", Aliases: []string{"two@old.example"}})
	var keys []string
	for _, alias := range acc.Aliases {
		keys = append(keys, alias.Key())
	}
	if !slices.Equal(keys, []string{"hand@old.example", "two@old.example"}) || len(acc.Learned) != 1 {
		t.Errorf("%q, learned %v", keys, acc.Learned)
	}
}

// An alias that a directory has named keeps nobody out whose own address it is.
func TestLearnedAliasYields(t *testing.T) {
	w := newWorld(t, nil)
	w.ensure(directory.Answer{Login: "mallory@old.example", Aliases: []string{"bob@old.example", "mine@old.example"}})
	a := directory.Answer{Login: "bob@old.example"}
	if _, made, err := w.Rehearse(t.Context(), "panel", &a); err != nil || !made {
		t.Errorf("it would be made is %v, %v", made, err)
	}
	before := len(w.store.Events())
	if bob := w.ensure(a); bob.Directory != "panel" {
		t.Errorf("%+v", bob)
	}
	want := []string{"account bob@old.example: ", "account mallory@old.example: alias bob@old.example removed, as an account of that address is made"}
	if got := w.events(before); !slices.Equal(got, want) {
		t.Errorf("told is %q", got)
	}
	acc := w.ensure(directory.Answer{Login: "mallory@old.example", Aliases: []string{"bob@old.example", "mine@old.example"}})
	if len(acc.Aliases) != 1 || acc.Aliases[0].Key() != "mine@old.example" {
		t.Errorf("it takes the address again: %v", acc.Aliases)
	}
}

// An alias that an operator has given stays: its address gets no account, and the operator
// is told.
func TestGivenAliasStays(t *testing.T) {
	w := newWorld(t, func(r *Rules) { r.MaxAccounts = 2 })
	acc := w.ensure(directory.Answer{Login: "a@old.example"})
	byHand := admin.AccountChange{AddAliases: []mail.Address{{Local: "hand", Domain: "old.example"}}}
	if err := w.admin.SetAccount(t.Context(), acc.Address, byHand); err != nil {
		t.Fatal(err)
	}
	a := directory.Answer{Login: "hand@old.example", Aliases: []string{"x@old.example"}}
	for range 5 {
		if err := w.Ensure(t.Context(), "panel", &a); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "alias that account a@old.example") {
			t.Fatal(err)
		}
	}
	if _, _, err := w.Rehearse(t.Context(), "panel", &a); !fault.Is(err, fault.Conflict) {
		t.Errorf("beforehand: %v", err)
	}
	if n := strings.Count(w.log.String(), "cannot be made"); n != 1 || !strings.Contains(w.log.String(), "login=hand@old.example account=a@old.example") {
		t.Errorf("told %d times: %s", n, w.log.String())
	}
	byHand = admin.AccountChange{RemoveAliases: byHand.AddAliases}
	if err := w.admin.SetAccount(t.Context(), acc.Address, byHand); err != nil {
		t.Fatal(err)
	}
	w.ensure(a)
}

// Where aliases do not count, none come, and those of before stay until an operator takes
// them away.
func TestAliasesThatDoNotCount(t *testing.T) {
	w := newWorld(t, nil)
	w.ensure(directory.Answer{Login: "a@old.example", Aliases: []string{"one@old.example"}})
	w.rules[0].Aliases = false
	if acc := w.ensure(directory.Answer{Login: "a@old.example", Aliases: []string{"two@old.example"}}); len(acc.Aliases) != 1 || acc.Aliases[0].Local != "one" {
		t.Errorf("%+v", acc)
	}
	if acc := w.ensure(directory.Answer{Login: "c@old.example", Aliases: []string{"two@old.example"}}); len(acc.Aliases) != 0 {
		t.Errorf("%+v", acc)
	}
}

func TestTooManyAliases(t *testing.T) {
	w := newWorld(t, nil)
	var many []string
	for i := range directory.MaxAliases {
		many = append(many, fmt.Sprintf("x%d@old.example", i))
	}
	if acc := w.ensure(directory.Answer{Login: "a@old.example", Aliases: many}); len(acc.Aliases) != account.MaxLearned {
		t.Errorf("%d aliases", len(acc.Aliases))
	}
	before := len(w.store.Events())
	w.ensure(directory.Answer{Login: "a@old.example", Aliases: many})
	if len(w.store.Events()) != before || !strings.Contains(w.log.String(), "more than 200 aliases") {
		t.Errorf("%q, %s", w.events(before), w.log.String())
	}
}

// An account that is another's is not touched.
func TestForeignAccountsLearnNothing(t *testing.T) {
	w := newWorld(t, nil)
	if err := w.admin.AddAccount(t.Context(), admin.NewAccount{Address: mail.Address{Local: "a", Domain: "old.example"}, Directory: "other"}); err != nil {
		t.Fatal(err)
	}
	before := len(w.store.Events())
	if err := w.Ensure(t.Context(), "panel", &directory.Answer{Login: "a@old.example", Plan: "silver", Aliases: []string{"x@old.example"}}); err != nil {
		t.Fatal(err)
	}
	if len(w.store.Events()) != before {
		t.Errorf("%q", w.events(before))
	}
}

func TestAccountsAnHour(t *testing.T) {
	w := newWorld(t, func(r *Rules) { r.MaxAccounts = 2 })
	w.ensure(directory.Answer{Login: "a@old.example"})
	w.now = w.now.Add(40 * time.Minute)
	w.ensure(directory.Answer{Login: "b@old.example"})
	over := &directory.Answer{Login: "c@old.example"}
	for range 3 {
		if err := w.Ensure(t.Context(), "panel", over); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "max_new_accounts") {
			t.Fatalf("the third: %v", err)
		}
	}
	if n := strings.Count(w.log.String(), "level=WARN"); n != 1 || !strings.Contains(w.log.String(), "option=max_new_accounts") {
		t.Errorf("%d warnings:\n%s", n, w.log.String())
	}
	w.ensure(directory.Answer{Login: "a@old.example", Plan: "silver"}) // those that are there go on
	w.now = w.now.Add(20 * time.Minute)                                // an hour after the first
	w.ensure(directory.Answer{Login: "c@old.example"})
	over.Login = "d@old.example"
	if err := w.Ensure(t.Context(), "panel", over); !fault.Is(err, fault.Unavailable) {
		t.Errorf("more than two within an hour: %v", err)
	}
}

func TestDomainsAnHour(t *testing.T) {
	w := newWorld(t, func(r *Rules) { r.MaxDomains = 1 })
	w.ensure(directory.Answer{Login: "a@one.example"})
	w.ensure(directory.Answer{Login: "b@one.example"})
	if err := w.Ensure(t.Context(), "panel", &directory.Answer{Login: "a@two.example"}); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "max_new_domains") {
		t.Fatal(err)
	}
	if w.keys != 1 {
		t.Errorf("%d pairs of keys were made", w.keys)
	}
	w.now = w.now.Add(time.Hour)
	w.ensure(directory.Answer{Login: "a@two.example"})
}

func TestNoneMayBeMade(t *testing.T) {
	w := newWorld(t, func(r *Rules) { r.MaxAccounts, r.MaxDomains = 0, 0 })
	for _, login := range []string{"a@old.example", "a@new.example"} {
		if err := w.Ensure(t.Context(), "panel", &directory.Answer{Login: login}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", login, err)
		}
	}
	if w.keys != 0 {
		t.Error("keys were made for nothing")
	}
}

// What was not made does not count.
func TestFailuresDoNotCount(t *testing.T) {
	w := newWorld(t, func(r *Rules) { r.MaxAccounts, r.MaxDomains = 1, 1 })
	good := w.opt.NewKeys
	w.opt.NewKeys = func(mail.Domain) ([]account.Key, error) { return nil, fault.New("test", fault.Internal, "no keys") }
	for range 3 {
		if err := w.Ensure(t.Context(), "panel", &directory.Answer{Login: "a@new.example"}); !fault.Is(err, fault.Internal) {
			t.Fatal(err)
		}
	}
	w.opt.NewKeys = good
	w.ensure(directory.Answer{Login: "a@new.example"})
}

// Many who log in at once to a new domain have it made once.
func TestOneDomainForAll(t *testing.T) {
	w := newWorld(t, nil)
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			if err := w.Ensure(t.Context(), "panel", &directory.Answer{Login: fmt.Sprintf("u%d@new.example", i%10)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := w.store.Accounts(t.Context(), account.AccountQuery{Domain: "new.example"}); err != nil || len(list) != 10 || w.keys != 1 {
		t.Errorf("%d accounts, %d pairs of keys, %v", len(list), w.keys, err)
	}
}

// Whoever gives up waiting for a domain to be made is told so.
func TestGivingUp(t *testing.T) {
	w := newWorld(t, nil)
	w.making <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Ensure(ctx, "panel", &directory.Answer{Login: "a@new.example"}); !fault.Is(err, fault.Canceled) {
		t.Error(err)
	}
}

func TestRehearse(t *testing.T) {
	w := newWorld(t, nil)
	before := len(w.store.Events())
	rehearse := func(a directory.Answer, made bool, want ...string) {
		t.Helper()
		notes, would, err := w.Rehearse(t.Context(), "panel", &a)
		if err != nil || would != made || !slices.Equal(notes, want) {
			t.Errorf("%+v: %q, made %v, %v", a, notes, would, err)
		}
	}
	rehearse(directory.Answer{Login: "a@new.example", Plan: "silver"}, true, "it gets, as directory panel says: plan silver")
	rehearse(directory.Answer{Login: "a@old.example", Plan: "tin"}, true, `plan "tin" does not exist; the account keeps what it had`)
	if len(w.store.Events()) != before || w.log.Len() > 0 || w.keys > 0 {
		t.Errorf("a rehearsal leaves %q and says %s", w.events(before), w.log.String())
	}
	w.ensure(directory.Answer{Login: "a@old.example"})
	rehearse(directory.Answer{Login: "a@old.example"}, false)
	rehearse(directory.Answer{Login: "a@old.example", Aliases: []string{"x@old.example"}}, false, "it gets, as directory panel says: alias x@old.example added")
	if _, _, err := w.Rehearse(t.Context(), "other", &directory.Answer{Login: "a@old.example"}); !fault.Is(err, fault.Unauthenticated) {
		t.Error(err)
	}
	w.rules[0].CreateDomains = false
	if _, _, err := w.Rehearse(t.Context(), "panel", &directory.Answer{Login: "a@newer.example"}); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a domain that is nobody's: %v", err)
	}
}

// What is said to the operator is bounded.
func TestSaidIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := newSaid(func() time.Time { return now })
	for i := range 3 * maxSaid {
		s.first("x", []any{i})
	}
	if len(s.last) != maxSaid {
		t.Errorf("%d are remembered", len(s.last))
	}
	now = now.Add(time.Hour)
	if !s.first("x", []any{5 * maxSaid}) || len(s.last) != 1 {
		t.Errorf("%d are remembered after an hour", len(s.last))
	}
}

// refusing is a store that takes no accounts.
type refusing struct {
	account.Store
	err error
}

func (r *refusing) PutAccount(ctx context.Context, a account.Account, e audit.Event) error {
	if r.err != nil {
		return r.err
	}
	return r.Store.PutAccount(ctx, a, e)
}

// An account that was not made, or that another login has made, does not count.
func TestAccountsThatWereNotMade(t *testing.T) {
	w := newWorld(t, func(r *Rules) { r.MaxAccounts = 1 })
	store := &refusing{Store: w.store}
	w.opt.Admin = admin.New(admin.Options{Store: store, IDs: &mail.IDSource{}, Actor: "gate"})
	a := &directory.Answer{Login: "a@old.example", Aliases: []string{"x@old.example"}}
	for kind, want := range map[fault.Kind]bool{fault.Unavailable: false, fault.Conflict: true} {
		store.err = fault.New("test", kind, "no")
		for range 3 {
			if err := w.Ensure(t.Context(), "panel", a); (err == nil) != want || err != nil && !fault.Is(err, kind) {
				t.Fatalf("%v: %v", kind, err)
			}
		}
	}
	store.err = nil
	w.ensure(*a)
}
