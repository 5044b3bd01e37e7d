package login

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"sync"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/login/alike"
	"countersign/internal/login/outside"
	"countersign/internal/login/recent"
	"countersign/internal/login/secrets"
	"countersign/internal/login/shape"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/policy/sender"
)

// Options are what a Verifier is made of. Store, Hasher and Maker are needed.
type Options struct {
	Store account.CredentialStore
	// Senders are accounts in memory; nil where each is read from Store.
	Senders Senders
	Hasher  *secrets.Hasher
	Maker   *secrets.Maker
	// Tokens verifies bearer tokens; nil where none are taken.
	Tokens Tokens
	// ByClaim names the issuers whose tokens open the account whose login their claim says,
	// without a credential.
	ByClaim map[string]bool
	// Directories are asked for accounts that the store does not know; nil where there
	// are none.
	Directories Directories
	// Shapes keep what challenges of directories look like, and what their hashes cost, for all
	// gates; nil for this one alone.
	Shapes shape.Store
	// Banned reports whether a login, in the form of accounts, is refused from where a
	// client is; nil where none is. It must be quick.
	Banned func(client netip.Addr, login string) bool
	// Known reports whether a login has come in by its password from where a client is lately, at
	// whatever gate; nil where this one alone knows. It must be quick.
	Known func(client netip.Addr, login string) bool
	// Denied returns by which rule somebody who has proved to be somebody may not come from
	// where they do, "" for none; nil where all may. It must be quick.
	Denied func(a *Attempt, p *account.Principal) (rule string)
	// NotRenewed is told why the secret of a login could not be stored anew, at most once a
	// minute; nil where nobody is. The login has succeeded, and the next one tries again.
	NotRenewed func(login string, err error)
	// Hashes are what is said of those of directories.
	Hashes alike.Hashes
	// Remember is how long a verified password of the store is remembered, counted from
	// its full verification; 0 for not at all.
	Remember time.Duration
	// MaxRemembered bounds the passwords remembered, and ten times that the clients
	// known, and those that have failed; 0 means 10,000.
	MaxRemembered int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Senders keep in memory what account.Directory.Sender says.
type Senders interface {
	// Seen tells that the store was found at that account generation: nothing older is answered
	// from now on.
	Seen(generation uint64)
	// Sender is that of account.Directory, of at most a second ago.
	Sender(ctx context.Context, login string) (*account.Sender, error)
}

// Verifier says whether somebody has proved who they are. It asks the store at every
// call what they can prove it with, so that a change is felt at once. It is safe for concurrent use.
type Verifier struct {
	opt      Options
	remember *recent.Passwords
	// clients are who came from where.
	clients *recent.Clients
	// stood are accounts that their directories have said to stand.
	stood *recent.Pairs
	uses  *recent.Uses
	// unrenewed is for Options.NotRenewed.
	unrenewed *recent.Seldom
	// outside asks the directories.
	outside *outside.Asker
	// fronts and kinds are what is known of the directories, so that names that they do not
	// have are like those that they have.
	fronts *alike.Fronts
	kinds  *alike.Kinds
	// places are those of exchanges where a directory runs some.
	places *alike.Places
	// dry says that a login is only explained: nobody is there who could compare.
	dry bool
}

// New returns a Verifier.
func New(opt Options) *Verifier {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.MaxRemembered <= 0 {
		opt.MaxRemembered = 10_000
	}
	if opt.Shapes == nil {
		opt.Shapes = &shape.Memory{}
	}
	fronts := alike.NewFronts(opt.Maker.Lasting, opt.Shapes, opt.Now)
	return &Verifier{
		opt:       opt,
		remember:  recent.NewPasswords(opt.Remember, opt.MaxRemembered, opt.Now, rand.Reader),
		clients:   recent.NewClients(10*opt.MaxRemembered, opt.Now),
		stood:     recent.NewPairs(recent.PairsOptions{Keep: keepStood, Most: 10 * opt.MaxRemembered, Now: opt.Now}),
		uses:      recent.NewUses(opt.Store),
		unrenewed: recent.NewSeldom(time.Minute, opt.Now),
		outside:   outside.New(opt.Directories, fronts.Nobody),
		fronts:    fronts,
		kinds:     alike.NewKinds(mostKinds*opt.Hasher.Cost().Estimate(), fronts, opt.Hashes),
		places:    alike.NewPlaces(),
	}
}

// mostKinds is how many times the cost of the day those of a directory's hashes may come to:
// enough for what is widely recommended, bcrypt 12 or PBKDF2-SHA256 with 600,000 iterations,
// beside the argon2id that a gate has by default.
const mostKinds = 10

// maxPrepared is how many of the latest uses Prepare reads.
const maxPrepared = 20_000

// Prepare looks up which kinds of hashes are stored, so that the first failures cost
// as much as all later ones, and who came from where lately. It is called once, before
// the first client comes; without it the Verifier learns as clients come. Errors are
// those of the store.
func (v *Verifier) Prepare(ctx context.Context) error {
	costs, err := v.opt.Store.Costs(ctx)
	if err != nil {
		return err
	}
	for _, text := range costs {
		// What cannot be read is a damaged hash, which nothing is derived for.
		if c, err := hash.ParseCost(text); err == nil && c != (hash.Cost{}) {
			v.opt.Hasher.Learn(c)
		}
	}
	used, err := v.opt.Store.Uses(ctx, "", maxPrepared)
	for _, u := range slices.Backward(used) { // the latest are to be forgotten last
		v.clients.Used(string(u.Credential), u.Client, u.At)
	}
	return err
}

// knows reports whether a credential of a login, nil for none, was used lately from where an attempt
// comes from, before a restart or after it.
func (v *Verifier) knows(a *Attempt, login string, c *account.Credential) bool {
	return c != nil && (v.clients.Know(string(c.ID), a.Client) ||
		c.Kind == account.Password && v.opt.Known != nil && v.opt.Known(a.Client, login))
}

// Run writes down now and then when credentials were used, and what directories have
// shown, until ctx ends, and then once more. Without it nobody learns of it.
func (v *Verifier) Run(ctx context.Context) {
	var writing sync.WaitGroup
	writing.Go(func() { v.fronts.Run(ctx) })
	v.uses.Run(ctx)
	writing.Wait()
}

// look is what the store says of a login.
type look struct {
	// login is the account's key; "" for what is none.
	login  string
	proofs account.Proofs
	// cause says why nothing can be proved; nil where something can.
	cause error
}

// look asks the store. What is no address is asked for too, as "", so that it takes as
// long. Errors are those of trouble alone.
func (v *Verifier) look(ctx context.Context, given string) (look, error) {
	var l look
	l.login, _ = mail.KeyOf(given) // never "": every one has an "@"
	var err error
	l.proofs, err = v.opt.Store.Proofs(ctx, l.login)
	if fault.Is(err, fault.NotFound) {
		l.cause = why.ErrUnknown
		return l, nil
	}
	return l, why.Unavailable(ctx, err)
}

// heed makes a ban the reason why nothing can be proved, whatever else is: so it costs as
// much as any failure, and no directory is told a password.
func (l *look) heed(v *Verifier, a *Attempt) {
	if v.banned(a, l.login) {
		l.cause = why.ErrBanned
	}
}

// banned reports whether a login is banned where an attempt comes from.
func (v *Verifier) banned(a *Attempt, login string) bool {
	key, ok := mail.KeyOf(login)
	return a.Shut || ok && v.opt.Banned != nil && v.opt.Banned(a.Client, key)
}

// usable returns why a credential may not be used now; nil where it may.
func (v *Verifier) usable(a *Attempt, p *account.Proofs, c *account.Credential) error {
	if !p.Active {
		return why.ErrSuspended
	}
	return v.within(a, &c.Envelope)
}

// within returns why an attempt is outside an envelope; nil where it is within.
func (v *Verifier) within(a *Attempt, e *account.Envelope) error {
	switch {
	case e.Over(v.opt.Now()):
		return why.ErrExpired
	case !e.AdmitsMechanism(a.Mechanism):
		return why.ErrMechanism
	case !e.AdmitsClient(a.Client):
		return why.ErrNetwork
	}
	return nil
}

// admit reads all that decides what an account may do, now that it has proved itself
// with c, unless that has become worthless meanwhile, and whether it may act as authzid,
// which is "" for nobody else.
func (v *Verifier) admit(ctx context.Context, a *Attempt, l *look, authzid string, c *account.Credential) (*account.Principal, error) {
	until, err := v.stands(ctx, a, l, c)
	if err != nil {
		return nil, err
	}
	sender, err := v.sender(ctx, l)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, why.Failure(why.ErrUnknown)
	case err != nil:
		return nil, why.Unavailable(ctx, err)
	case !sender.Active():
		return nil, why.Failure(why.ErrSuspended)
	}
	bare := *c
	bare.Secret = account.Secret{}
	p := &account.Principal{Sender: sender, Credential: bare, Mechanism: a.Mechanism, Until: until}
	now := p.Now(sender)
	if now == nil || sender.Account.ID != l.proofs.Account {
		return nil, why.Failure(why.ErrWrong)
	}
	p.Credential = *now // its envelope may be another one by now
	if cause := v.within(a, &p.Credential.Envelope); cause != nil {
		return nil, why.Failure(cause)
	}
	if v.opt.Denied != nil {
		if rule := v.opt.Denied(a, p); rule != "" {
			return nil, why.Failure(&why.Denial{Rule: rule})
		}
	}
	at := v.opt.Now()
	if !mayActAs(sender, authzid, at) {
		return nil, why.Failure(why.ErrAuthzid)
	}
	if c.ID != "" { // a login by a claim has none
		v.clients.Used(string(c.ID), a.Client, at)
	}
	v.uses.Note(account.Use{
		Credential: c.ID, At: at.UTC().Truncate(time.Microsecond), Client: a.Client, Session: a.Session,
		Mechanism: a.Mechanism, Program: a.Program,
	})
	return p, nil
}

// sender returns who sends, as old as the look that has found what they prove it with at most.
func (v *Verifier) sender(ctx context.Context, l *look) (*account.Sender, error) {
	if v.opt.Senders == nil {
		return v.opt.Store.Sender(ctx, l.login)
	}
	v.opt.Senders.Seen(l.proofs.Generation)
	return v.opt.Senders.Sender(ctx, l.login)
}

// mayActAs reports whether an account may name that authorization identity: itself, or
// an address that it may send as (RFC 4422 section 3.4.1 leaves it to the server).
func mayActAs(s *account.Sender, authzid string, now time.Time) bool {
	if authzid == "" {
		return true
	}
	address, err := mail.ParseAddress(authzid)
	if err != nil || address.Key() == s.Account.Login() {
		return err == nil
	}
	rule, _ := sender.Of(s, address, now)
	return rule.Theirs() && rule != sender.SendOnBehalf
}

// renewed makes the event of a secret that was stored anew.
func (v *Verifier) renewed(a *Attempt, login, text string) audit.Event {
	e := audit.Event{
		At: v.opt.Now().UTC().Truncate(time.Microsecond), Kind: audit.AdminChanged, Actor: "gate",
		Object: "account " + login, Login: login, Session: a.Session, Text: text,
	}
	if a.Client.IsValid() {
		e.Client = a.Client.Unmap().String()
	}
	return e
}
