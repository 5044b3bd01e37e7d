package limits

import (
	"fmt"
	"slices"
	"strings"

	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/limit"
	"countersign/internal/limit/network"
)

// whose are the flags that say whom a limit is for, of which one is given.
type whose struct {
	Account    argument.Address      `help:"For this account." placeholder:"LOGIN" xor:"for"`
	Credential argument.CredentialOf `help:"For this credential of an account." placeholder:"LOGIN/NAME" xor:"for"`
	Domain     argument.Domain       `help:"For all accounts of this domain together." placeholder:"NAME" xor:"for"`
	Customer   string                `help:"For all accounts of this customer together." placeholder:"NAME" xor:"for"`
	Plan       string                `help:"For each account on this plan that has none of its own." placeholder:"NAME" xor:"for"`
	Network    prefix                `help:"For this IPv4 address, or this IPv6 network with /64." placeholder:"ADDRESS" xor:"for"`
	Node       string                `help:"For this gate." placeholder:"ID" xor:"for"`
	Everything bool                  `help:"For all gates together." xor:"for"`
	Each       each                  `help:"For each account, credential, domain, customer, network or node that has none of its own." placeholder:"KIND" xor:"for"`
}

// prefix is an argument that is a network which mail is counted of.
type prefix struct{ name string }

// UnmarshalText reads an address, or an IPv6 network with 64 bits.
func (n *prefix) UnmarshalText(text []byte) (err error) {
	n.name, err = network.Parse(string(text))
	return argument.Plain(err)
}

// each is an argument that is a kind of subjects.
type each struct {
	kind limit.Kind
	set  bool
}

// UnmarshalText reads the name of a kind.
func (e *each) UnmarshalText(text []byte) error {
	kinds := slices.DeleteFunc(limit.Kinds(), func(k string) bool { return k == limit.Plan.String() || k == limit.Everything.String() })
	kind, err := limit.ParseKind(string(text))
	if err != nil || !slices.Contains(kinds, kind.String()) {
		return fmt.Errorf("%q is nothing that there are several of: write %s", text, strings.Join(kinds, ", "))
	}
	e.kind, e.set = kind, true
	return nil
}

// literal is the subject that the flags name where no store has to be asked; its kind is
// Credential, without a name, where one has to be, or nothing was given.
func (w *whose) literal() limit.Subject {
	switch {
	case w.Account.Domain != "":
		return limit.Subject{Kind: limit.Account, Name: w.Account.Key()}
	case w.Domain.Domain != "":
		return limit.Subject{Kind: limit.Domain, Name: string(w.Domain.Domain)}
	case w.Customer != "":
		return limit.Subject{Kind: limit.Customer, Name: w.Customer}
	case w.Plan != "":
		return limit.Subject{Kind: limit.Plan, Name: w.Plan}
	case w.Network.name != "":
		return limit.Subject{Kind: limit.Network, Name: w.Network.name}
	case w.Node != "":
		return limit.Subject{Kind: limit.Node, Name: w.Node}
	case w.Everything:
		return limit.Subject{Kind: limit.Everything}
	case w.Each.set:
		return limit.Subject{Kind: w.Each.kind, Name: limit.Each}
	}
	return limit.Subject{Kind: limit.Credential}
}

// given reports whether one is named.
func (w *whose) given() bool {
	return w.Credential.Name != "" || w.literal() != limit.Subject{Kind: limit.Credential}
}

// named refuses a command line that names none.
func (w *whose) named() error {
	if w.given() {
		return nil
	}
	return call.Usage("say whose: --account, --credential, --domain, --customer, --plan, --network, --node, --everything or --each, with a value")
}

// subject returns the one that is named, and whose credential it is, "" for others.
func (w *whose) subject(o *call.Opened) (s limit.Subject, login string, err error) {
	if w.Credential.Name == "" {
		return w.literal(), "", nil
	}
	id, login, err := o.Credential(w.Credential.Login, w.Credential.Name)
	return limit.Subject{Kind: limit.Credential, Name: string(id)}, login, err
}
