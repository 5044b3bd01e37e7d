// Package rule decides whether a text may become somebody's password: it must
// be long enough, hard to guess, not known to the public, and none of the last
// few.
//
// How hard a password is to guess zxcvbn estimates, with the account's own names
// among the words that a guesser tries first; and once more without these, without
// years and repetition, as what is left must suffice by itself. A refusal gives all its reasons at
// once, each with what to change, and repeats nothing of the password.
//
// It does not prepare passwords (package account does, by RFC 8265), hashes
// nothing, and keeps no earlier ones: the caller brings their hashes and knows how
// to compare.
//
// Main types: Rule, Options, About.
package rule

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"countersign/internal/account/breached"
	"countersign/internal/fault"
)

// The defaults and bounds of Options.
const (
	// DefaultMinCharacters is how many characters are needed where nobody says
	// otherwise; MaxMinCharacters is the most that may be asked for.
	DefaultMinCharacters = 12
	MaxMinCharacters     = 128
	// DefaultMinScore is the least score where nobody says otherwise: some 10^8
	// guesses. MaxScore is the highest that there is: 10^10 guesses and more.
	DefaultMinScore = 3
	MaxScore        = 4
	// MaxRemember bounds how many earlier passwords are compared, each of which
	// costs a hash.
	MaxRemember = 24
	// MaxBytes is the most octets that a password may have, whatever the options.
	MaxBytes = 512
)

// Options say what is asked of a password. All of it is taken as it is: 0 is no
// default.
type Options struct {
	// MinCharacters is the fewest characters (code points), 1 to MaxMinCharacters.
	MinCharacters int
	// MinScore is the least score by zxcvbn, 0 (any will do) to MaxScore.
	MinScore int
	// Breached is the list of passwords that are known to the public, nil for none.
	Breached *breached.List
	// Remember is how many earlier passwords may not come back, 0 (none) to
	// MaxRemember.
	Remember int
	// Words are further names that anybody may know, such as the host name of the
	// gate; they are treated as the account's own.
	Words []string
}

// About is what is known of the account that the password is for. All of it may
// be empty.
type About struct {
	// Login is the account's address.
	Login string
	// Customer is the name of the customer that it belongs to.
	Customer string
	// Aliases are further addresses of the account.
	Aliases []string
	// Earlier are the hashes of its passwords, the present one first.
	Earlier []string
	// Same reports whether a hash is that of a password. It must not be nil where
	// there are Earlier ones.
	Same func(ctx context.Context, hash, password string) (bool, error)
}

// Rule is what decides. It is safe for concurrent use and holds no state.
type Rule struct{ opt Options }

// New returns a Rule. Errors: fault.Invalid for options out of their bounds.
func New(opt Options) (*Rule, error) {
	const op = "rule.new"
	for _, o := range []struct {
		what               string
		value, least, most int
	}{
		{"characters", opt.MinCharacters, 1, MaxMinCharacters},
		{"score", opt.MinScore, 0, MaxScore},
		{"number of earlier passwords", opt.Remember, 0, MaxRemember},
	} {
		if o.value < o.least || o.value > o.most {
			return nil, fault.New(op, fault.Invalid, "the %s asked of a password must be from %d to %d, not %d", o.what, o.least, o.most, o.value)
		}
	}
	return &Rule{opt: opt}, nil
}

// Check decides on a password in the form in which it will be hashed. It costs
// some milliseconds of one processor, half a second where somebody has made a
// password for that, and as many calls of About.Same as Options.Remember says; so
// the caller bounds how many run at once.
//
// Errors: fault.Invalid with all reasons in its detail, which may be shown to who
// has chosen the password; what a list or About.Same answers where it cannot
// tell, for then nothing is allowed; fault.Canceled.
func (r *Rule) Check(ctx context.Context, password string, about About) error {
	const op = "rule.check"
	if len(password) > MaxBytes { // nothing below is for such
		return refuse([]string{fmt.Sprintf("it has %d octets: shorten it to %d", len(password), MaxBytes)})
	}
	if !utf8.ValidString(password) {
		return refuse([]string{"it is not valid UTF-8: type it anew"})
	}
	if ctx.Err() != nil {
		return fault.Wrap(op, fault.Canceled, ctx.Err())
	}
	reasons := r.weak(password, about)
	known, err := r.breached(ctx, password)
	if err != nil {
		return fault.Wrap(op, fault.Internal, err)
	}
	if known {
		reasons = append(reasons, "it stands in a list of passwords that were stolen elsewhere: choose one that was never used")
	}
	used, err := r.used(ctx, password, about)
	if err != nil {
		return fault.Wrap(op, fault.Internal, err)
	}
	if used {
		reasons = append(reasons, fmt.Sprintf("it is one of the last %d of this account: choose a new one", r.opt.Remember))
	}
	return refuse(reasons)
}

// weak returns what the password itself is refused for.
func (r *Rule) weak(password string, about About) []string {
	var reasons []string
	all := utf8.RuneCountInString(password)
	switch n := utf8.RuneCountInString(blanks.ReplaceAllString(strings.TrimSpace(password), " ")); {
	case n < r.opt.MinCharacters && n < all:
		reasons = append(reasons, fmt.Sprintf("it has %d characters, of blanks in a row one and at its ends none: make it %d or more", n, r.opt.MinCharacters))
	case n < r.opt.MinCharacters:
		reasons = append(reasons, fmt.Sprintf("it has %d characters: make it %d or more", n, r.opt.MinCharacters))
	}
	if r.opt.MinScore == 0 {
		return reasons
	}
	if e := hardness(password, words(about, r.opt.Words)); e.score < r.opt.MinScore {
		reasons = append(reasons, fmt.Sprintf("it is too easy to guess (%d of %d, %d is needed): %s", e.score, MaxScore, r.opt.MinScore, e.advice()))
	}
	return reasons
}

// breached asks the list.
func (r *Rule) breached(ctx context.Context, password string) (bool, error) {
	if r.opt.Breached == nil {
		return false, nil
	}
	return r.opt.Breached.Holds(ctx, sha1.Sum([]byte(password)))
}

// used compares with the earlier passwords.
func (r *Rule) used(ctx context.Context, password string, about About) (bool, error) {
	earlier := about.Earlier[:min(len(about.Earlier), r.opt.Remember)]
	if len(earlier) > 0 && about.Same == nil {
		return false, errors.New("there is nothing to compare earlier passwords with")
	}
	for _, hash := range earlier {
		if ctx.Err() != nil {
			return false, fault.Wrap("rule.used", fault.Canceled, ctx.Err())
		}
		same, err := about.Same(ctx, hash, password)
		if err != nil || same {
			return same, err
		}
	}
	return false, nil
}

// refuse makes one sentence of all reasons, nil of none.
func refuse(reasons []string) error {
	if len(reasons) == 0 {
		return nil
	}
	return fault.New("rule.check", fault.Invalid, "this password cannot be used: %s", strings.Join(reasons, "; "))
}
