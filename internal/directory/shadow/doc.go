// Package shadow keeps the accounts of the store that stand for those of directories:
// it makes them, with domain and customer, at their first login, and has them follow what
// their directory says of plan and aliases, at each. They have no passwords; limits,
// envelopes and states have a place in them.
//
// How many a directory may make in an hour is bounded, as each domain costs a pair of RSA
// keys. It asks no directory and verifies nothing.
//
// Main type: Keeper.
package shadow
