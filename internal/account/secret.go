package account

import (
	"context"
	"time"
)

// SecretMaker turns a new password into what is stored of it.
type SecretMaker interface {
	// MakeSecret makes the secret of a password, which PreparePassword has prepared,
	// for a credential of that kind of the account with that login; legacy says whether with the keys that
	// Account.Legacy is about. Former is left empty. Errors: fault.Busy with reason
	// "auth-busy" where too many wait, fault.Canceled where ctx ended meanwhile.
	MakeSecret(ctx context.Context, login, password string, kind CredentialKind, legacy bool) (Secret, error)
}

// Rule decides whether a text may become a password.
type Rule interface {
	// Check decides on a password, which PreparePassword has prepared. Errors:
	// fault.Invalid with a sentence for whoever chose it, which does not repeat it;
	// any other where it cannot tell, and then the password is not taken.
	Check(ctx context.Context, password string, about About) error
}

// About is what a Rule is told of the account that a password is for.
type About struct {
	// Login and Customer are the account's, Aliases its further addresses.
	Login, Customer string
	Aliases         []string
	// Earlier are the hashes of its passwords, the present one first; none of an
	// account that has none yet.
	Earlier []string
}

// PasswordName is the name of the credential that is the password.
const PasswordName = string(Password)

// Replace gives the credential another secret, at that time or the next moment after
// the last one. The hash that it had is kept among the former ones.
func (c *Credential) Replace(secret Secret, now time.Time) {
	secret.Former = c.Earlier(MaxFormer)
	// The clock may have been set back; the time names the password.
	c.Secret, c.Changed = secret, later(now, c.Changed)
}

// MaxFormer is how many hashes of earlier passwords are kept.
const MaxFormer = 24

// Earlier lists the hashes that the credential has and had, the latest first, at
// most so many.
func (c *Credential) Earlier(most int) []string {
	if c.Secret.Hash == "" {
		return c.Secret.Former
	}
	return append([]string{c.Secret.Hash}, c.Secret.Former[:min(len(c.Secret.Former), most-1)]...)
}

// later returns now, or the next moment after before where now is not later.
func later(now, before time.Time) time.Time {
	if now.After(before) {
		return now
	}
	return before.Add(time.Microsecond)
}
