// Package api is "countersign api": what the API needs and no request of it can give.
//
// Main types: Group.
package api

import (
	"countersign/internal/cli/call"
	"countersign/internal/web/api/client"
)

// Group is "countersign api".
type Group struct {
	Token token `cmd:"" noconfig:"" help:"Print a new random token, for the token_file of an [[api_client]]; nothing is stored."`
}

type token struct{}

// Run does it.
func (*token) Run(c *call.Call) error { return c.Say("%s", client.NewToken()) }
