package sqlite

import (
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
)

// TestWhatEarlierReleasesReadOfGrants: one that works on the database during an upgrade takes no
// grant for more than it is, and what it loses as it writes an account is no grant afterwards.
func TestWhatEarlierReleasesReadOfGrants(t *testing.T) {
	s, ctx := openNew(t), t.Context()
	at := func(local string) mail.Address { return mail.Address{Local: local, Domain: "one.example"} }
	plain := account.Granted{Grant: account.Grant{Address: at("plain")}, Manner: account.SendAs, By: "cli:root", Because: "asked for"}
	behalf, ends, across := plain, plain, plain
	behalf.Address, behalf.Manner = at("behalf"), account.SendOnBehalf
	ends.Address, ends.Until = at("ends"), time.UnixMicro(1).UTC()
	across.Grant, across.Across = account.Grant{Domain: "two.example"}, true
	a := account.Account{ID: "A", Address: at("ann"), State: account.Active, Grants: []account.Granted{plain, behalf, ends, across}}
	for _, err := range []error{
		s.PutCustomer(ctx, account.Customer{Name: "acme", State: account.Active}, audit.Event{}),
		s.PutDomain(ctx, account.Domain{Name: "one.example", Customer: "acme", State: account.Active}, audit.Event{}),
		s.PutAccount(ctx, a, audit.Event{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var read []string
	err := s.db.Read(ctx, "test", func(c *conn) error {
		return c.Query(ctx, "SELECT address, domain FROM account_grant ORDER BY position", nil, func(r *sqlkit.Row) error {
			read = append(read, r.Text()+" "+r.Text())
			return nil
		})
	})
	if want := []string{"plain@one.example ", " ", " ", " "}; err != nil || !slices.Equal(read, want) {
		t.Errorf("it reads %q, want %q (%v)", read, want, err)
	}
	err = s.change(ctx, "test", func(t *tx) error {
		if err := t.Exec("DELETE FROM account_grant", nil); err != nil {
			return err
		}
		for i, address := range []string{"plain@one.example", "", "", ""} {
			if err := t.Exec("INSERT INTO account_grant (login, position, address, domain) VALUES ('ann@one.example', ?, ?, '')", bind(i, address)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Account(ctx, "ann@one.example")
	if err != nil || len(b.Grants) != 1 || b.Grants[0].Grant != plain.Grant || b.Grants[0].Manner != account.SendAs {
		t.Errorf("it has left %+v (%v)", b.Grants, err)
	}
	logins, err := s.Grantees(ctx, account.GranteeQuery{Under: "one.example", Limit: 9})
	if err != nil || !slices.Equal(logins, []string{"ann@one.example"}) {
		t.Errorf("who has grants: %q, %v", logins, err)
	}
}
