package sasl

import "strings"

// Mechanism is one row of the table.
type Mechanism struct {
	// Name is the registered name, in upper case (RFC 4422 section 3.1).
	Name string
	// ClearSecret says that the client sends the secret itself, so that the
	// mechanism may be offered over an encrypted connection only.
	ClearSecret bool
	// New starts an exchange that asks v.
	New func(v Verifier) Exchange
}

// Mechanisms returns all mechanisms, the strongest first, which is the order to
// offer them in. The slice is the caller's own.
func Mechanisms() []Mechanism {
	return []Mechanism{
		{Name: "PLAIN", ClearSecret: true, New: newPlain},
		{Name: "LOGIN", ClearSecret: true, New: newLogin},
	}
}

// Lookup finds a mechanism by name, in any case.
func Lookup(name string) (Mechanism, bool) {
	for _, m := range Mechanisms() {
		if strings.EqualFold(m.Name, name) {
			return m, true
		}
	}
	return Mechanism{}, false
}
