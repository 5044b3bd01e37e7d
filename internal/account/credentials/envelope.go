package credentials

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/subject"
	"countersign/internal/fault"
)

const op = "credentials.set"

// maxList is how many networks, or senders, an envelope may name.
const maxList = 100

// EnvelopeChange says what to change of an envelope; nil fields stay as they are. An
// empty list, 0 and the zero time lift the bound.
type EnvelopeChange struct {
	Networks        *[]netip.Prefix
	Senders         *[]account.Grant
	Mechanisms      *[]string
	MaxRecipients   *int
	MaxMessageBytes *int64
	MaxMessages     *int
	Expires         *time.Time
	// Wide allows networks that have every address of their family.
	Wide bool
	// KeepMail lets mail go on that waits and that the changed envelope would not allow.
	KeepMail bool
}

// envelopeOf is the change that makes an envelope of an open one.
func envelopeOf(e *account.Envelope, wide bool) EnvelopeChange {
	c := EnvelopeChange{Wide: wide}
	if len(e.Networks) > 0 {
		c.Networks = &e.Networks
	}
	if len(e.Senders) > 0 {
		c.Senders = &e.Senders
	}
	if len(e.Mechanisms) > 0 {
		c.Mechanisms = &e.Mechanisms
	}
	if e.MaxRecipients != 0 {
		c.MaxRecipients = &e.MaxRecipients
	}
	if e.MaxMessageBytes != 0 {
		c.MaxMessageBytes = &e.MaxMessageBytes
	}
	if e.MaxMessages != 0 {
		c.MaxMessages = &e.MaxMessages
	}
	if !e.Expires.IsZero() {
		c.Expires = &e.Expires
	}
	return c
}

// checkNew checks what a credential is made from, and brings its subject into its
// one form.
func (a *Admin) checkNew(ctx context.Context, acc *account.Account, n *New) (err error) {
	switch {
	case n.Kind == account.Password:
		return fault.New(op, fault.Invalid, "account %s: the password is set with \"countersign account passwd\"", acc.Address)
	case !slices.Contains(account.CredentialKinds(), n.Kind):
		return fault.New(op, fault.Invalid, "account %s: %q is not a kind of credential; there are app-password, oauth, certificate and network", acc.Address, n.Kind)
	case n.Name == account.PasswordName:
		return fault.New(op, fault.Invalid, "account %s: %q names the password; choose another name", acc.Address, n.Name)
	case indexOf(acc, n.Name) >= 0:
		return fault.New(op, fault.Conflict, "account %s has a credential %s already; choose another name, or revoke that one first", acc.Address, n.Name)
	case len(acc.Credentials) >= Most:
		return fault.New(op, fault.Conflict, "account %s has %d credentials, which is the most; revoke one first", acc.Address, len(acc.Credentials))
	}
	if err := account.CheckName("credential", n.Name); err != nil {
		return err
	}
	if n.Subject, err = canonical(n); err != nil {
		return fault.New(op, fault.Invalid, "credential %s of account %s: %s", n.Name, acc.Address, detail(err))
	}
	if n.Subject == "" {
		return nil
	}
	holders, err := a.opt.Store.Holders(ctx, n.Kind, []string{n.Subject})
	if err == nil && len(holders) > 0 {
		err = fault.New(op, fault.Conflict, "%s %s is a credential of account %s already; revoke it there before account %s can have it", n.Kind, n.Subject, holders[0].Login, acc.Address)
	}
	return err
}

// canonical returns the subject in its one form, "" for a kind without.
func canonical(n *New) (string, error) {
	switch n.Kind {
	case account.OAuth:
		return subject.OAuth(n.Subject)
	case account.Certificate:
		return subject.Certificate(n.Subject)
	case account.Network:
		p, err := netip.ParsePrefix(n.Subject)
		if err != nil {
			return "", fault.New(op, fault.Invalid, "%q is no network; write it as 192.0.2.0/24 or 2001:db8::/32", n.Subject)
		}
		p, err = subject.Network(p, n.Wide)
		return p.String(), err
	}
	if n.Subject != "" {
		return "", fault.New(op, fault.Invalid, "an app password has no subject: it is made by the server")
	}
	return "", nil
}

// detail is the sentence of an error that package subject makes.
func detail(err error) string {
	if e, ok := err.(*fault.Error); ok {
		return e.Detail
	}
	return err.Error()
}

// apply changes the envelope of a credential of an account, and says what it
// changed. After an error nothing is to be stored.
func (a *Admin) apply(acc *account.Account, c *account.Credential, change EnvelopeChange) (said []string, err error) {
	wrong := func(format string, args ...any) error {
		return fault.New(op, fault.Invalid, "credential %s of account %s: %s", c.Name, acc.Address, fmt.Sprintf(format, args...))
	}
	e := &c.Envelope
	if change.Networks != nil {
		if e.Networks, err = networks(*change.Networks, change.Wide); err != nil {
			return nil, wrong("%s", detail(err))
		}
		if unreachable(c) {
			return nil, wrong("no client is in network %s and in %s too; name networks within it, or none", c.Subject, listed(e.Networks))
		}
		said = append(said, "networks "+listed(e.Networks))
	}
	if change.Senders != nil {
		if e.Senders, err = senders(acc, *change.Senders); err != nil {
			return nil, wrong("%s", detail(err))
		}
		said = append(said, "senders "+listed(e.Senders))
	}
	if change.Mechanisms != nil {
		if e.Mechanisms, err = a.mechanisms(c.Kind, *change.Mechanisms); err != nil {
			return nil, wrong("%s", detail(err))
		}
		said = append(said, "mechanisms "+listed(e.Mechanisms))
	}
	said = append(said, change.caps(e)...)
	if e.MaxRecipients < 0 || e.MaxMessageBytes < 0 || e.MaxMessages < 0 {
		return nil, wrong("a limit cannot be negative; 0 leaves it to the plan")
	}
	if change.Expires != nil {
		e.Expires = change.Expires.UTC().Truncate(time.Microsecond)
		if e.Expires.IsZero() {
			return append(said, "expires never"), nil
		}
		if !e.Expires.After(a.now()) {
			return nil, wrong("%s has passed; give a time to come, or revoke the credential", e.Expires.Format(time.RFC3339))
		}
		said = append(said, "expires "+e.Expires.Format(time.RFC3339))
	}
	return said, nil
}

// caps changes the numbers of an envelope, and says what it changed.
func (c *EnvelopeChange) caps(e *account.Envelope) (said []string) {
	if c.MaxRecipients != nil {
		e.MaxRecipients = *c.MaxRecipients
		said = append(said, fmt.Sprint("max recipients ", e.MaxRecipients))
	}
	if c.MaxMessageBytes != nil {
		e.MaxMessageBytes = *c.MaxMessageBytes
		said = append(said, fmt.Sprint("max message bytes ", e.MaxMessageBytes))
	}
	if c.MaxMessages != nil {
		e.MaxMessages = *c.MaxMessages
		said = append(said, fmt.Sprint("max messages ", e.MaxMessages))
	}
	return said
}

// networks brings networks into their one form, each once.
func networks(given []netip.Prefix, wide bool) (list []netip.Prefix, err error) {
	for _, p := range given {
		if p, err = subject.Network(p, wide); err != nil {
			return nil, err
		}
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list, checkLength("networks", len(list))
}

// senders checks that an account may use all of them, and returns each once.
func senders(acc *account.Account, given []account.Grant) (list []account.Grant, err error) {
	for _, g := range given {
		if g == (account.Grant{}) || !g.Address.IsNull() && g.Domain != "" {
			return nil, fault.New(op, fault.Invalid, "a sender is one address, or @example.org for a whole domain")
		}
		if !acc.MayUse(g) {
			return nil, fault.New(op, fault.Invalid, "the account may not use %s itself; give it an alias or a grant first", g)
		}
		same := func(have account.Grant) bool { return have.Address.Key() == g.Address.Key() && have.Domain == g.Domain }
		if !slices.ContainsFunc(list, same) {
			list = append(list, g)
		}
	}
	return list, checkLength("senders", len(list))
}

// mechanisms checks that all of them are known, and returns each once.
func (a *Admin) mechanisms(kind account.CredentialKind, given []string) (list []string, err error) {
	if kind == account.Network && len(given) > 0 {
		return nil, fault.New(op, fault.Invalid, "who comes from a network of an account logs in by no mechanism; name none")
	}
	for _, m := range given {
		m = strings.ToUpper(m)
		if !slices.Contains(a.opt.Mechanisms, m) {
			return nil, fault.New(op, fault.Invalid, "%q is not a mechanism of this server, which knows %s", m, listed(a.opt.Mechanisms))
		}
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	if proves := a.proving(kind); len(list) > 0 && !slices.ContainsFunc(list, func(m string) bool { return slices.Contains(proves, m) }) {
		return nil, fault.New(op, fault.Invalid, "%s proves no credential of kind %s; that is done with %s", listed(list), kind, listed(proves))
	}
	return list, nil
}

// proving lists the mechanisms that prove credentials of a kind.
func (a *Admin) proving(kind account.CredentialKind) (list []string) {
	for _, m := range a.opt.Mechanisms {
		if a.opt.Proves == nil || a.opt.Proves(kind, m) {
			list = append(list, m)
		}
	}
	return list
}

// unreachable reports whether no client can be where a network's credential is good: in the
// network itself, and in one of its envelope.
func unreachable(c *account.Credential) bool {
	own, err := netip.ParsePrefix(c.Subject)
	return c.Kind == account.Network && err == nil && len(c.Envelope.Networks) > 0 && !slices.ContainsFunc(c.Envelope.Networks, own.Overlaps)
}

func checkLength(what string, n int) error {
	if n > maxList {
		return fault.New(op, fault.Invalid, "%d %s are too many; an envelope has at most %d", n, what, maxList)
	}
	return nil
}

// listed puts a list into a sentence.
func listed[V any](list []V) string {
	if len(list) == 0 {
		return "any"
	}
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, " ")
}
