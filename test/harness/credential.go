package harness

import (
	"context"
	"fmt"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/credentials"
	"countersign/internal/app"
	"countersign/internal/config/loading"
	"countersign/internal/mail"
)

// AddCredential gives the account of a served gate one more credential, from beside the
// running server as commands do. file is its configuration. It returns the name.
func AddCredential(t testing.TB, file string, kind account.CredentialKind, subject string) (name string) {
	t.Helper()
	cfg, _, err := loading.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	store, err := app.OpenStore(ctx, cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	address, err := mail.ParseAddress(Login)
	if err != nil {
		t.Fatal(err)
	}
	ids := &mail.IDSource{}
	admin := credentials.NewAdmin(credentials.Options{Store: store, IDs: ids, Actor: "test"})
	list, err := admin.List(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	name = fmt.Sprintf("%s-%d", kind, len(list))
	if _, err := admin.Add(ctx, address, credentials.New{Kind: kind, Name: name, Subject: subject}); err != nil {
		t.Fatal(err)
	}
	return name
}
