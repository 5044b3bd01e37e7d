package objects

import (
	"context"
	"strings"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
)

// plain reports whether earlier releases understand a grant as it is meant. All others have
// neither address nor domain for them: see the schema.
func plain(g *account.Granted) bool {
	return g.Manner == account.SendAs && !g.Across && g.Until.IsZero()
}

// putGrants writes the grants of an account, which has none.
func putGrants(t writer, a *account.Account) error {
	const text = `INSERT INTO account_grant (login, position, address, domain, manner, target, under, across, ends, given, actor, because)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	for i := range a.Grants {
		g := &a.Grants[i]
		earlier, target := g.Grant, ""
		if !plain(g) {
			earlier, target = account.Grant{}, g.Grant.String()
		}
		err := t.Exec(text, bind(a.Login(), i, earlier.Address, earlier.Domain, string(g.Manner), target, g.Under(), g.Across,
			g.Until, g.Given, g.By, g.Because))
		if err != nil {
			return err
		}
	}
	return nil
}

// grants reads grants into the accounts that are chosen. A row that an earlier release has written
// of what it did not understand is no grant.
func (a *accounts) grants(these chosen) sqlkit.Ask {
	const columns = "SELECT login, address, domain, manner, target, across, ends, given, actor, because FROM account_grant"
	return sqlkit.Ask{Text: columns + " WHERE " + these.condition + " ORDER BY login, position", Args: these.args, Each: func(r *row) error {
		of := a.of(r)
		g := account.Granted{Grant: account.Grant{Address: r.Address(), Domain: r.Domain()}, Manner: account.Manner(r.Text())}
		if target := r.Text(); target != "" {
			var err error
			if g.Grant, err = account.ParseGrant(target); err != nil {
				r.Fail(err)
			}
		}
		g.Across, g.Until, g.Given, g.By, g.Because = r.Bool(), r.Time(), r.Time(), r.Text(), r.Text()
		if of != nil && g.Grant != (account.Grant{}) {
			of.Grants = append(of.Grants, g)
		}
		return nil
	}}
}

// GranteesOf lists the logins with grants: under a domain, also those of which an earlier release has
// not said under which.
func GranteesOf(q account.GranteeQuery) (text string, args sqlkit.Values) {
	var w sqlkit.Where
	w.Add(q.Under != "", "under IN (?, '')", q.Under)
	w.Add(true, "login > ?", q.After)
	var customers []any
	for _, name := range q.Customers {
		customers = append(customers, name)
	}
	list := strings.TrimSuffix(strings.Repeat("?, ", len(customers)), ", ")
	w.Add(len(customers) > 0, "login IN (SELECT a.login FROM domain d CROSS JOIN account a WHERE a.domain = d.name AND d.customer IN ("+list+"))", customers...)
	return "SELECT DISTINCT login FROM account_grant" + w.Text() + " ORDER BY login LIMIT ?", w.Bind(q.Limit)
}

// Grantees implements account.AddressStore.
func (s *Store) Grantees(ctx context.Context, q account.GranteeQuery) (list []string, err error) {
	text, args := GranteesOf(q)
	err = s.base.Read(ctx, "account.grantees", func(c reader) error {
		list, err = sqlkit.All(ctx, c, text, args, (*row).Text)
		return err
	})
	return list, err
}

// checkMode refuses a mode of senders that does not exist.
func checkMode(op string, m account.SenderMode) error {
	if _, err := account.ParseSenderMode(string(m)); err != nil {
		return fault.New(op, fault.Invalid, "%q is not a mode of senders", m)
	}
	return nil
}
