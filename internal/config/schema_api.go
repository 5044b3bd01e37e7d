package config

import (
	"fmt"

	"countersign/internal/config/value"
)

// APIClient is one table [[api_client]].
type APIClient struct {
	// The name by which record and log call it: what it changes is by "api:" and this name.
	Name string `toml:"name" required:"yes" since:"0.1" reload:"yes" example:"panel"`
	// The file with its token, one line of at least 43 characters that nobody can guess:
	// "countersign api token" prints one.
	TokenFile string `toml:"token_file" required:"yes" since:"0.1" reload:"yes" path:"yes" example:"/etc/countersign/panel.token"`
	// From where it may come.
	Networks []Prefix `toml:"networks" derived:"anywhere" since:"0.1" reload:"yes" example:"192.0.2.10"`
	// What it may: "read" everything that it sees, and change "bans", "limits", "access" (lists),
	// "grants", "guard" (what was counted of guessing) and "accounts" (plans and suspensions of
	// accounts, domains and customers).
	May []string `toml:"may" default:"read" since:"0.1" reload:"yes" example:"read,limits,accounts"`
	// The customers that it sees and changes, with their domains and accounts, and nothing else: for
	// the panel of a reseller.
	Customers []string `toml:"customers" derived:"all, and what belongs to none" since:"0.1" reload:"yes" alternative:"yes" example:"acme"`
	// The plans that it may give where it has customers.
	Plans []string `toml:"plans" derived:"none where there are customers, else all" since:"0.1" reload:"yes" alternative:"yes" example:"small,large"`
	// How many requests it may make in a minute, a tenth of them at once.
	Requests int `toml:"requests" default:"600" min:"10" max:"100000" unit:"requests" since:"0.1" reload:"yes"`
}

// Token reads its token.
func (c *APIClient) Token() (Secret, error) {
	secret, err := value.ReadSecret(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("api_client.token_file: %s %w", c.TokenFile, err)
	}
	return secret, nil
}
