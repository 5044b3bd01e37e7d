package credentials

import (
	"fmt"
	"slices"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
)

// newcomer is an account with an alias, a password and an app password.
func newcomer(name string) account.Account {
	return account.Account{
		ID: mail.ID("NEW" + name), Address: mail.Address{Local: name, Domain: "one.example"}, State: account.Active,
		Aliases: []mail.Address{{Local: name + "-alias", Domain: "one.example"}}, Created: full().Created,
		Credentials: []account.Credential{
			{ID: mail.ID("APP" + name), Kind: account.AppPassword, Name: "app", Secret: account.Secret{Hash: "hash of app"}, Created: full().Created, Changed: full().Created},
			{ID: mail.ID("PASS" + name), Kind: account.Password, Name: "password", Secret: account.Secret{Hash: "hash", Cost: "bcrypt 10"}, Created: full().Created, Changed: full().Created},
		},
	}
}

// added adds accounts with an event each.
func (y *story) added(list ...account.Account) error {
	events := make([]audit.Event, len(list))
	for i := range list {
		events[i] = event("account " + list[i].Address.String())
		events[i].Login = list[i].Login()
	}
	return y.s.AddAccounts(expect.Within(y), list, events)
}

func addedTogether(y *story) {
	y.settle()
	before := expect.Got(y.s.Generation(expect.Within(y)))(y)
	x, z := newcomer("x"), newcomer("z")
	z.State, z.Credentials = account.Suspended, nil
	expect.Must(y, y.added(x, z))
	x.Revision, z.Revision = 1, 1
	expect.Equal(y, "accounts", expect.Got(y.s.Accounts(expect.Within(y), account.AccountQuery{Domain: "one.example"}))(y), []account.Account{y.ann, x, z})
	y.proofs("proofs", x, false, true)
	if after := expect.Got(y.s.Generation(expect.Within(y)))(y); after <= before {
		y.Errorf("the generation went from %d to %d", before, after)
	}
	for _, a := range []account.Account{x, z} {
		if len(expect.Got(y.s.Search(expect.Within(y), audit.Query{Login: a.Login()}))(y)) != 1 {
			y.Errorf("%s has not one event", a.Address)
		}
	}
	expect.Must(y, y.added())
}

func addedAllOrNone(y *story) {
	y.settle()
	for name, change := range map[string]func(a, b *account.Account){
		"there already":             func(a, _ *account.Account) { a.Address = y.ann.Address },
		"address of another":        func(a, _ *account.Account) { a.Aliases[0] = y.ann.Address },
		"address of each other":     func(a, b *account.Account) { a.Aliases[0] = b.Address },
		"alias of each other":       func(a, b *account.Account) { a.Aliases[0] = b.Aliases[0] },
		"login of each other":       func(a, b *account.Account) { a.Address = b.Address },
		"id of each other":          func(a, b *account.Account) { a.ID = b.ID },
		"id of another":             func(a, _ *account.Account) { a.ID = y.ann.ID },
		"credential of each other":  func(a, b *account.Account) { a.Credentials[0].ID = b.Credentials[0].ID },
		"subject of each other":     func(a, b *account.Account) { withNetwork(a); withNetwork(b) },
		"names of credentials":      func(a, _ *account.Account) { a.Credentials[0].Name = "password" },
		"no such domain":            func(a, _ *account.Account) { a.Address.Domain = "nowhere.example" },
		"no such state":             func(a, _ *account.Account) { a.State = "asleep" },
		"an account without an id":  func(a, _ *account.Account) { a.ID = "" },
		"an account without a name": func(a, _ *account.Account) { a.Address = mail.Address{} },
	} {
		good, bad := newcomer("good"), newcomer("bad")
		change(&bad, &good)
		before := expect.Got(y.s.Generation(expect.Within(y)))(y)
		err := y.added(good, bad)
		if !slices.ContainsFunc([]fault.Kind{fault.Conflict, fault.Invalid, fault.NotFound}, func(k fault.Kind) bool { return fault.Is(err, k) }) {
			y.Errorf("%s: %v", name, err)
		}
		expect.Equal(y, name, expect.Got(y.s.Accounts(expect.Within(y), account.AccountQuery{}))(y), []account.Account{y.ann, y.bob})
		if after := expect.Got(y.s.Generation(expect.Within(y)))(y); after != before {
			y.Errorf("%s: the generation went from %d to %d", name, before, after)
		}
	}
	var many []account.Account
	for i := range account.MaxAdded + 1 {
		many = append(many, newcomer(fmt.Sprintf("n%d", i)))
	}
	if err := y.added(many...); !fault.Is(err, fault.Invalid) {
		y.Errorf("more than MaxAdded: %v", err)
	}
	expect.Must(y, y.added(many[1:]...))
}

func withNetwork(a *account.Account) {
	a.Credentials = append(a.Credentials, account.Credential{ID: a.ID + "N", Kind: account.Network, Name: "network", Subject: "192.0.2.0/24", Created: full().Created, Changed: full().Created})
}
