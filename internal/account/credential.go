package account

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// CredentialKind says by what a client proves who it is.
type CredentialKind string

// The kinds of credentials.
const (
	// Password is the one that the account's owner knows; an account has one at
	// most.
	Password CredentialKind = "password"
	// AppPassword is made by the gate for one program or device.
	AppPassword CredentialKind = "app-password"
	// OAuth is who an issuer of tokens says that somebody is.
	OAuth CredentialKind = "oauth"
	// Certificate is a client certificate, or what one says of its owner.
	Certificate CredentialKind = "certificate"
	// Network is a range of addresses whose clients need not log in.
	Network CredentialKind = "network"
)

// CredentialKinds lists the kinds.
func CredentialKinds() []CredentialKind {
	return []CredentialKind{Password, AppPassword, OAuth, Certificate, Network}
}

// Secret reports whether credentials of the kind have a Secret; all others have a
// Subject, which no two credentials of a kind share.
func (k CredentialKind) Secret() bool { return k == Password || k == AppPassword }

// Credential is one thing that an account proves itself with.
type Credential struct {
	// ID never changes and is never used again. Mail waits under the credential
	// that it was accepted under: it is held when that is no more, or recalls it.
	ID   mail.ID
	Kind CredentialKind
	// Name tells it from the others of the account; that of the password is
	// "password".
	Name string
	// Subject is, for OAuth, the issuer's name and what it calls the user, with a
	// space between; for Certificate "sha256:" and the fingerprint in hexadecimal,
	// "email:" and an address, or "cn:" and a common name; for Network a prefix.
	Subject string
	// Secret is what the password was turned into.
	Secret   Secret
	Envelope Envelope
	Created  time.Time
	// Changed is when the secret or the subject was set, and names it: later than
	// for any other that the credential had, and the same while only its hash is
	// renewed or keys are added.
	Changed time.Time
	// Recall is what of its waiting mail may not go after a change of it.
	Recall Recall
}

// Recall says which of the mail that was accepted under a credential may not go any
// more, though the credential is there: what came under an earlier password, or beyond
// the bounds of a later envelope. All and Some are revisions of the account, 0 for never.
type Recall struct {
	// All: mail that was accepted at an earlier revision may not go.
	All int64
	// Some: mail that was accepted at an earlier revision may go only if it was sent
	// under one of Spared alone, by MAIL FROM as by its header.
	Some   int64
	Spared []Grant
}

// RecallAll lets no mail go that was accepted under the credential before the account
// has that revision.
func (c *Credential) RecallAll(revision int64) { c.Recall = Recall{All: revision} }

// RecallBut is RecallAll for what was not sent under one of the spared.
func (c *Credential) RecallBut(revision int64, spared []Grant) {
	c.Recall.Some, c.Recall.Spared = revision, slices.Clone(spared)
}

// Check refuses what no store can keep as it is: fault.Invalid. The words of the
// lists, mechanisms and keys have neither spaces nor line ends in them, and the
// lines none of the latter.
func (c *Credential) Check() error {
	wrong := ""
	switch e := &c.Envelope; {
	case c.ID == "" || c.Name == "":
		wrong = "it has no id or no name"
	case !slices.Contains(CredentialKinds(), c.Kind):
		wrong = fmt.Sprintf("%q is not a kind of credential", c.Kind)
	case c.Kind.Secret() != (c.Subject == ""):
		wrong = "passwords have no subject, and all others have one"
	case slices.ContainsFunc(e.Networks, func(p netip.Prefix) bool { return !p.IsValid() }):
		wrong = "one of its networks is none"
	case slices.ContainsFunc(e.Senders, notGrant) || slices.ContainsFunc(c.Recall.Spared, notGrant):
		wrong = "one of its senders is neither an address nor a domain"
	case slices.ContainsFunc(e.Mechanisms, notWord) || slices.ContainsFunc(c.Secret.Keys, func(k SecretKey) bool { return notWord(k.Mechanism) || notLine(k.Value) }):
		wrong = "a mechanism has no name, or one of several words"
	case slices.ContainsFunc(c.Secret.Former, notLine):
		wrong = "the hash of an earlier password is not one line"
	default:
		return nil
	}
	return fault.New("account.credential", fault.Invalid, "credential %q: %s", c.Name, wrong)
}

func notGrant(g Grant) bool { same, err := ParseGrant(g.String()); return err != nil || same != g }
func notLine(s string) bool { return s == "" || strings.ContainsAny(s, "\r\n") }
func notWord(s string) bool { return notLine(s) || strings.ContainsFunc(s, unicode.IsSpace) }

// Secret is what a password was turned into. The zero value is that of a
// credential without one, and what readers get who are not to see it.
type Secret struct {
	// Hash is in PHC form ("$argon2id$v=19$m=..."), or what was imported.
	Hash string
	// Cost is what verifying costs, as package hash puts it; "" for no Hash.
	Cost string
	// Keys are those that mechanisms need which never see the password, by
	// mechanism.
	Keys []SecretKey
	// Former are the hashes of earlier passwords, the latest first.
	Former []string
}

// SecretKey is the key of a password for one mechanism.
type SecretKey struct {
	// Mechanism is the registered name without "-PLUS".
	Mechanism string
	// Value is the maker's own text.
	Value string
}

// Key returns the key for a mechanism, "" where there is none.
func (s *Secret) Key(mechanism string) string {
	for _, k := range s.Keys {
		if k.Mechanism == mechanism {
			return k.Value
		}
	}
	return ""
}

// WithoutLegacy returns the keys but for those of LegacyMechanisms.
func (s *Secret) WithoutLegacy() []SecretKey {
	legacy := LegacyMechanisms()
	return slices.DeleteFunc(slices.Clone(s.Keys), func(k SecretKey) bool { return slices.Contains(legacy, k.Mechanism) })
}

// LegacyMechanisms are those whose keys Account.Legacy is about.
func LegacyMechanisms() []string { return []string{"CRAM-MD5", "DIGEST-MD5"} }

// Envelope bounds what a credential may be used for. The zero value bounds
// nothing beyond what the account may do.
type Envelope struct {
	// Networks are where clients may come from; empty for anywhere.
	Networks []netip.Prefix
	// Senders are what may be sent under, of that which the account may use;
	// empty for all of it.
	Senders []Grant
	// Mechanisms are the SASL mechanisms that may prove it, in upper case;
	// empty for all.
	Mechanisms []string
	// MaxRecipients, MaxMessageBytes and MaxMessages are as in Plan.
	MaxRecipients   int
	MaxMessageBytes int64
	MaxMessages     int
	// Expires is when it ends; zero for never.
	Expires time.Time
}

// Admits reports whether the credential may be used from an address, with a
// mechanism, now.
func (e *Envelope) Admits(client netip.Addr, mechanism string, now time.Time) bool {
	return !e.Over(now) && e.AdmitsMechanism(mechanism) && e.AdmitsClient(client)
}

// Forbids says what of that which an envelope with later in its place would forbid: all
// is for what does not show in waiting mail, where clients are and how they log in, and
// senders for under what they send. Caps and an end are of none: what waits was within
// them.
func (e *Envelope) Forbids(later *Envelope) (all, senders bool) {
	all = !wider(e.Networks, later.Networks, func(was, is netip.Prefix) bool { return is.Bits() <= was.Bits() && is.Contains(was.Addr()) }) ||
		!wider(e.Mechanisms, later.Mechanisms, func(was, is string) bool { return was == is })
	return all, !wider(e.Senders, later.Senders, func(was, is Grant) bool { return is.Equal(was) || !was.Address.IsNull() && is.Covers(was.Address) })
}

// wider reports whether each of one list is within one of another; an empty list is
// everything.
func wider[V any](before, now []V, within func(was, is V) bool) bool {
	return len(now) == 0 || len(before) > 0 && !slices.ContainsFunc(before, func(was V) bool {
		return !slices.ContainsFunc(now, func(is V) bool { return within(was, is) })
	})
}

// AdmitsMechanism reports whether the credential may be proved with a mechanism; ""
// is none, for a network.
func (e *Envelope) AdmitsMechanism(mechanism string) bool {
	return len(e.Mechanisms) == 0 || slices.Contains(e.Mechanisms, mechanism)
}

// AdmitsClient reports whether the credential may be used from an address.
func (e *Envelope) AdmitsClient(client netip.Addr) bool {
	client = client.Unmap()
	return len(e.Networks) == 0 || slices.ContainsFunc(e.Networks, func(p netip.Prefix) bool { return p.Contains(client) })
}

// Over reports whether the credential has expired.
func (e *Envelope) Over(now time.Time) bool { return !e.Expires.IsZero() && !now.Before(e.Expires) }

// Covers reports whether a may be sent under.
func (e *Envelope) Covers(a mail.Address) bool {
	return len(e.Senders) == 0 || slices.ContainsFunc(e.Senders, func(g Grant) bool { return g.Covers(a) })
}

// Proofs is what an account can prove itself with, as one look at the store found
// it.
type Proofs struct {
	// Generation is the account generation at which they were read.
	Generation uint64
	// Account, Revision, Directory, Legacy (its own, or that of the plan that decides)
	// and Credentials are those of Account, secrets included.
	Account     mail.ID
	Revision    int64
	Directory   string
	Legacy      bool
	Credentials []Credential
	// Active is Sender.Active.
	Active bool
	// PlanAlone says that it is not active for nothing but a suspended plan that its
	// directory has named, whose next word may change that.
	PlanAlone bool
}

// Holder is whose a subject is.
type Holder struct {
	Login      string
	Credential mail.ID
	Subject    string
}

// UseAhead is how far a use may lie behind the present of the store: as far as the
// clock of a node may be ahead (node.MaxSkew).
const UseAhead = time.Minute

// Use is the last time that a credential was used.
type Use struct {
	Credential mail.ID
	// At is when, by the clock of the node that saw it.
	At        time.Time
	Client    netip.Addr
	Session   mail.ID
	Mechanism string
	// Program is what the client called itself in EHLO.
	Program string
}

// Principal is who has proved to be who: an account by one of its credentials.
type Principal struct {
	Sender *Sender
	// Credential comes without its secret.
	Credential Credential
	// Mechanism is the SASL mechanism; "" where the network was enough.
	Mechanism string
	// Until is when that which was shown ends, as a token does; zero for never.
	Until time.Time
}

// Now returns the credential as it is in s, a later look at the account; nil where
// it is no more, or has another secret or subject. One without an ID was not stored:
// an issuer has named the account itself.
func (p *Principal) Now(s *Sender) *Credential {
	switch {
	case s.Account.ID != p.Sender.Account.ID:
		return nil
	case p.Credential.ID == "":
		return &p.Credential
	}
	for i := range s.Account.Credentials {
		c := &s.Account.Credentials[i]
		if c.ID == p.Credential.ID && c.Changed.Equal(p.Credential.Changed) {
			return c
		}
	}
	return nil
}

// Password returns the credential that is the password, nil where there is none.
func (a *Account) Password() *Credential {
	for i := range a.Credentials {
		if a.Credentials[i].Kind == Password {
			return &a.Credentials[i]
		}
	}
	return nil
}
