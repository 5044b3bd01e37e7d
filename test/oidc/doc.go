// Package oidc holds no code: its tests verify, through internal/oauth and at the real gate, the tokens that
// a real OpenID provider gives out: the example server of github.com/zitadel/oidc,
// which runs inside the test on loopback. Users log in there with their password, as
// a mail client's browser does.
//
// It is a module of its own so that the provider and what it needs stay out of the
// product's dependencies. Run it with "go test ./..." in this folder.
package oidc
