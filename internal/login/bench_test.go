package login

import (
	"context"
	"countersign/internal/login/secrets"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/hash"
	"countersign/internal/audit"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/oauth"
	"countersign/internal/store/sqlite"
)

// benchWorld is a world over a real store, with hashes of the usual cost.
func benchWorld(b *testing.B) *world {
	b.Helper()
	store, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "db"), Server: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	hasher, err := secrets.NewHasher(secrets.HasherOptions{Queue: 100})
	if err != nil {
		b.Fatal(err)
	}
	salt, err := store.Salt(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	maker, err := secrets.NewMaker(secrets.MakerOptions{Hasher: hasher, Sealer: sealer(), Salt: salt, Realm: realm})
	if err != nil {
		b.Fatal(err)
	}
	w := &world{hasher: hasher, maker: maker, tokens: tokens{}}
	w.admin = admin.New(admin.Options{Store: store, Secrets: maker, IDs: &mail.IDSource{}, Actor: "bench"})
	w.v = New(Options{Store: store, Hasher: hasher, Maker: maker, Tokens: w.tokens, Remember: time.Hour})
	ctx := b.Context()
	for _, err := range []error{
		w.admin.AddPlan(ctx, account.Plan{Name: "gold", MaxRecipients: 50}),
		w.admin.AddCustomer(ctx, "acme", "gold"),
		w.admin.AddDomain(ctx, "acme.example", "acme", []account.Key{{Selector: "s1", Algorithm: "rsa"}}),
	} {
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, name := range []string{"wrong", "suspended", "without"} {
		w.addBenchAccount(b, store, name)
	}
	if err := w.v.Prepare(ctx); err != nil {
		b.Fatal(err)
	}
	return w
}

// addBenchAccount adds NAME@acme.example with a credential for every mechanism, "without"
// with none.
func (w *world) addBenchAccount(b *testing.B, store *sqlite.Store, name string) {
	b.Helper()
	login := name + "@acme.example"
	a := account.Account{ID: mail.ID(name), Address: at(login), State: account.Active, Legacy: true, Created: time.Now()}
	if name == "suspended" {
		a.State = account.Suspended
	}
	if name != "without" {
		secret, err := w.maker.MakeSecret(b.Context(), login, goodPassword, account.Password, true)
		if err != nil {
			b.Fatal(err)
		}
		for kind, subject := range map[account.CredentialKind]string{account.Password: "", account.OAuth: "idp sub:" + name, account.Certificate: "cn:" + name} {
			c := account.Credential{ID: mail.ID(name + string(kind)), Kind: kind, Name: string(kind), Subject: subject}
			if kind == account.Password {
				c.Secret = secret
			}
			a.Credentials = append(a.Credentials, c)
		}
	}
	w.tokens[name] = oauth.Identity{Issuer: "idp", Subject: name, User: "user of " + name}
	if err := store.PutAccount(b.Context(), a, audit.Event{Kind: audit.AdminAdded}); err != nil {
		b.Fatal(err)
	}
}

// tries is how often each failure is tried; maxApart is what the medians may differ by.
const (
	tries    = 200
	maxApart = 5 * time.Millisecond
)

// BenchmarkFailures tries each kind of failure of each mechanism in turns, and prints how
// far the medians of what they take are apart. It is for -benchtime 1x.
func BenchmarkFailures(b *testing.B) {
	if b.N != 1 {
		b.Fatal("this is for -benchtime 1x")
	}
	w := benchWorld(b)
	kinds := []string{"unknown", "wrong", "suspended", "without"}
	for _, q := range questions() {
		took := map[string][]time.Duration{}
		for i := range tries {
			for j := range kinds {
				kind := kinds[(i+j)%len(kinds)]
				login, secret := benchQuestion(q, kind)
				began := time.Now()
				p, err := q.ask(w, here, login, secret)
				took[kind] = append(took[kind], time.Since(began))
				if p != nil || why.Word(err) == "" {
					b.Fatalf("%s, %s: %v, %v", q.mechanism, kind, p, err)
				}
			}
		}
		least, most := time.Hour, time.Duration(0)
		text := ""
		for _, kind := range kinds {
			slices.Sort(took[kind])
			median := took[kind][tries/2]
			least, most = min(least, median), max(most, median)
			text += fmt.Sprintf("  %s %.3f ms", kind, float64(median)/1e6)
		}
		word := "met"
		if most-least >= maxApart {
			word = "MISSED"
		}
		fmt.Printf("%-13s medians of %d:%s; %.3f ms apart, goal < %v: %s\n", q.mechanism, tries, text, float64(most-least)/1e6, maxApart, word)
		b.ReportMetric(float64(most-least)/1e6, q.mechanism+"-ms-apart")
	}
	b.ReportMetric(0, "ns/op") // means nothing here
}

// benchQuestion returns what is asked for a kind of failure. Keys are compared in
// no time here, as an exchange does: scramKey remembers what the client would compute.
func benchQuestion(q question, kind string) (login, secret string) {
	login, secret = kind+"@acme.example", q.right
	switch {
	case q.mechanism == "OAUTHBEARER":
		login, secret = "", kind // of the unknown no token is known
	case q.mechanism == "EXTERNAL":
		secret = "cn:" + kind
	case kind == "wrong":
		secret = wrongPassword
	}
	if kind == "wrong" && !q.keys && q.mechanism != "PLAIN" {
		secret = "nobody's"
	}
	return login, secret
}

// BenchmarkRemembered is a login whose password is remembered, the store's part included.
func BenchmarkRemembered(b *testing.B) {
	w := benchWorld(b)
	ask := func() {
		_, err := w.v.Password(context.Background(), Attempt{Client: here, Mechanism: "PLAIN"}, "", "wrong@acme.example", goodPassword)
		if err != nil {
			b.Fatal(err)
		}
	}
	ask()
	for b.Loop() {
		ask()
	}
}

// BenchmarkDerivation is what a login costs that is not remembered.
func BenchmarkDerivation(b *testing.B) {
	h, err := hash.New(hash.DefaultParams(), goodPassword, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if !h.Matches(goodPassword) {
			b.Fatal("it does not match")
		}
	}
}
