// Package passwords makes, of the configuration, what decides on new passwords.
//
// Main function: NewRule.
package passwords

import (
	"context"
	"log/slog"

	"countersign/internal/account"
	"countersign/internal/account/breached"
	"countersign/internal/account/hash"
	"countersign/internal/account/rule"
	"countersign/internal/config"
	"countersign/internal/login/secrets"
)

// passwordRule asks package rule.
type passwordRule struct {
	rule   *rule.Rule
	hasher *secrets.Hasher
}

// product is a word that guessers try at its users' passwords.
const product = "countersign"

// Options are what the configuration asks of a password.
func Options(c *config.Config) rule.Options {
	return rule.Options{
		MinCharacters: c.Auth.PasswordMinLength, MinScore: c.Auth.PasswordMinScore, Remember: c.Auth.PasswordHistory,
		Words: []string{product, c.Hostname, c.Delivery.Hello},
	}
}

// NewRule makes what decides on new passwords.
func NewRule(cfg *config.Config, hasher *secrets.Hasher) (account.Rule, error) {
	opt := Options(cfg)
	if cfg.Auth.BreachedFile != "" {
		list, err := breached.Open(cfg.Auth.BreachedFile)
		if err != nil {
			return nil, err
		}
		opt.Breached = list
	}
	r, err := rule.New(opt)
	if err != nil {
		return nil, err
	}
	return &passwordRule{r, hasher}, nil
}

// Check implements account.Rule.
func (p *passwordRule) Check(ctx context.Context, password string, about account.About) error {
	return p.rule.Check(ctx, password, rule.About{
		Login: about.Login, Customer: about.Customer, Aliases: about.Aliases, Earlier: about.Earlier, Same: p.hasher.Same,
	})
}

// NotRenewed makes what tells the operator that a password stays in an old form, or without
// some keys.
func NotRenewed(log *slog.Logger) func(login string, err error) {
	return func(login string, err error) {
		log.Warn("a password that was right could not be stored in the forms of the day: the next login by it tries again", "login", login, "error", err)
	}
}

// TooCostly makes what tells the operator that names of a directory can be told by time from
// those that are not there.
func TooCostly(log *slog.Logger) func(directory string, c hash.Cost) {
	return func(directory string, c hash.Cost) {
		log.Warn("hashes of a directory cost too much for every failed login to cost as much: those who have such a one can be told by time from names that are not there; name their kind in the option hashes",
			"directory", directory, "kind", c.Kind())
	}
}

// Unsaid makes what tells the operator of a kind of hash that the configuration does not name.
func Unsaid(log *slog.Logger) func(directory string, c hash.Cost) {
	return func(directory string, c hash.Cost) {
		log.Warn("a directory has hashes of a kind that its option hashes does not name: until somebody has logged in with one, those who have it can be told by time from names that are not there",
			"directory", directory, "kind", c.Kind())
	}
}

// TooMany makes what tells the operator that the store has more kinds of hashes than every failed
// login costs.
func TooMany(log *slog.Logger) func(c hash.Cost) {
	return func(c hash.Cost) {
		log.Warn("the store has more kinds of password hashes than every failed login costs: those who have another one can be told by time from names that are not there, until they have logged in with the password and have a new hash",
			"first", c.Kind(), "kinds", secrets.MaxCosts)
	}
}
