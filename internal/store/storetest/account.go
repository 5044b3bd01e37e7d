package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
)

func accountCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"objects come back as they were put":          objectsComeBack,
		"the zone is remembered":                      zoneIsRemembered,
		"lists are complete and in order":             listsAreComplete,
		"lists come in parts":                         partsOfLists,
		"a revision guards against lost changes":      revisionsGuard,
		"named objects must exist":                    namesMustExist,
		"objects in use stay":                         usedObjectsStay,
		"an address belongs to one account":           addressesAreUnique,
		"a removed account is not the one made later": removedAccountsStayGone,
		"each change raises the generation, once":     generationRises,
		"who waits for changes is told":               changesAreTold,
		"the event is stored with the change only":    eventsFollowChanges,
	}
}

func objectsComeBack(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	expect.Equal(t, "plan", expect.Got(s.Plan(ctx, "basic"))(t), p.plan)
	expect.Equal(t, "customer", expect.Got(s.Customer(ctx, "acme"))(t), p.customer)
	expect.Equal(t, "domain", expect.Got(s.Domain(ctx, "one.example"))(t), p.one)
	expect.Equal(t, "account", expect.Got(s.Account(ctx, "ann@one.example"))(t), p.ann)

	p.plan.MaxMessages, p.plan.MaxRecipients, p.plan.MaxMessageBytes, p.plan.Legacy, p.plan.State = 0, 7, 1<<40, true, account.Suspended
	expect.Must(t, s.PutPlan(ctx, p.plan, Event("plan")))
	p.plan.Revision++
	expect.Equal(t, "changed plan", expect.Got(s.Plan(ctx, "basic"))(t), p.plan)

	p.customer.Plan, p.customer.State = "", account.Suspended
	expect.Must(t, s.PutCustomer(ctx, p.customer, Event("customer")))
	p.customer.Revision++
	expect.Equal(t, "changed customer", expect.Got(s.Customer(ctx, "acme"))(t), p.customer)

	p.one.State = account.Suspended
	p.one.Keys = append(p.one.Keys, account.Key{Selector: "s2", Algorithm: "ed25519", Public: "k", Sealed: []byte("sealed"), Created: Start()})
	expect.Must(t, s.PutDomain(ctx, p.one, Event("domain")))
	p.one.Revision++
	expect.Equal(t, "changed domain", expect.Got(s.Domain(ctx, "one.example"))(t), p.one)
	expect.Equal(t, "signing keys", expect.Got(s.SigningKeys(ctx, "one.example"))(t), p.one.Keys)
	signing := p.one.Keys
	p.one.Keys = append([]account.Key{
		{Selector: "s3", Algorithm: "rsa", Public: "w", Sealed: []byte("waits"), Created: Start(), Stage: account.Waiting},
		{Selector: "s0", Algorithm: "rsa", Public: "p", Sealed: []byte("past"), Created: Start(), Stage: account.Past, Turned: Start().Add(time.Hour)},
	}, signing...)
	expect.Must(t, s.PutDomain(ctx, p.one, Event("domain")))
	p.one.Revision++
	expect.Equal(t, "domain with keys of all stages", expect.Got(s.Domain(ctx, "one.example"))(t), p.one)
	expect.Equal(t, "of those that sign", expect.Got(s.SigningKeys(ctx, "one.example"))(t), signing)
	keysTurn(t, s, p)
	if keys := expect.Got(s.SigningKeys(ctx, "nowhere.example"))(t); len(keys) != 0 {
		t.Errorf("an unknown domain has keys: %v", keys)
	}

	expect.Must(t, s.PutPlan(ctx, account.Plan{Name: "own", State: account.Active, Created: Start()}, Event("plan")))
	p.ann.Directory, p.ann.Legacy, p.ann.NullSender, p.ann.Plan, p.ann.PlanLearned = "mailboxes", true, true, "own", true
	p.ann.Aliases = []mail.Address{address("zoe", "one.example"), address(`a"b@c`, "two.example"), address("bücher", "one.example")}
	p.ann.Learned = []mail.Address{p.ann.Aliases[0], p.ann.Aliases[2]}
	p.ann.Grants = granted(account.Grant{Address: address("shop", "two.example")}, account.Grant{Domain: "two.example"})
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("account")))
	p.ann.Revision++
	expect.Equal(t, "changed account", expect.Got(s.Account(ctx, "ann@one.example"))(t), p.ann)
	p.ann.Aliases, p.ann.Grants, p.ann.Learned, p.ann.Plan, p.ann.PlanLearned = p.ann.Aliases[:1], nil, nil, "", false
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("account")))
	p.ann.Revision++
	expect.Equal(t, "account with less", expect.Got(s.Account(ctx, "ann@one.example"))(t), p.ann)
}

// keysTurn asks which domains have keys that do not stay what they are; one.example has.
func keysTurn(t *testing.T, s Store, p people) {
	t.Helper()
	ctx := expect.Within(t)
	turning := func(what string, made time.Time, selectors []string, want ...mail.Domain) {
		t.Helper()
		expect.Equal(t, what, expect.Got(s.Turning(ctx, selectors, made))(t), want)
	}
	turning("domains with keys that turn", Start(), nil, "one.example")
	turning("where no key was published by us", Start(), []string{"unknown"}, "one.example")
	p.two.Keys = []account.Key{{Selector: "a", Algorithm: "rsa", Public: "p", Created: Start(), Turned: Start()}}
	expect.Must(t, s.PutDomain(ctx, p.two, Event("domain")))
	turning("not old", Start(), []string{"b", "a"}, "one.example")
	turning("old", Start().Add(time.Second), []string{"b", "a"}, "one.example", "two.example")
	turning("old, under another selector", Start().Add(time.Second), []string{"b"}, "one.example")
	p.two.Revision++
	p.two.Keys[0].Turned = time.Time{}
	expect.Must(t, s.PutDomain(ctx, p.two, Event("domain")))
	turning("not published", Start(), []string{"a"}, "one.example", "two.example")
}

// zoneIsRemembered: what is in the zone is known beyond the key, and beyond the domain.
func zoneIsRemembered(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	unheld := func(what string, limit int, want ...account.ZoneRecord) {
		t.Helper()
		expect.Equal(t, what, expect.Got(s.UnheldZoneRecords(ctx, limit))(t), want)
	}
	unheld("nothing is noted", 9)
	key := account.Key{Selector: "a", Algorithm: "rsa", Public: "first", Created: Start()}
	one := account.ZoneRecord{Domain: "one.example", Selector: "a", Text: "first"}
	two := account.ZoneRecord{Domain: "two.example", Selector: "a", Text: "first"}
	p.one.Keys, p.two.Keys = []account.Key{key}, []account.Key{key}
	expect.Must(t, s.PutDomain(ctx, p.one, Event("domain")))
	expect.Must(t, s.PutDomain(ctx, p.two, Event("domain")))
	generation := expect.Got(s.Generation(ctx))(t)
	for _, r := range []account.ZoneRecord{two, one, one} {
		expect.Must(t, s.NoteZoneRecord(ctx, r))
	}
	unheld("both are held", 9)
	p.one.Revision++
	p.one.Keys[0].Public = "second"
	expect.Must(t, s.PutDomain(ctx, p.one, Event("domain")))
	unheld("another key has the selector", 9, one)
	expect.Must(t, s.RemoveAccount(ctx, "bob@two.example", Event("account")))
	expect.Must(t, s.RemoveDomain(ctx, "two.example", Event("domain")))
	unheld("the domain is removed", 9, one, two)
	unheld("at most one", 1, one)
	expect.Must(t, s.ForgetZoneRecord(ctx, one))
	expect.Must(t, s.ForgetZoneRecord(ctx, one))
	unheld("one is forgotten", 9, two)
	if now := expect.Got(s.Generation(ctx))(t); now != generation+3 {
		t.Errorf("the generation went from %d to %d; want it raised by the three changes of objects alone", generation, now)
	}
}

func listsAreComplete(t *testing.T, s Store) {
	ctx := expect.Within(t)
	if n := len(expect.Got(s.Plans(ctx, account.Part{}))(t)) + len(expect.Got(s.Customers(ctx, account.Part{}))(t)) + len(expect.Got(s.Domains(ctx, account.DomainsOf("")))(t)) + len(expect.Got(s.Accounts(ctx, account.AccountQuery{}))(t)); n != 0 {
		t.Fatalf("an empty store lists %d objects", n)
	}
	p := settle(t, s)
	expect.Must(t, s.PutCustomer(ctx, account.Customer{Name: "aaa", State: account.Active, Created: Start()}, Event("customer")))
	p.ann.Aliases = []mail.Address{address("x", "one.example"), address("b", "one.example")}
	p.ann.Grants = granted(account.Grant{Domain: "two.example"})
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("account")))
	p.ann.Revision++

	expect.Equal(t, "plans", expect.Got(s.Plans(ctx, account.Part{}))(t), []account.Plan{p.plan})
	customers := expect.Got(s.Customers(ctx, account.Part{}))(t)
	if len(customers) != 2 || customers[0].Name != "aaa" {
		t.Errorf("got customers %v", customers)
	}
	bare := p.one
	bare.Keys = nil
	expect.Equal(t, "domains", expect.Got(s.Domains(ctx, account.DomainsOf("acme")))(t), []account.Domain{bare, p.two})
	expect.Equal(t, "all domains", expect.Got(s.Domains(ctx, account.DomainsOf("")))(t), []account.Domain{bare, p.two})
	if list := expect.Got(s.Domains(ctx, account.DomainsOf("aaa")))(t); len(list) != 0 {
		t.Errorf("customer aaa has domains %v", list)
	}
	expect.Equal(t, "accounts", expect.Got(s.Accounts(ctx, account.AccountQuery{}))(t), []account.Account{p.ann, p.bob})
	for _, c := range []struct {
		q    account.AccountQuery
		want []account.Account
	}{
		{account.AccountQuery{Domain: "one.example"}, []account.Account{p.ann}},
		{account.AccountQuery{Domain: "one.example", Limit: 1}, []account.Account{p.ann}},
		{account.AccountQuery{Limit: 1}, []account.Account{p.ann}},
		{account.AccountQuery{Limit: 1, After: p.ann.Login()}, []account.Account{p.bob}},
		{account.AccountQuery{After: p.ann.Login()}, []account.Account{p.bob}},
		{account.AccountQuery{Domain: "one.example", After: p.ann.Login(), Limit: 9}, nil},
	} {
		expect.Equal(t, fmt.Sprintf("accounts, %+v", c.q), expect.Got(s.Accounts(ctx, c.q))(t), c.want)
	}
}

// partsOfLists: plans, customers and domains are listed in parts, by the octets of their names; domains of
// some customers alone, too.
func partsOfLists(t *testing.T, s Store) {
	ctx := expect.Within(t)
	settle(t, s)
	for _, name := range []string{"zzz", "a-b", "a_b", "ab"} {
		expect.Must(t, s.PutPlan(ctx, account.Plan{Name: name, State: account.Active, Created: Start()}, Event("plan")))
		expect.Must(t, s.PutCustomer(ctx, account.Customer{Name: name, State: account.Active, Created: Start()}, Event("customer")))
		domain := mail.Domain(strings.ReplaceAll(name, "_", "0") + ".example")
		expect.Must(t, s.PutDomain(ctx, account.Domain{Name: domain, Customer: name, State: account.Active, Created: Start()}, Event("domain")))
	}
	names := func(part account.Part, of ...string) (plans, customers, domains []string) {
		for _, p := range expect.Got(s.Plans(ctx, part))(t) {
			plans = append(plans, p.Name)
		}
		for _, c := range expect.Got(s.Customers(ctx, part))(t) {
			customers = append(customers, c.Name)
		}
		for _, d := range expect.Got(s.Domains(ctx, account.DomainQuery{Customers: of, Part: part}))(t) {
			domains = append(domains, string(d.Name))
		}
		return plans, customers, domains
	}
	all := func(list []string, part account.Part) []string {
		list = slices.DeleteFunc(slices.Clone(list), func(name string) bool { return name <= part.After })
		if part.Limit > 0 {
			list = list[:min(part.Limit, len(list))]
		}
		return slices.Clip(append([]string(nil), list...))
	}
	plans, customers, domains := names(account.Part{})
	_, _, theirs := names(account.Part{}, "acme", "ab", "nobody")
	for _, list := range [][]string{plans, customers, domains, theirs} {
		if len(list) < 3 || !slices.IsSorted(list) {
			t.Errorf("whole it is %q", list)
		}
	}
	for _, part := range []account.Part{{Limit: 1}, {Limit: 2, After: "a-b"}, {After: "a_b"}, {Limit: 99}, {After: "one.example", Limit: 1}, {After: "zzzz", Limit: 3}} {
		p, c, d := names(part)
		_, _, of := names(part, "acme", "ab", "nobody")
		for what, is := range map[string][2][]string{"plans": {p, plans}, "customers": {c, customers}, "domains": {d, domains}, "domains of some": {of, theirs}} {
			expect.Equal(t, fmt.Sprintf("%s, %+v", what, part), is[0], all(is[1], part))
		}
	}
}

func revisionsGuard(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	for what, err := range map[string]error{
		"plan": s.PutPlan(ctx, account.Plan{Name: "basic", State: account.Active}, Event("")), "customer": s.PutCustomer(ctx, account.Customer{Name: "acme", State: account.Active}, Event("")),
		"domain":  s.PutDomain(ctx, account.Domain{Name: "one.example", Customer: "acme", State: account.Active}, Event("")),
		"account": s.PutAccount(ctx, account.Account{ID: ID("ACC", 9), Address: p.ann.Address, State: account.Active}, Event("")),
	} {
		t.Run("new "+what, func(t *testing.T) { expect.Kind(t, err, fault.Conflict) })
	}
	put := map[string]func(revision int64) error{
		"plan":     func(r int64) error { p.plan.Revision = r; return s.PutPlan(ctx, p.plan, Event("")) },
		"customer": func(r int64) error { p.customer.Revision = r; return s.PutCustomer(ctx, p.customer, Event("")) },
		"domain":   func(r int64) error { p.one.Revision = r; return s.PutDomain(ctx, p.one, Event("")) },
		"account":  func(r int64) error { p.ann.Revision = r; return s.PutAccount(ctx, p.ann, Event("")) },
	}
	for what, put := range put {
		t.Run(what, func(t *testing.T) {
			expect.Must(t, put(1))
			expect.Kind(t, put(1), fault.Conflict)
			expect.Kind(t, put(3), fault.Conflict)
			expect.Must(t, put(2))
		})
	}
	for what, err := range map[string]error{
		"plan": s.PutPlan(ctx, account.Plan{Name: "x", Revision: 1, State: account.Active}, Event("")), "customer": s.PutCustomer(ctx, account.Customer{Name: "x", Revision: 1, State: account.Active}, Event("")),
		"domain":  s.PutDomain(ctx, account.Domain{Name: "x.example", Customer: "acme", Revision: 1, State: account.Active}, Event("")),
		"account": s.PutAccount(ctx, account.Account{ID: ID("ACC", 9), Address: address("x", "one.example"), Revision: 1, State: account.Active}, Event("")),
	} {
		t.Run("gone "+what, func(t *testing.T) { expect.Kind(t, err, fault.NotFound) })
	}
}

func namesMustExist(t *testing.T, s Store) {
	ctx := expect.Within(t)
	settle(t, s)
	_, plan := s.Plan(ctx, "x")
	_, customer := s.Customer(ctx, "x")
	_, domain := s.Domain(ctx, "x.example")
	_, login := s.Account(ctx, "x@one.example")
	_, sender := s.Sender(ctx, "x@one.example")
	for what, err := range map[string]error{
		"reading a plan": plan, "reading a customer": customer, "reading a domain": domain, "reading an account": login, "reading a sender": sender,
		"a customer's plan":  s.PutCustomer(ctx, account.Customer{Name: "n", Plan: "x", State: account.Active}, Event("")),
		"a domain's":         s.PutDomain(ctx, account.Domain{Name: "n.example", Customer: "x", State: account.Active}, Event("")),
		"an account's":       s.PutAccount(ctx, account.Account{ID: ID("ACC", 9), Address: address("a", "n.example"), State: account.Active}, Event("")),
		"an account's plan":  s.PutAccount(ctx, account.Account{ID: ID("ACC", 9), Address: address("a", "one.example"), Plan: "x", State: account.Active}, Event("")),
		"added with a plan":  s.AddAccounts(ctx, []account.Account{{ID: ID("ACC", 9), Address: address("a", "one.example"), Plan: "x", State: account.Active}}, []audit.Event{Event("")}),
		"removing a plan":    s.RemovePlan(ctx, "x", Event("")),
		"removing customers": s.RemoveCustomer(ctx, "x", Event("")),
		"removing a domain":  s.RemoveDomain(ctx, "x.example", Event("")),
		"removing accounts":  s.RemoveAccount(ctx, "x@one.example", Event("")),
	} {
		t.Run(what, func(t *testing.T) { expect.Kind(t, err, fault.NotFound) })
	}
}

func usedObjectsStay(t *testing.T, s Store) {
	ctx := expect.Within(t)
	settle(t, s)
	expect.Kind(t, s.RemovePlan(ctx, "basic", Event("")), fault.Conflict)
	expect.Kind(t, s.RemoveCustomer(ctx, "acme", Event("")), fault.Conflict)
	expect.Kind(t, s.RemoveDomain(ctx, "one.example", Event("")), fault.Conflict)
	expect.Must(t, s.RemoveAccount(ctx, "ann@one.example", Event("")))
	expect.Must(t, s.RemoveAccount(ctx, "bob@two.example", Event("")))
	expect.Must(t, s.RemoveDomain(ctx, "one.example", Event("")))
	expect.Kind(t, s.RemoveCustomer(ctx, "acme", Event("")), fault.Conflict)
	expect.Must(t, s.RemoveDomain(ctx, "two.example", Event("")))
	expect.Must(t, s.RemoveCustomer(ctx, "acme", Event("")))
	expect.Must(t, s.RemovePlan(ctx, "basic", Event("")))
	if keys := expect.Got(s.SigningKeys(ctx, "one.example"))(t); len(keys) != 0 {
		t.Errorf("the keys of a removed domain stay: %v", keys)
	}
	_, err := s.Account(ctx, "ann@one.example")
	expect.Kind(t, err, fault.NotFound)
}

func addressesAreUnique(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	p.ann.Aliases = []mail.Address{address("Info", "one.example")}
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("")))
	p.bob.Aliases = []mail.Address{address("INFO", "one.example")}
	expect.Kind(t, s.PutAccount(ctx, p.bob, Event("")), fault.Conflict)
	p.bob.Aliases = []mail.Address{address("ok", "two.example"), address("ann", "one.example")}
	expect.Kind(t, s.PutAccount(ctx, p.bob, Event("")), fault.Conflict)
	clara := account.Account{ID: ID("ACC", 3), Address: address("info", "one.example"), State: account.Active, Created: Start()}
	expect.Kind(t, s.PutAccount(ctx, clara, Event("")), fault.Conflict)

	p.ann.Revision, p.ann.Aliases = 2, nil // given up
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("")))
	expect.Must(t, s.PutAccount(ctx, clara, Event("")))
	expect.Must(t, s.RemoveAccount(ctx, clara.Login(), Event("")))
	p.bob.Aliases = []mail.Address{address("info", "one.example")}
	expect.Must(t, s.PutAccount(ctx, p.bob, Event("")))
	p.bob.Revision = 2
	expect.Must(t, s.PutAccount(ctx, p.bob, Event(""))) // its own are no conflict
}

func removedAccountsStayGone(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	expect.Must(t, s.RemoveAccount(ctx, p.ann.Login(), Event("")))
	expect.Kind(t, s.PutAccount(ctx, p.ann, Event("")), fault.NotFound)
	next := account.Account{ID: ID("ACC", 7), Address: p.ann.Address, State: account.Active, Created: Start()}
	expect.Must(t, s.PutAccount(ctx, next, Event("")))
	expect.Kind(t, s.PutAccount(ctx, p.ann, Event("")), fault.Conflict) // same login and revision, another account
	// What the old one left to send is not the new one's.
	m := messageOf(p.ann, "acme", p.generation, 1)
	expect.Kind(t, s.Accept(ctx, m), fault.Denied)
}

func generationRises(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	before := p.generation
	rises := func(what string, err error) {
		t.Helper()
		expect.Must(t, err)
		now := expect.Got(s.Generation(ctx))(t)
		if now <= before {
			t.Errorf("%s: generation %d after %d", what, now, before)
		}
		before = now
	}
	rises("put plan", s.PutPlan(ctx, p.plan, Event("")))
	rises("put customer", s.PutCustomer(ctx, p.customer, Event("")))
	rises("put domain", s.PutDomain(ctx, p.one, Event("")))
	rises("put account", s.PutAccount(ctx, p.ann, Event("")))
	rises("remove account", s.RemoveAccount(ctx, p.ann.Login(), Event("")))
	rises("remove domain", s.RemoveDomain(ctx, p.one.Name, Event("")))
	expect.Kind(t, s.PutPlan(ctx, p.plan, Event("")), fault.Conflict)
	expect.Must(t, s.Append(ctx, []audit.Event{Event("")}))
	if now := expect.Got(s.Generation(ctx))(t); now != before {
		t.Errorf("generation %d after %d without a change", now, before)
	}
}

func eventsFollowChanges(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	count := func() int { return len(expect.Got(s.Search(ctx, audit.Query{}))(t)) }
	if n := count(); n != 6 {
		t.Fatalf("six changes left %d events", n)
	}
	p.plan.Revision = 5
	expect.Kind(t, s.PutPlan(ctx, p.plan, Event("")), fault.Conflict)
	expect.Kind(t, s.RemoveDomain(ctx, "one.example", Event("")), fault.Conflict)
	if n := count(); n != 6 {
		t.Errorf("refused changes left %d events", n-6)
	}
	expect.Must(t, s.RemoveAccount(ctx, p.ann.Login(), Event("account ann")))
	if n := count(); n != 7 {
		t.Errorf("a removal left %d events", n-6)
	}
}

// changesAreTold: whoever asks for the generation only when it may have been raised
// learns of each change.
func changesAreTold(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	for what, change := range map[string]func() error{
		"a plan": func() error { return s.PutPlan(ctx, account.Plan{Name: "new", State: account.Active}, Event("plan")) },
		"a customer": func() error {
			p.customer.State = account.Suspended
			return s.PutCustomer(ctx, p.customer, Event("customer"))
		},
		"a domain":    func() error { p.two.State = account.Suspended; return s.PutDomain(ctx, p.two, Event("domain")) },
		"an account":  func() error { p.ann.State = account.Suspended; return s.PutAccount(ctx, p.ann, Event("account")) },
		"its removal": func() error { return s.RemoveAccount(ctx, "bob@two.example", Event("account")) },
	} {
		before, waits := expect.Got(s.Generation(ctx))(t), make(chan struct{})
		learned := make(chan error, 1)
		go func() {
			for first := true; ; first = false {
				changed, _ := s.Changed()
				if now, err := s.Generation(ctx); err != nil || now > before {
					learned <- err
					return
				}
				if first {
					close(waits)
				}
				select {
				case <-changed:
				case <-time.After(10 * time.Second):
					learned <- fault.New("test", fault.Canceled, "nobody was told of a change of %s", what)
					return
				}
			}
		}()
		<-waits
		expect.Must(t, change())
		expect.Must(t, <-learned)
	}
}
