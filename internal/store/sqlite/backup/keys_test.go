package backup

import (
	"crypto/rand"
	"encoding/base64"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/seal"
)

// TestManifestNamesKeys seals for each purpose with a key of its own.
func TestManifestNamesKeys(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "c.db"), true)
	ctx, e, now := t.Context(), audit.Event{At: time.Now(), Kind: audit.AdminChanged}, time.Now().UTC().Truncate(time.Second)
	var want []string
	sealed := func(p seal.Purpose, name string) []byte {
		by, err := seal.LoadOrCreate(filepath.Join(dir, string(p)), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		out, err := by.Seal(p, name, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, by.ID())
		return out
	}
	c := account.Credential{ID: mail.ID("01CRE000000000000000000001"), Kind: account.Password, Name: "password", Created: now, Changed: now}
	c.Secret = account.Secret{Hash: "$x$1", Cost: "x", Keys: []account.SecretKey{
		{Mechanism: "SCRAM-SHA-1", Value: "4096,a,b,c"},
		{Mechanism: "CRAM-MD5", Value: base64.StdEncoding.EncodeToString(sealed(seal.Password, seal.PasswordName("CRAM-MD5", "a@keys.example")))},
	}}
	a := account.Account{ID: mail.ID("01ACC000000000000000000001"), Address: mail.Address{Local: "a", Domain: "keys.example"}, State: account.Active, Created: now, Credentials: []account.Credential{c}}
	d := account.Domain{Name: "keys.example", Customer: "keys", State: account.Active, Created: now}
	d.Keys = []account.Key{{Selector: "s", Algorithm: "rsa", Public: "p", Created: now, Sealed: sealed(seal.DKIM, seal.DKIMName("keys.example", "s"))}}
	for _, err := range []error{
		s.PutCustomer(ctx, account.Customer{Name: "keys", State: account.Active, Created: now}, e),
		s.PutDomain(ctx, d, e), s.PutAccount(ctx, a, e), s.PutCertificate(ctx, "acme/x", sealed(seal.ACME, "acme/x")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m, err := makeIn(t, s, filepath.Join(dir, "backup"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(m.Keys, want) {
		t.Errorf("the manifest names %v, want %v", m.Keys, want)
	}
}
