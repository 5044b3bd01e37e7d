// Package pebble holds no code: its tests obtain and renew certificates through
// internal/cert, kept in the product's own store, and through a whole gate, from
// Pebble, the small ACME authority of Let's Encrypt (RFC 8555), which runs
// inside the test.
//
// It is a module of its own so that Pebble and what it needs stay out of the
// product's dependencies. Run it with "go test ./..." in this folder.
package pebble
