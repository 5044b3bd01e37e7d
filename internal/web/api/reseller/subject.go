package reseller

import (
	"strings"

	"countersign/internal/fault"
	"countersign/internal/limit/network"
	"countersign/internal/mail"
	"countersign/internal/web/api"
)

// meanings say of each kind of subject what its name is, in a query.
var meanings = map[string]string{
	"listener": "the name of a listener", "customer": "the name of a customer", "domain": "the name of a domain", "account": "a login",
	"credential": "LOGIN/NAME of a credential", "plan": "the name of a plan", "network": "an IPv4 address, or an IPv6 network with /64", "node": "the id of a gate",
}

// ParametersOf are the parameters that ask for what is set for exactly one subject.
func ParametersOf(kinds []string) (list []api.Parameter) {
	for _, kind := range kinds {
		list = append(list, api.Parameter{Name: kind, Text: "Those for exactly this alone: " + meanings[kind] + "."})
	}
	return list
}

// Asked are the subjects that a query names, by kind.
func Asked(r *api.Request, kinds []string) map[string]string {
	given := map[string]string{}
	for _, kind := range kinds {
		given[kind] = r.Query(kind)
	}
	return given
}

// OneOf returns the one subject that is named, "" for none.
func OneOf(kinds []string, given map[string]string) (kind, name string, err error) {
	for _, k := range kinds {
		if given[k] == "" {
			continue
		}
		if kind != "" {
			return "", "", fault.New("api.subject", fault.Invalid, "names several, of which one is meant: %s and %s", kind, k)
		}
		kind, name = k, given[k]
	}
	return kind, name, nil
}

// Subject brings the name of a subject of a kind into the form of the store, and refuses one
// that the client does not see. login is whose credential it is, "" for others.
func (s *Scope) Subject(kind, name string) (formed, login string, err error) {
	switch kind {
	case "customer":
		return name, "", s.Customer(name)
	case "domain":
		d, err := mail.ParseDomain(strings.TrimSuffix(name, "."))
		if err != nil {
			return "", "", fault.New("api.subject", fault.Invalid, "%q is no domain", name)
		}
		return string(d), "", s.Domain(d)
	case "account":
		a, err := Address(name)
		if err != nil {
			return "", "", err
		}
		return a.Key(), "", s.Login(a.Key())
	case "credential":
		id, login, err := s.Credential(name)
		return string(id), login, err
	case "network":
		if formed, err = network.Parse(name); err != nil {
			return "", "", err
		}
		return formed, "", s.Whole("network " + name)
	}
	return name, "", s.Whole(kind + " " + name)
}
