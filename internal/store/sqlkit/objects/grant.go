package objects

import (
	"context"
	"strings"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/holding"
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

// addGrants reads grants into the accounts that are chosen, whose places index has. A
// row that an earlier release has written of what it did not understand is no grant.
func addGrants(ctx context.Context, c reader, list []account.Account, index map[string]int, these chosen) error {
	const columns = "SELECT login, address, domain, manner, target, across, ends, given, actor, because FROM account_grant"
	return c.Query(ctx, columns+" WHERE "+these.condition+" ORDER BY login, position", these.args, func(r *row) error {
		i, known := index[r.Text()]
		g := account.Granted{Grant: account.Grant{Address: r.Address(), Domain: r.Domain()}, Manner: account.Manner(r.Text())}
		if target := r.Text(); target != "" {
			var err error
			if g.Grant, err = account.ParseGrant(target); err != nil {
				r.Fail(err)
			}
		}
		g.Across, g.Until, g.Given, g.By, g.Because = r.Bool(), r.Time(), r.Time(), r.Text(), r.Text()
		if known && g.Grant != (account.Grant{}) {
			list[i].Grants = append(list[i].Grants, g)
		}
		return nil
	})
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

// OwnDomainSQL finds an active domain of a customer, and what is set for it.
const OwnDomainSQL = "SELECT alignment FROM domain WHERE name = ? AND customer = ? AND state = 'active'"

// LentDomainSQL finds an active domain that a grant of an account reaches across customers, and
// what is set for it; the login comes first.
const LentDomainSQL = "SELECT x.alignment FROM account a, domain x WHERE a.login = ? AND x.name = ? AND x.state = 'active' AND " + holding.Lent

// UsableDomainSQL finds an active domain of a customer, or one that a grant of an account
// reaches.
const UsableDomainSQL = "SELECT 1 FROM account a, domain x WHERE a.login = ? AND x.name = ? AND x.state = 'active' AND (x.customer = ? OR " + holding.Lent + ")"

// readDomains reads under which of its domains a sender may write.
func readDomains(ctx context.Context, c reader, out *account.Sender) error {
	out.Domains = map[mail.Domain]bool{}
	across := map[mail.Domain]bool{}
	for i := range out.Account.Grants {
		if out.Account.Grants[i].Across {
			across[out.Account.Grants[i].Under()] = true
		}
	}
	for _, name := range out.Account.Under() {
		err := c.Query(ctx, OwnDomainSQL, bind(name, out.Customer.Name), func(r *row) error {
			out.Domains[name] = true
			setAlignment(out, name, r)
			return nil
		})
		if err == nil && across[name] {
			err = c.Query(ctx, LentDomainSQL, bind(out.Account.Login(), name), func(r *row) error {
				if out.Lent == nil {
					out.Lent = map[mail.Domain]bool{}
				}
				out.Lent[name] = true
				setAlignment(out, name, r)
				return nil
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setAlignment takes the next column, which is what is set for a domain.
func setAlignment(out *account.Sender, name mail.Domain, r *row) {
	set := account.Alignment(r.Text())
	if set == "" {
		return
	}
	if out.Alignment == nil {
		out.Alignment = map[mail.Domain]account.Alignment{}
	}
	out.Alignment[name] = set
}

// checkMode refuses a mode of senders that does not exist.
func checkMode(op string, m account.SenderMode) error {
	if _, err := account.ParseSenderMode(string(m)); err != nil {
		return fault.New(op, fault.Invalid, "%q is not a mode of senders", m)
	}
	return nil
}
