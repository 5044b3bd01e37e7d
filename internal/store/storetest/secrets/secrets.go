// Package secrets holds what an engine must do about what is sealed in it: keep it, find
// it, and exchange it for another form without losing what others change meanwhile. It is a
// part of the suite of package storetest, which an engine runs beside it.
//
// Main types: Store, Run.
package secrets

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/seal"
	"countersign/internal/seal/rotation"
	"countersign/internal/store/storetest"
	"countersign/internal/store/storetest/expect"
)

// Store is what an engine implements for the cases.
type Store interface {
	storetest.Store
	rotation.Store
}

// Run runs the cases. Each gets a store of its own.
func Run(t *testing.T, open func(*testing.T) Store) {
	for name, run := range map[string]func(*testing.T, Store){
		"everything is sealed anew":             sealedAnew,
		"what has changed is not exchanged":     changedStays,
		"an earlier reading is not put again":   earlierReading,
		"what cannot be opened stays":           closedStays,
		"an interruption is gone on from":       resealInterrupted,
		"what nothing is sealed for is refused": unknownPurpose,
		"certificates are put, got, deleted":    certificates,
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

// start is the moment at which the stories begin.
func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC) }

// sealerOf makes a sealer of a key that is told by one octet.
func sealerOf(t *testing.T, octet byte) *seal.Sealer {
	t.Helper()
	return expect.Got(seal.New(bytes.Repeat([]byte{octet}, 32), rand.Reader))(t)
}

// vault is a store with something sealed in every place there is.
type vault struct {
	*testing.T
	s       Store
	domains int
}

// The domains of a vault: few, or more than a portion.
const (
	fewDomains  = 5
	manyDomains = 130
)

// sealedKeys are the keys of passwords that fillVault seals.
const sealedKeys = 4 + 2*2

// fillVault seals with s; the secrets are their names.
func fillVault(t *testing.T, s Store, by *seal.Sealer, domains int) *vault {
	v := &vault{t, s, domains}
	ctx := expect.Within(t)
	expect.Must(t, s.PutCustomer(ctx, account.Customer{Name: "acme", State: account.Active, Created: start()}, v.event()))
	sealed := func(p seal.Purpose, name string) []byte { return expect.Got(by.Seal(p, name, []byte(name)))(t) }
	for i := range v.domains {
		d := account.Domain{Name: v.domain(i), Customer: "acme", State: account.Active, Created: start()}
		if i%5 != 4 { // some have no keys
			for _, selector := range []string{"cs-rsa", "cs-ed25519"} {
				d.Keys = append(d.Keys, account.Key{Selector: selector, Algorithm: "rsa", Public: "p", Created: start(),
					Sealed: sealed(seal.DKIM, seal.DKIMName(string(d.Name), selector))})
			}
		}
		expect.Must(t, s.PutDomain(ctx, d, v.event()))
	}
	for i := range 3 {
		key := fmt.Sprintf("acme/%d", i)
		expect.Must(t, s.PutCertificate(ctx, key, sealed(seal.ACME, key)))
	}
	for i := range 4 {
		a := account.Account{ID: mail.ID(fmt.Sprintf("01ACC%021d", i)), Address: mail.Address{Local: fmt.Sprintf("u%d", i), Domain: v.domain(0)}, State: account.Active, Legacy: i%2 == 0, Created: start()}
		c := account.Credential{ID: mail.ID(fmt.Sprintf("01CRE%021d", i)), Kind: account.Password, Name: "password", Created: start(), Changed: start(),
			Secret: account.Secret{Hash: "$x$1", Cost: "x"}}
		mechanisms := []string{"SCRAM-SHA-1"}
		if i%2 == 0 {
			mechanisms = append(mechanisms, account.LegacyMechanisms()...)
		}
		for _, m := range mechanisms {
			c.Secret.Keys = append(c.Secret.Keys, account.SecretKey{Mechanism: m,
				Value: base64.StdEncoding.EncodeToString(sealed(seal.Password, seal.PasswordName(m, a.Login())))})
		}
		a.Credentials = []account.Credential{c}
		expect.Must(t, s.PutAccount(ctx, a, v.event()))
	}
	return v
}

func (v *vault) domain(i int) mail.Domain { return mail.Domain(fmt.Sprintf("d%03d.example", i)) }
func (v *vault) login(i int) string       { return fmt.Sprintf("u%d@%s", i, v.domain(0)) }

func (v *vault) event() audit.Event {
	return audit.Event{At: start(), Kind: audit.AdminChanged, Actor: "cli:root", Object: "vault"}
}

// wantAll fails unless so much is sealed by one key in each place, and opens.
func (v *vault) wantAll(by *seal.Sealer) {
	v.Helper()
	ctx := expect.Within(v.T)
	counts := expect.Got(rotation.Count(ctx, v.s))(v)
	of := counts[by.ID()]
	if len(counts) != 1 || of[seal.DKIM] != 2*v.domains*4/5 || of[seal.ACME] != 3 || of[seal.Password] != sealedKeys {
		v.Fatalf("keys seal %v, want all by %s", counts, by.ID())
	}
	for i := range v.domains {
		for _, k := range expect.Got(v.s.SigningKeys(ctx, v.domain(i)))(v) {
			v.wantOpen(by, seal.DKIM, seal.DKIMName(string(v.domain(i)), k.Selector), k.Sealed)
		}
	}
	for i := range 3 {
		key := fmt.Sprintf("acme/%d", i)
		v.wantOpen(by, seal.ACME, key, expect.Got(v.s.GetCertificate(ctx, key))(v))
	}
	for i := range 4 {
		secret := expect.Got(v.s.Account(ctx, v.login(i)))(v).Credentials[0].Secret
		if secret.Hash != "$x$1" || len(secret.Keys) != 1+2*((i+1)%2) {
			v.Fatalf("the secret of %s became %+v", v.login(i), secret)
		}
		for _, k := range secret.Keys {
			v.wantOpen(by, seal.Password, seal.PasswordName(k.Mechanism, v.login(i)), expect.Got(base64.StdEncoding.DecodeString(k.Value))(v))
		}
	}
}

func (v *vault) wantOpen(by *seal.Sealer, p seal.Purpose, name string, sealed []byte) {
	v.Helper()
	if secret := expect.Got(by.Open(p, name, sealed))(v); string(secret) != name {
		v.Fatalf("%s %q holds %q", p, name, secret)
	}
}

// both returns the sealer of a key that opens what another sealed, too.
func (v *vault) both(first, second byte) *seal.Sealer {
	v.Helper()
	path := v.TempDir() + "/seal.key"
	var text []byte
	for _, octet := range []byte{first, second} {
		text = append(base64.StdEncoding.AppendEncode(text, bytes.Repeat([]byte{octet}, 32)), '\n')
	}
	expect.Must(v, os.WriteFile(path, text, 0o600))
	return expect.Got(seal.LoadOrCreate(path, rand.Reader))(v)
}

func sealedAnew(t *testing.T, s Store) {
	v := fillVault(t, s, sealerOf(t, 1), manyDomains)
	v.wantAll(sealerOf(t, 1))
	generation := expect.Got(s.Generation(expect.Within(t)))(t)
	told := 0
	result := expect.Got(rotation.Run(expect.Within(t), s, v.both(2, 1), func(seen, anew int) { told = anew }))(t)
	if want := 2*v.domains*4/5 + 3 + sealedKeys; result.Total() != want || told != want || result.NotOpened != 0 {
		t.Errorf("result %+v, told of %d, want %d", result, told, want)
	}
	v.wantAll(sealerOf(t, 2))
	if now := expect.Got(s.Generation(expect.Within(t)))(t); now != generation {
		t.Errorf("generation %d after %d: nothing is decided by it", now, generation)
	}
	again := expect.Got(rotation.Run(expect.Within(t), s, v.both(2, 1), nil))(t)
	if again.Total() != 0 {
		t.Errorf("%d pieces were sealed anew twice", again.Total())
	}
}

// changedStays exchanges what has been replaced or removed meanwhile.
func changedStays(t *testing.T, s Store) {
	v := fillVault(t, s, sealerOf(t, 1), fewDomains)
	ctx := expect.Within(t)
	var list []rotation.Exchange
	for _, p := range seal.Purposes() {
		pieces, _, err := s.Sealed(ctx, p, "", 1)
		expect.Must(t, err)
		if len(pieces) == 0 {
			t.Fatalf("nothing is sealed for %s", p)
		}
		list = append(list, rotation.Exchange{Piece: pieces[0], Anew: []byte("lost")})
	}
	d := expect.Got(s.Domain(ctx, v.domain(0)))(t)
	d.Keys[0].Sealed, d.Keys[1].Sealed = []byte("newer"), []byte("newer")
	expect.Must(t, s.PutDomain(ctx, d, v.event()))
	expect.Must(t, s.DeleteCertificate(ctx, "acme/0"))
	after := account.Secret{Hash: "$x$2", Cost: "x", Keys: []account.SecretKey{{Mechanism: "CRAM-MD5", Value: "bmV3ZXI="}}}
	expect.Must(t, s.RenewSecret(ctx, v.login(0), mail.ID(list[2].Owner), "$x$1", after, v.event()))
	if n := expect.Got(s.Reseal(ctx, list))(t); n != 0 {
		t.Errorf("%d exchanges of what had changed", n)
	}
	if d := expect.Got(s.Domain(ctx, v.domain(0)))(t); string(d.Keys[0].Sealed) != "newer" || string(d.Keys[1].Sealed) != "newer" {
		t.Errorf("keys became %q", d.Keys)
	}
	_, err := s.GetCertificate(ctx, "acme/0")
	expect.Kind(t, err, fault.NotFound)
	if secret := expect.Got(s.Account(ctx, v.login(0)))(t).Credentials[0].Secret; secret.Hash != "$x$2" || len(secret.Keys) != 1 || secret.Keys[0].Value != "bmV3ZXI=" {
		t.Errorf("the secret became %+v", secret)
	}
}

// earlierReading puts a domain and an account that were read before they were sealed
// anew: what was sealed before must not come back.
func earlierReading(t *testing.T, s Store) {
	v := fillVault(t, s, sealerOf(t, 1), fewDomains)
	ctx := expect.Within(t)
	d, a := expect.Got(s.Domain(ctx, v.domain(0)))(t), expect.Got(s.Account(ctx, v.login(0)))(t)
	expect.Got(rotation.Run(ctx, s, v.both(2, 1), nil))(t)
	expect.Kind(t, s.PutDomain(ctx, d, v.event()), fault.Conflict)
	expect.Must(t, s.PutAccount(ctx, a, v.event()))
	v.wantAll(sealerOf(t, 2))
	// Keys that go with their password, or without, are put as given.
	a = expect.Got(s.Account(ctx, v.login(0)))(t)
	a.Credentials[0].Secret.Keys = a.Credentials[0].Secret.Keys[:2]
	expect.Must(t, s.PutAccount(ctx, a, v.event()))
	a = expect.Got(s.Account(ctx, v.login(0)))(t)
	if keys := a.Credentials[0].Secret.Keys; len(keys) != 2 {
		t.Errorf("a key came back: %v", keys)
	}
	a.Credentials[0].Secret.Hash, a.Credentials[0].Secret.Keys[1].Value = "$x$2", "bmV3ZXI="
	expect.Must(t, s.PutAccount(ctx, a, v.event()))
	if value := expect.Got(s.Account(ctx, v.login(0)))(t).Credentials[0].Secret.Keys[1].Value; value != "bmV3ZXI=" {
		t.Errorf("the key of a new password is %q", value)
	}
}

func closedStays(t *testing.T, s Store) {
	v := fillVault(t, s, sealerOf(t, 1), fewDomains)
	ctx := expect.Within(t)
	foreign := expect.Got(sealerOf(t, 9).Seal(seal.ACME, "acme/1", []byte("x")))(t)
	expect.Must(t, s.PutCertificate(ctx, "acme/1", foreign))
	expect.Must(t, s.PutCertificate(ctx, "acme/2", []byte("damaged")))
	result := expect.Got(rotation.Run(ctx, s, v.both(2, 1), nil))(t)
	if result.NotOpened != 2 || len(result.Closed) != 2 || result.Anew[seal.ACME] != 1 || result.Anew[seal.Password] != sealedKeys {
		t.Errorf("result %+v", result)
	}
	if data := expect.Got(s.GetCertificate(ctx, "acme/1"))(t); !bytes.Equal(data, foreign) {
		t.Error("what cannot be opened was replaced")
	}
	counts := expect.Got(rotation.Count(ctx, s))(t)
	if counts.Of(sealerOf(t, 9).ID()) != 1 || counts.Of("") != 1 || counts.Of(sealerOf(t, 1).ID()) != 0 {
		t.Errorf("keys seal %v", counts)
	}
}

// resealInterrupted ends a run after its first portion, and runs again.
func resealInterrupted(t *testing.T, s Store) {
	v := fillVault(t, s, sealerOf(t, 1), manyDomains)
	ctx, cancel := context.WithCancel(expect.Within(t))
	result, err := rotation.Run(ctx, s, v.both(2, 1), func(int, int) { cancel() })
	expect.Kind(t, err, fault.Canceled)
	first := result.Total()
	if first == 0 || first >= 2*v.domains*4/5 {
		t.Errorf("%d pieces before the interruption", first)
	}
	rest := expect.Got(rotation.Run(expect.Within(t), s, v.both(2, 1), nil))(t)
	if n := first + rest.Total(); n != 2*v.domains*4/5+3+sealedKeys {
		t.Errorf("%d and %d pieces", first, rest.Total())
	}
	v.wantAll(sealerOf(t, 2))
}

func unknownPurpose(t *testing.T, s Store) {
	_, _, err := s.Sealed(expect.Within(t), "nothing", "", 10)
	expect.Kind(t, err, fault.Invalid)
	_, err = s.Reseal(expect.Within(t), []rotation.Exchange{{Piece: rotation.Piece{Purpose: "nothing"}}})
	expect.Kind(t, err, fault.Invalid)
}
