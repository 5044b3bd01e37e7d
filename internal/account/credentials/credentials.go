// Package credentials gives accounts credentials beside their password, takes them
// away, and bounds what each may be used for.
//
// Passwords themselves are set by admin.Admin; nothing is verified here (package
// login does).
//
// Main types: Admin, New, EnvelopeChange, Listed.
package credentials

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/generated"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Most is how many credentials an account may have, its password included.
const Most = 50

// Options are what an Admin is made of. All fields are needed, but Now and Random.
type Options struct {
	Store   account.Store
	Secrets account.SecretMaker
	IDs     *mail.IDSource
	// Mechanisms are the names that envelopes may have, in upper case.
	Mechanisms []string
	// Proves reports whether a mechanism, one of these, proves credentials of a kind; nil
	// where each proves all.
	Proves func(kind account.CredentialKind, mechanism string) bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Random is what app passwords are made of; nil means crypto/rand.Reader.
	Random io.Reader
	// Actor is who does it, as the record shall name them: "cli:root".
	Actor string
}

// Admin changes credentials. Each method checks its input, makes one change in one
// transaction, and writes one event with it, in which no secret is. It is safe for
// concurrent use, also beside other processes: where the account changed between
// reading and writing, the answer is fault.Conflict and nothing has happened.
//
// Other errors: fault.NotFound for an account or a credential that there is not,
// fault.Invalid with a sentence that says what is wrong with the input, and those of
// account.Store and account.SecretMaker.
type Admin struct{ opt Options }

// NewAdmin returns an Admin.
func NewAdmin(opt Options) *Admin {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Random == nil {
		opt.Random = rand.Reader
	}
	return &Admin{opt: opt}
}

// New is what a credential is made from.
type New struct {
	// Kind is any but account.Password.
	Kind account.CredentialKind
	// Name tells it from the account's others.
	Name string
	// Subject is as in account.Credential, and not of an AppPassword. A network
	// need not be in its canonical form.
	Subject string
	// Envelope bounds it.
	Envelope account.Envelope
	// Wide allows a network that has every address of its family.
	Wide bool
}

// Add gives an account another credential. For an app password it returns the one
// that was made, which nobody can find out later.
func (a *Admin) Add(ctx context.Context, address mail.Address, n New) (password string, err error) {
	acc, err := a.account(ctx, address)
	if err != nil {
		return "", err
	}
	c := account.Credential{Kind: n.Kind, Name: n.Name, Created: a.now(), Changed: a.now()}
	if err := a.checkNew(ctx, &acc, &n); err != nil {
		return "", err
	}
	c.Subject = n.Subject
	said, err := a.apply(&acc, &c, envelopeOf(&n.Envelope, n.Wide))
	if err != nil {
		return "", err
	}
	if n.Kind.Secret() {
		if password, c.Secret, err = a.generate(ctx, &acc); err != nil {
			return "", err
		}
	}
	c.ID = a.opt.IDs.New()
	acc.Credentials = append(slices.Clone(acc.Credentials), c)
	what := string(c.Kind)
	if c.Subject != "" {
		what += " " + c.Subject
	}
	text := "credential " + c.Name + " added: " + strings.Join(append([]string{what}, said...), ", ")
	if err := a.put(ctx, &acc, text); err != nil {
		return "", err
	}
	return password, nil
}

// generate makes an app password for an account and what is stored of it.
func (a *Admin) generate(ctx context.Context, acc *account.Account) (password string, secret account.Secret, err error) {
	proofs, err := a.opt.Store.Proofs(ctx, acc.Login())
	if err != nil {
		return "", secret, named(err, objectOf(acc))
	}
	password, err = generated.Password(a.opt.Random)
	if err != nil {
		return "", secret, err
	}
	prepared, err := account.PreparePassword(password)
	if err != nil {
		return "", secret, err
	}
	secret, err = a.opt.Secrets.MakeSecret(ctx, acc.Login(), prepared, account.AppPassword, proofs.Legacy)
	return password, secret, err
}

// Revoke takes a credential from an account, also its password, but not one that a
// directory knows (fault.Conflict), as nothing could give it back. What uses it at the
// moment ends, and what was sent under it and still waits is held. With a certificate of an
// account that a directory knows, its password's envelope loses EXTERNAL: else the same
// certificate could open the account by the name in it, with that envelope.
func (a *Admin) Revoke(ctx context.Context, address mail.Address, name string) error {
	acc, i, err := a.find(ctx, address, name)
	if err != nil {
		return err
	}
	kind := acc.Credentials[i].Kind
	if kind == account.Password && acc.Directory != "" {
		return fault.New("credentials.revoke", fault.Conflict,
			"the password of account %[1]s is in directory %[2]q, and revoked here it could not be given back: change it there, stop the account with \"countersign account suspend %[1]s\", or bound what the password may do with \"countersign credential set %[1]s %[3]s\"",
			acc.Address, acc.Directory, name)
	}
	acc.Credentials = slices.Delete(slices.Clone(acc.Credentials), i, i+1)
	text := "credential " + name + " revoked: " + string(kind)
	if kind == account.Certificate && acc.Directory != "" {
		text += a.closeToNames(&acc)
	}
	return a.put(ctx, &acc, text)
}

// closeToNames takes from the password of an account the mechanisms that prove a certificate,
// which has the password's envelope where it opens the account by name, and says so for the
// record; "" where that is so already. What waits is not recalled: it came with others, or is
// held with the credential.
func (a *Admin) closeToNames(acc *account.Account) string {
	i := slices.IndexFunc(acc.Credentials, func(c account.Credential) bool { return c.Kind == account.Password })
	if i < 0 {
		return ""
	}
	e := &acc.Credentials[i].Envelope
	before := e.Mechanisms
	if len(before) == 0 {
		before = a.opt.Mechanisms
	}
	byCertificate := a.proving(account.Certificate)
	left := slices.DeleteFunc(slices.Clone(before), func(m string) bool { return slices.Contains(byCertificate, m) })
	switch {
	case len(left) == 0: // none would be all
		left = a.proving(account.Password)
	case len(left) == len(before):
		return ""
	}
	e.Mechanisms = left
	return "; certificates open the account by name no more, until credential " + acc.Credentials[i].Name + " is given every mechanism again"
}

// SetEnvelope changes what a credential may be used for. Open sessions feel it at
// their next command. What was sent with it, still waits, and would not be allowed any
// more is held, unless the change keeps it: where other senders are allowed, what was
// sent under any that is not, and all where networks or mechanisms are taken away.
func (a *Admin) SetEnvelope(ctx context.Context, address mail.Address, name string, change EnvelopeChange) error {
	acc, i, err := a.find(ctx, address, name)
	if err != nil {
		return err
	}
	acc.Credentials = slices.Clone(acc.Credentials)
	before := acc.Credentials[i].Envelope
	said, err := a.apply(&acc, &acc.Credentials[i], change)
	if err != nil {
		return err
	}
	if len(said) == 0 {
		return fault.New("credentials.set", fault.Invalid, "credential %s of account %s: nothing to change was given", name, acc.Address)
	}
	if what := recall(&acc.Credentials[i], &before, acc.Revision+1, change.KeepMail); what != "" {
		said = append(said, what)
	}
	return a.put(ctx, &acc, "credential "+name+": "+strings.Join(said, ", "))
}

// recall recalls what a credential's envelope forbids that the one before did not, and
// says so; "" where there is no such thing. The account gets that revision.
func recall(c *account.Credential, before *account.Envelope, revision int64, keep bool) string {
	all, senders := before.Forbids(&c.Envelope)
	switch {
	case !all && !senders:
		return ""
	case keep:
		return "mail that waits goes on"
	case all:
		c.RecallAll(revision)
		return "mail that waits held"
	}
	c.RecallBut(revision, c.Envelope.Senders)
	return "mail that waits held, but under these senders"
}

// Listed is a credential as an administrator sees it.
type Listed struct {
	// Credential comes without its secret.
	account.Credential
	// Keys are the mechanisms beside those that show the password for which it can
	// be used.
	Keys []string
	// Used is the last use that is known, nil for none.
	Used *account.Use
}

// List returns the credentials of an account by name, its password included.
func (a *Admin) List(ctx context.Context, address mail.Address) ([]Listed, error) {
	acc, err := a.account(ctx, address)
	if err != nil {
		return nil, err
	}
	uses, err := a.opt.Store.Uses(ctx, acc.Login(), Most)
	if err != nil {
		return nil, err
	}
	var list []Listed
	for _, c := range acc.Credentials {
		l := Listed{Credential: c}
		for _, key := range c.Secret.Keys {
			l.Keys = append(l.Keys, key.Mechanism)
		}
		l.Secret = account.Secret{}
		if i := slices.IndexFunc(uses, func(u account.Use) bool { return u.Credential == c.ID }); i >= 0 {
			l.Used = &uses[i]
		}
		list = append(list, l)
	}
	slices.SortFunc(list, func(x, y Listed) int { return cmp.Compare(x.Name, y.Name) })
	return list, nil
}

// now is the time to the microsecond in UTC, as events and objects keep it.
func (a *Admin) now() time.Time { return a.opt.Now().UTC().Truncate(time.Microsecond) }

// account reads an account.
func (a *Admin) account(ctx context.Context, address mail.Address) (account.Account, error) {
	acc, err := a.opt.Store.Account(ctx, address.Key())
	return acc, named(err, "account "+address.String())
}

// find reads an account and finds its credential of that name.
func (a *Admin) find(ctx context.Context, address mail.Address, name string) (account.Account, int, error) {
	acc, err := a.account(ctx, address)
	if err != nil {
		return acc, 0, err
	}
	i := indexOf(&acc, name)
	if i < 0 {
		return acc, 0, fault.New("credentials", fault.NotFound, "account %s has no credential %q; it has %s", acc.Address, name, namesOf(&acc))
	}
	return acc, i, nil
}

func indexOf(acc *account.Account, name string) int {
	return slices.IndexFunc(acc.Credentials, func(c account.Credential) bool { return c.Name == name })
}

func namesOf(acc *account.Account) string {
	if len(acc.Credentials) == 0 {
		return "none"
	}
	names := make([]string, len(acc.Credentials))
	for i, c := range acc.Credentials {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// put stores an account with the event of the change.
func (a *Admin) put(ctx context.Context, acc *account.Account, text string) error {
	e := audit.Event{
		At: a.now(), Kind: audit.AdminChanged, Actor: a.opt.Actor, Object: objectOf(acc),
		Login: acc.Login(), Text: text,
	}
	return named(a.opt.Store.PutAccount(ctx, *acc, e), objectOf(acc))
}

// objectOf names an account in events and refusals.
func objectOf(acc *account.Account) string { return "account " + acc.Address.String() }

// named gives errors of the store the name of the object, where they have no
// sentence of their own.
func named(err error, object string) error {
	var e *fault.Error
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.New("credentials", fault.NotFound, "%s does not exist", object)
	case fault.Is(err, fault.Conflict) && errors.As(err, &e) && e.Detail == "":
		return &fault.Error{Op: "credentials", Kind: fault.Conflict, Err: e.Err,
			Detail: object + " was changed by somebody else meanwhile; look at it and try again"}
	}
	return err
}
