// Package passing runs an exchange of a mechanism that is ours until it turns out that a
// directory has it: from then on its steps pass through the gate.
//
// Before the names of a domain whose directory runs exchanges of SCRAM stands a facade: what
// a client is shown, and when, is the same for the names that the directory has, for those
// of the store and for those that nobody has. A failure takes as long as the directory takes
// to refuse.
//
// It neither finds keys nor decides who gets in: package login does, as the Host. Main types:
// Exchange, Facade, Host.
package passing
