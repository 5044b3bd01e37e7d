package list

import (
	"slices"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Kind says what an entry is for. The values are those of memory alone; stores have the names.
type Kind uint8

// The kinds, from the broadest. Of those that are for a client, the narrowest decides.
const (
	// Everywhere is every client of every gate.
	Everywhere Kind = iota
	// Listener is the clients of the listeners of a name, on every gate.
	Listener
	Customer
	Domain
	Account
	Credential
	kinds
)

// kindNames are the names in their order.
var kindNames = [kinds]string{"everywhere", "listener", "customer", "domain", "account", "credential"}

// String returns the name.
func (k Kind) String() string { return nameOf(kindNames[:], int(k)) }

// Login reports whether it takes a login to know whether an entry is for a client.
func (k Kind) Login() bool { return k > Listener }

// ParseKind reads the name of a kind. Errors are fault.Invalid.
func ParseKind(text string) (Kind, error) {
	if i := slices.Index(kindNames[:], text); i >= 0 {
		return Kind(i), nil
	}
	return 0, fault.New("access.kind", fault.Invalid, "%q is nothing that an access list can be for; there are %s", text, strings.Join(kindNames[:], ", "))
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "?"
}

// Subject is what an entry is for.
type Subject struct {
	Kind Kind
	// Name is "" of Everywhere, the id of a credential, a login, and the name of all others.
	Name string
}

// String returns "account a@example.org", or "everywhere".
func (s Subject) String() string {
	if s.Kind == Everywhere {
		return s.Kind.String()
	}
	return s.Kind.String() + " " + s.Name
}

// maxName bounds the name of a subject, in octets.
const maxName = 512

// check refuses subjects that are not of the form under which they are found.
func (s Subject) check() error {
	bad := false
	switch s.Kind {
	case Everywhere:
		bad = s.Name != ""
	case Listener, Customer:
		bad = s.Name == ""
	case Domain:
		d, err := mail.ParseDomain(s.Name)
		bad = err != nil || string(d) != s.Name
	case Account:
		a, err := mail.ParseAddress(s.Name)
		bad = err != nil || a.Key() != s.Name
	case Credential:
		bad = !mail.ValidID(s.Name)
	default:
		bad = true
	}
	if bad || len(s.Name) > maxName {
		return fault.New("access.check", fault.Invalid, "%.600q is no name of what an access list can be for", s.String())
	}
	return nil
}

// Who is a client, as far as it is known: what entries may be for. "" is not known.
type Who struct {
	// Listener and Customer are names, Account is a login, Credential an id.
	Listener, Customer, Domain, Account, Credential string
}

// subjects lists what a client's entries may be for, from the narrowest.
func (w *Who) subjects() [kinds]Subject {
	return [kinds]Subject{
		{Credential, w.Credential}, {Account, w.Account}, {Domain, w.Domain}, {Customer, w.Customer}, {Listener, w.Listener}, {Kind: Everywhere},
	}
}
