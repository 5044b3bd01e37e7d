// Package logins attacks the ways to log in of the real binary over sockets: replay,
// downgrade, a man in the middle, forged tokens, what is too long or malformed, exchanges
// that are dropped, and everything about AUTH before TLS. Each attack is refused and
// recorded without a secret, and the process goes on as before.
//
// The client is the tests' own (test/harness/talk), as an honest one would not do any of
// this; that the honest form of each exchange gets in is part of the tests, in the order
// of each program that people have (programs_test.go).
package logins
