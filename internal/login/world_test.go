package login

import (
	"bytes"
	"context"
	"countersign/internal/login/secrets"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/hash"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/login/outside"
	"countersign/internal/login/pool"
	"countersign/internal/mail"
	"countersign/internal/oauth"
	"countersign/internal/sasl"
	"countersign/internal/seal"
	"countersign/internal/testkit/accountstore"
)

// The passwords of the world.
const (
	goodPassword  = "correct horse battery"
	wrongPassword = "wrong password, this"
	passwordOfB   = "the password of b"
	// appPassword is as the gate generates them.
	appPassword = "abcde-fghij-kmnpq-rstuv"
)

// Costs of hashes.
var (
	cheaper = hash.Params{MemoryKiB: 8, Iterations: 1, Parallelism: 1}
	today   = hash.Params{MemoryKiB: 16, Iterations: 1, Parallelism: 1}
	dearer  = hash.Params{MemoryKiB: 32, Iterations: 2, Parallelism: 2}
)

// Where clients come from.
var (
	here      = netip.MustParseAddr("192.0.2.7")
	elsewhere = netip.MustParseAddr("198.51.100.9")
)

const (
	loginA      = "a@acme.example"
	fingerprint = "sha256:00ff"
	realm       = "gate.example"
)

// salt is that of the world's store.
var salt = []byte("salt of this store")

// world is a store with customer acme on plan gold, whose accounts a and b have a
// password each, and a Verifier over it. a may prove itself by every mechanism.
type world struct {
	t      *testing.T
	store  *watched
	admin  *admin.Admin
	hasher *secrets.Hasher
	maker  *secrets.Maker
	sealer *seal.Sealer
	tokens tokens
	v      *Verifier

	mu      sync.Mutex // guards below
	now     time.Time
	derived []string // what was derived to verify passwords, by cost
	// during is called at each derivation.
	during func()
}

// watched is a store whose next look at a whole account may be preceded by a change.
type watched struct {
	*accountstore.Store
	// beforeSender is called before each Sender; nil for nothing.
	beforeSender func()
	// refuseRenewal is the answer to RenewSecret; nil for that of the store.
	refuseRenewal error
	// duringRenewal is called before each answer to it; nil for nothing.
	duringRenewal func()
}

func (s *watched) Sender(ctx context.Context, login string) (*account.Sender, error) {
	if s.beforeSender != nil {
		s.beforeSender()
	}
	return s.Store.Sender(ctx, login)
}

func (s *watched) RenewSecret(ctx context.Context, login string, id mail.ID, before string, after account.Secret, e audit.Event) error {
	if s.duringRenewal != nil {
		s.duringRenewal()
	}
	if s.refuseRenewal != nil {
		return s.refuseRenewal
	}
	return s.Store.RenewSecret(ctx, login, id, before, after, e)
}

// tokens are the good bearer tokens of a world, by their text.
type tokens map[string]oauth.Identity

var errBadToken = &fault.Error{Op: "oauth", Kind: fault.Unauthenticated}

func (t tokens) VerifyFor(_ context.Context, token, _ string, _ pool.Ticket) (oauth.Identity, error) {
	switch id, good := t[token]; {
	case good:
		return id, nil
	case token == "down":
		return oauth.Identity{}, &fault.Error{Op: "oauth", Kind: fault.Unavailable}
	}
	return oauth.Identity{}, errBadToken
}

func (tokens) Advise(string) oauth.Advice {
	return oauth.Advice{Scope: "mail", Configuration: "https://id.example"}
}

// SpeaksFor has an issuer for all domains but out.example.
func (tokens) SpeaksFor(domain string) bool { return domain != "out.example" }

// setup says what differs from the usual world.
type setup struct {
	params     hash.Params // zero: today
	workers    int
	queue      int // 0: 100, less: none
	iterations int // 0: the fewest
	former     []int
	salt       string // "": salt
	options    Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, setup{options: Options{Remember: time.Minute}})
}

func newWorldWith(t *testing.T, s setup) *world {
	t.Helper()
	w := &world{t: t, store: &watched{Store: accountstore.New()}, tokens: tokens{}, now: time.Unix(1_800_000_000, 0)}
	w.sealer = sealer()
	w.restart(s)
	ctx := t.Context()
	for _, err := range []error{
		w.admin.AddPlan(ctx, account.Plan{Name: "gold", MaxRecipients: 50}),
		w.admin.AddCustomer(ctx, "acme", "gold"),
		w.admin.AddDomain(ctx, "acme.example", "acme", []account.Key{{Selector: "s1", Algorithm: "rsa"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range people() {
		if err := w.store.PutAccount(ctx, a, audit.Event{Kind: audit.AdminAdded}); err != nil {
			t.Fatal(err)
		}
	}
	w.tokens["good"] = oauth.Identity{Issuer: "idp", Subject: "123", User: "somebody"}
	return w
}

// sealer is that of all worlds.
func sealer() *seal.Sealer {
	s, err := seal.New(bytes.Repeat([]byte("k"), 32), rand.Reader)
	if err != nil {
		panic(err)
	}
	return s
}

// people are the accounts of a new world, whose secrets are made once.
var people = sync.OnceValue(func() []account.Account {
	h, err := secrets.NewHasher(secrets.HasherOptions{Params: today, Queue: 1})
	if err != nil {
		panic(err)
	}
	m, err := secrets.NewMaker(secrets.MakerOptions{Hasher: h, Sealer: sealer(), Salt: salt, Iterations: sasl.MinIterations, Realm: realm})
	if err != nil {
		panic(err)
	}
	var list []account.Account
	for login, password := range map[string]string{loginA: goodPassword, "b@acme.example": passwordOfB} {
		secret, err := m.MakeSecret(context.Background(), login, password, account.Password, login == loginA)
		if err != nil {
			panic(err)
		}
		list = append(list, account.Account{
			ID: mail.ID("id of " + login), Address: at(login), State: account.Active, Legacy: login == loginA,
			Credentials: []account.Credential{{ID: mail.ID("password of " + login), Kind: account.Password, Name: "password", Secret: secret, Changed: time.Unix(1_700_000_000, 0)}},
		})
		if login == loginA {
			last := &list[len(list)-1]
			last.Credentials = append(last.Credentials,
				account.Credential{ID: "oauth", Kind: account.OAuth, Name: "oauth", Subject: "idp sub:123"},
				account.Credential{ID: "cert", Kind: account.Certificate, Name: "cert", Subject: fingerprint},
				account.Credential{ID: "net", Kind: account.Network, Name: "net", Subject: "192.0.2.0/24"})
		}
	}
	return list
})

// restart makes hasher, maker, admin and verifier anew over the same store.
func (w *world) restart(s setup) {
	w.t.Helper()
	if s.params == (hash.Params{}) {
		s.params = today
	}
	if s.queue == 0 {
		s.queue = 100
	}
	if s.iterations == 0 {
		s.iterations = sasl.MinIterations
	}
	var err error
	w.hasher, err = secrets.NewHasher(secrets.HasherOptions{
		Params: s.params, Workers: s.workers, Queue: s.queue,
		Matches: func(h hash.Hash, password string) bool {
			w.derive(h.Cost())
			return h.Matches(password)
		},
		Spend: func(c hash.Cost, _ string) { w.derive(c) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.maker = w.makerOf(s)
	w.admin = admin.New(admin.Options{Store: w.store, Secrets: w.maker, IDs: &mail.IDSource{}, Actor: "test", Now: w.clock})
	o := s.options
	o.Store, o.Hasher, o.Maker, o.Now = w.store, w.hasher, w.maker, w.clock
	if o.ByClaim == nil {
		o.ByClaim = map[string]bool{"idp": true}
	}
	if o.Tokens == nil {
		o.Tokens = w.tokens
	}
	w.v = New(o)
}

// beside has other directories asked.
func (w *world) beside(d Directories) {
	w.v.opt.Directories, w.v.outside = d, outside.New(d, w.v.fronts.Nobody)
}

// makerOf makes a maker.
func (w *world) makerOf(s setup) *secrets.Maker {
	w.t.Helper()
	opt := secrets.MakerOptions{
		Hasher: w.hasher, Sealer: w.sealer, Salt: salt, Iterations: max(s.iterations, sasl.MinIterations), FormerIterations: s.former, Realm: realm,
	}
	if s.salt != "" {
		opt.Salt = []byte(s.salt)
	}
	m, err := secrets.NewMaker(opt)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// pass moves the clock.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) derive(c hash.Cost) {
	w.mu.Lock()
	w.derived = append(w.derived, c.String())
	during := w.during
	w.mu.Unlock()
	if during != nil {
		during()
	}
}

// work returns what was derived since it was asked last, sorted.
func (w *world) work() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.derived
	w.derived = nil
	slices.Sort(list)
	return list
}

// costs are the texts of costs, sorted.
func costs(list ...hash.Params) []string {
	var texts []string
	for _, p := range list {
		texts = append(texts, hash.CostOf(p).String())
	}
	slices.Sort(texts)
	return texts
}

// give changes an account as an administrator would.
func (w *world) give(login string, change func(a *account.Account)) {
	w.t.Helper()
	a, err := w.store.Account(context.Background(), login)
	if err != nil {
		w.t.Fatal(err)
	}
	change(&a)
	if err := w.store.PutAccount(context.Background(), a, audit.Event{Kind: audit.AdminChanged}); err != nil {
		w.t.Fatal(err)
	}
}

// envelope changes the envelopes of all credentials of a.
func (w *world) envelope(change func(e *account.Envelope)) {
	w.t.Helper()
	w.give(loginA, func(a *account.Account) {
		for i := range a.Credentials {
			change(&a.Credentials[i].Envelope)
		}
	})
}

func (w *world) setPassword(login, password string) {
	w.t.Helper()
	if err := w.admin.SetPassword(context.Background(), at(login), password, false); err != nil {
		w.t.Fatal(err)
	}
}

// addApp gives an account an app password.
func (w *world) addApp(login string, id mail.ID, password string) {
	w.t.Helper()
	secret, err := w.maker.MakeSecret(context.Background(), login, password, account.AppPassword, true)
	if err != nil {
		w.t.Fatal(err)
	}
	w.give(login, func(a *account.Account) {
		a.Credentials = append(a.Credentials, account.Credential{ID: id, Kind: account.AppPassword, Name: string(id), Secret: secret, Changed: w.clock()})
	})
}

// store a hash of a password of other days, without any key.
func (w *world) hashed(login string, h hash.Hash) {
	w.t.Helper()
	w.store.Alter(login, func(a *account.Account) {
		a.Password().Secret = account.Secret{Hash: h.Text(), Cost: h.Cost().String()}
	})
}

// hashOf makes an argon2id hash.
func hashOf(t *testing.T, p hash.Params, password string) hash.Hash {
	t.Helper()
	h, err := hash.New(p, password, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// secret returns what is stored of the password of an account.
func (w *world) secret(login string) account.Secret {
	w.t.Helper()
	a, err := w.store.Account(context.Background(), login)
	if err != nil {
		w.t.Fatal(err)
	}
	return a.Password().Secret
}

// password asks for a clear password from here.
func (w *world) password(login, password string) error {
	_, err := w.v.Password(context.Background(), Attempt{Client: here, Mechanism: "PLAIN"}, "", login, password)
	return err
}

// question is one way to ask who somebody is: login and secret are of a password, a
// token, or a certificate.
type question struct {
	mechanism string
	ask       func(w *world, client netip.Addr, login, secret string) (*account.Principal, error)
	// right is the secret of a.
	right string
	// keys says that it knows the password by a key alone.
	keys bool
	// store is how often a failure looks at one account's proofs, at least and at most.
	least, most int
}

// questions are one for each mechanism that is different here.
func questions() []question {
	list := []question{
		{mechanism: "PLAIN", right: goodPassword, ask: askPassword, least: 1, most: 1},
		{mechanism: "OAUTHBEARER", right: "good", ask: askToken, least: 0, most: 1},
		{mechanism: "EXTERNAL", right: fingerprint, ask: askCertificate, least: 0, most: 1},
	}
	for _, m := range []string{sasl.ScramSHA1, sasl.ScramSHA256, secrets.CramMD5, secrets.DigestMD5} {
		list = append(list, question{mechanism: m, right: goodPassword, ask: askKeys(m), keys: true, least: 1, most: 1})
	}
	return list
}

func askPassword(w *world, client netip.Addr, login, secret string) (*account.Principal, error) {
	return w.v.Password(context.Background(), Attempt{Client: client, Mechanism: "PLAIN", Session: "S1"}, "", login, secret)
}

func askToken(w *world, client netip.Addr, login, secret string) (*account.Principal, error) {
	return w.v.Token(context.Background(), Attempt{Client: client, Mechanism: "OAUTHBEARER"}, login, secret)
}

func askCertificate(w *world, client netip.Addr, _, secret string) (*account.Principal, error) {
	return w.v.Certificate(context.Background(), Attempt{Client: client, Mechanism: "EXTERNAL"}, "", []string{secret})
}

// askKeys proves a password as an exchange does, by comparing keys.
func askKeys(mechanism string) func(w *world, client netip.Addr, login, secret string) (*account.Principal, error) {
	return func(w *world, client netip.Addr, login, secret string) (*account.Principal, error) {
		k, err := w.v.Keys(context.Background(), mechanism, login)
		if err != nil {
			return nil, err
		}
		return w.v.Proved(context.Background(), Attempt{Client: client, Mechanism: mechanism}, "", k, whichOf(w, k, login, secret))
	}
}

// whichOf returns the key that is the password's, -1 for none.
func whichOf(w *world, k *sasl.Keys, login, password string) int {
	var key sasl.Key
	switch k.Mechanism {
	case secrets.CramMD5:
		key = sasl.CramKey(password)
	case secrets.DigestMD5:
		key = sasl.DigestKey(login, w.maker.Realm(), password)
	default:
		key = w.scramKey(k, password)
	}
	return slices.IndexFunc(k.List, func(o sasl.Key) bool {
		return bytes.Equal(o.Stored, key.Stored) && bytes.Equal(o.Server, key.Server)
	})
}

// scramKey is sasl.ScramKey, which takes its time, remembered for all worlds: they have
// one salt.
func (w *world) scramKey(k *sasl.Keys, password string) sasl.Key {
	name := fmt.Sprintf("%s %x %d %s", k.Mechanism, k.Salt, k.Iterations, password)
	if have, ok := scramKeys.Load(name); ok {
		return have.(sasl.Key)
	}
	key := sasl.ScramKey(k.Mechanism, password, k.Salt, k.Iterations)
	scramKeys.Store(name, key)
	return key
}

// scramKeys are those that scramKey has made.
var scramKeys sync.Map

// wantRefused fails unless err is the one refusal.
func wantRefused(t *testing.T, p *account.Principal, err error) {
	t.Helper()
	var told *sasl.TokenError
	if errors.As(err, &told) {
		if told.Status != "invalid_token" || told.Scope != "mail" || told.Configuration != "https://id.example" {
			t.Errorf("the client is told %+v", told)
		}
		err = told.Err
	}
	refusal, ok := err.(*fault.Error)
	if p != nil || !ok || refusal.Kind != fault.Unauthenticated || refusal.Reason != "auth-failed" || refusal.Detail != "" || refusal.Op != "login.verify" {
		t.Errorf("%v, %v (%T): not the one refusal", p, err, err)
	}
	if err != nil && (strings.Contains(err.Error(), goodPassword) || strings.Contains(err.Error(), "$")) {
		t.Errorf("a secret in %v", err)
	}
}

// at makes an address.
func at(s string) mail.Address {
	a, err := mail.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}
