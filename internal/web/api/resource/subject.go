package resource

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

// parametersOf are the parameters that ask for what is set for exactly one subject.
func parametersOf(kinds []string) (list []api.Parameter) {
	for _, kind := range kinds {
		list = append(list, api.Parameter{Name: kind, Text: "Those for exactly this alone: " + meanings[kind] + "."})
	}
	return list
}

// asked are the subjects that a query names, by kind.
func asked(r *api.Request, kinds []string) map[string]string {
	given := map[string]string{}
	for _, kind := range kinds {
		given[kind] = r.Query(kind)
	}
	return given
}

// oneOf returns the one subject that is named, "" for none.
func oneOf(kinds []string, given map[string]string) (kind, name string, err error) {
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

// subject brings the name of a subject of a kind into the form of the store, and refuses one
// that the client does not see. login is whose credential it is, "" for others.
func (s *scope) subject(kind, name string) (formed, login string, err error) {
	switch kind {
	case "customer":
		return name, "", s.customer(name)
	case "domain":
		d, err := mail.ParseDomain(strings.TrimSuffix(name, "."))
		if err != nil {
			return "", "", fault.New("api.subject", fault.Invalid, "%q is no domain", name)
		}
		return string(d), "", s.domain(d)
	case "account":
		a, err := address(name)
		if err != nil {
			return "", "", err
		}
		return a.Key(), "", s.login(a.Key())
	case "credential":
		id, login, err := s.credential(name)
		return string(id), login, err
	case "network":
		if formed, err = network.Parse(name); err != nil {
			return "", "", err
		}
		return formed, "", s.whole("network " + name)
	}
	return name, "", s.whole(kind + " " + name)
}
