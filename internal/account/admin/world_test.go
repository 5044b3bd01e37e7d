package admin_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/policy/sender"
	"countersign/internal/testkit/accountstore"
)

// maker is a SecretMaker whose secrets show what they were made of.
type maker struct{}

func (maker) MakeSecret(_ context.Context, login, password string, _ account.CredentialKind, legacy bool) (account.Secret, error) {
	secret := account.Secret{
		Hash: "hash of " + password, Cost: "cheap",
		Keys: []account.SecretKey{{Mechanism: "SCRAM-SHA-256", Value: "scram of " + password}},
	}
	if legacy {
		secret.Keys = append(secret.Keys,
			account.SecretKey{Mechanism: "CRAM-MD5", Value: "cram of " + password},
			account.SecretKey{Mechanism: "DIGEST-MD5", Value: "digest of " + login + " " + password})
	}
	return secret, nil
}

// world is a store with two customers, their domains, and accounts.
type world struct {
	store *accountstore.Store
	admin *admin.Admin
}

const goodPassword = "correct horse battery"

// clock is what the clock of a world shows.
func clock() time.Time { return time.Unix(1_800_000_000, 123456789) }

// newWorld has customers acme (plan gold; acme.example, second.example) and
// other (other.example), and accounts a@acme.example and b@acme.example.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: accountstore.New()}
	w.admin = admin.New(admin.Options{Store: w.store, Secrets: maker{}, IDs: &mail.IDSource{}, Actor: "cli:test", Now: clock})
	ctx := t.Context()
	keys := []account.Key{{Selector: "s1", Algorithm: "rsa"}}
	for _, err := range []error{
		w.admin.AddPlan(ctx, account.Plan{Name: "gold", MaxRecipients: 50}),
		w.admin.AddCustomer(ctx, "acme", "gold"),
		w.admin.AddCustomer(ctx, "other", ""),
		w.admin.AddDomain(ctx, "acme.example", "acme", keys),
		w.admin.AddDomain(ctx, "second.example", "acme", keys),
		w.admin.AddDomain(ctx, "other.example", "other", keys),
		w.admin.AddAccount(ctx, admin.NewAccount{Address: address(t, "a@acme.example"), Password: goodPassword}),
		w.admin.AddAccount(ctx, admin.NewAccount{Address: address(t, "b@acme.example"), Password: goodPassword}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// lastEvent is the event of the last change.
func (w *world) lastEvent() audit.Event {
	events := w.store.Events()
	return events[len(events)-1]
}

// generation is the generation of the store.
func (w *world) generation(t *testing.T) uint64 {
	t.Helper()
	n, err := w.store.Generation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// account reads an account.
func (w *world) account(t *testing.T, login string) account.Account {
	t.Helper()
	a, err := w.store.Account(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func address(t *testing.T, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// at makes an address of one that needs no quoting.
func at(s string) mail.Address {
	local, domain, _ := strings.Cut(s, "@")
	return mail.Address{Local: local, Domain: mail.Domain(strings.ToLower(domain))}
}

// sendAs makes grants without an end.
func sendAs(list ...account.Grant) (out []account.Granted) {
	for _, g := range list {
		out = append(out, account.Granted{Grant: g, Manner: account.SendAs})
	}
	return out
}

// owns reports whether a sender may write under an address, for ever.
func owns(s *account.Sender, a mail.Address) bool {
	rule, _ := sender.Of(s, a, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC))
	return rule.Theirs()
}

// stored reads an account.
func (w *world) stored(t *testing.T, login string) account.Account {
	t.Helper()
	a, err := w.store.Account(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
