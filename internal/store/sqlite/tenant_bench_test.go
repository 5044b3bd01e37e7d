package sqlite

import (
	"fmt"
	"testing"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/guard"
	"countersign/internal/access/list"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/tenant"
)

// BenchmarkOfCustomer lists what one customer with 100 accounts has among 100,000 accounts, each with a
// limit, an entry, a ban of its login, a record of the guard and a grant: a page of 100, as the API asks.
func BenchmarkOfCustomer(b *testing.B) {
	s, err := Open(b.Context(), Options{Path: b.TempDir() + "/x.db", Server: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const n = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < %d) "
	const login = "'u' || n || '@d' || (n %% 1000) || '.example'"
	for _, text := range []string{
		fmt.Sprintf(n, 1000) + "INSERT INTO customer (name, state, created, revision) SELECT 'c' || n, 'active', 1, 1 FROM n",
		fmt.Sprintf(n, 1000) + "INSERT INTO domain (name, customer, state, created, revision) SELECT 'd' || (n - 1) || '.example', 'c' || n, 'active', 1, 1 FROM n",
		fmt.Sprintf(n+"INSERT INTO account (login, id, address, domain, state, directory, plan_learned, null_sender, legacy, created, revision) SELECT "+login+", 'A' || n, "+login+", 'd' || (n %% 1000) || '.example', 'active', '', 0, 0, 0, 1, 1 FROM n", 100_000),
		fmt.Sprintf(n+"INSERT INTO limit_rule (id, kind, name, measure, span, most, extra, action, shadow, share, because, actor, began, ends, lifted, change) SELECT printf('01K%%023d', n), 'account', "+login+", 'messages', 'day', 5, 0, 'defer', 0, 0, '', 'x', 1, 0, '', n FROM n", 100_000),
		fmt.Sprintf(n+"INSERT INTO access_entry (id, kind, name, what, effect, shadow, reason, actor, began, ends, lifted, change) SELECT printf('01K%%023d', n), 'account', "+login+", '10.0.0.0/8', 'deny', 0, 'x', 'x', 1, 0, '', n FROM n", 100_000),
		fmt.Sprintf(n+"INSERT INTO ban (id, network, login, reason, actor, began, ends, lifted, change) SELECT printf('01K%%023d', n), '10.0.0.0/8', "+login+", 'x', 'x', 1, 0, '', n FROM n", 100_000),
		fmt.Sprintf(n+"INSERT INTO guard_record (network, login, missing, secrets, unseen, unseen_from, unseen_at, known, banned, sprayed, closed_from, closed_until, opened, ends, change) SELECT '10.0.0.1/32', "+login+", 0, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9999, n FROM n", 100_000),
		fmt.Sprintf(n+"INSERT INTO account_grant (login, position, address, domain, manner, target, under, across, ends, given, actor, because) SELECT "+login+", 0, '', 'd1.example', 'send-as', '', 'd1.example', 0, 0, 1, 'x', '' FROM n", 100_000),
	} {
		if err := s.db.Change(b.Context(), "fill", func(t *database.Tx, _ *book) error { return t.Exec(text, nil) }); err != nil {
			b.Fatalf("%s: %v", text, err)
		}
	}
	page, now := tenant.Page{Customers: []string{"c7"}, Limit: 101}, time.Now()
	for _, c := range []struct {
		name string
		list func() (int, error)
	}{
		{"limits", func() (int, error) {
			found, err := s.Rules(b.Context(), limit.Query{Holding: now, Page: page})
			return len(found), err
		}},
		{"limits-of-all", func() (int, error) { // as it was: all of them, of which some are shown
			found, err := s.Rules(b.Context(), limit.Query{Holding: now})
			return len(found) / 1000, err
		}},
		{"entries", func() (int, error) {
			found, err := s.Entries(b.Context(), list.Query{Holding: now, Page: page})
			return len(found), err
		}},
		{"bans", func() (int, error) {
			found, err := s.Bans(b.Context(), access.Query{Holding: now, Page: page})
			return len(found), err
		}},
		{"guarded", func() (int, error) {
			found, err := s.Records(b.Context(), guard.Query{Customers: page.Customers}, 101)
			return len(found), err
		}},
		{"grantees", func() (int, error) {
			found, err := s.Grantees(b.Context(), account.GranteeQuery{Customers: page.Customers, Limit: 101})
			return len(found), err
		}},
		{"accounts", func() (int, error) {
			found, err := s.Accounts(b.Context(), account.AccountQuery{Domain: "d6.example", Limit: 101})
			return len(found), err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if found, err := c.list(); err != nil || found != 100 {
					b.Fatal(found, err)
				}
			}
		})
	}
	b.Run("bounded", func(b *testing.B) {
		within, ids := tenant.Bound{Customers: page.Customers, Most: 1_000_000}, new(mail.IDSource)
		l, err := limit.Parse("bytes/month=5")
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			r := limit.Rule{ID: ids.New(), For: limit.Subject{Kind: limit.Domain, Name: "d6.example"}, Limit: l, By: "x", Start: time.Now().UTC().Truncate(time.Microsecond)}
			if err := s.SetRules(b.Context(), []limit.Rule{r}, within, []audit.Event{{Kind: audit.LimitSet}}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
