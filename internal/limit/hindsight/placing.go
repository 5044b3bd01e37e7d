package hindsight

import (
	"context"
	"net/netip"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/network"
	"countersign/internal/limit/simulation"
	"countersign/internal/node"
)

// placing says as what somebody of the past is counted: by what the record has of them, and of a
// customer or a plan by what is so now.
type placing struct {
	ctx   context.Context
	store Store
	of    limit.Subject
	// only says that no gates share the store.
	only bool
	// found are the names that logins are counted by, as far as they were looked up.
	found map[string]string
	// failed is why one could not be looked up, nil while all could.
	failed error
}

// newPlacing returns that of a subject. Errors are those of the store.
func newPlacing(ctx context.Context, store Store, of limit.Subject) (*placing, error) {
	p := &placing{ctx: ctx, store: store, of: of, found: map[string]string{}}
	if of.Kind != limit.Node {
		return p, nil
	}
	nodes, err := store.Nodes(ctx)
	p.only = len(nodes) == 1 && nodes[0].ID == node.Only
	return p, err
}

// byLogin reports whether the login alone says it, so that it is known of deliveries too.
func (p *placing) byLogin() bool {
	switch p.of.Kind {
	case limit.Credential, limit.Network, limit.Node:
		return false
	}
	return true
}

// place is simulation.Options.Of.
func (p *placing) place(by simulation.Sender) (name string, placed simulation.Placed) {
	switch p.of.Kind {
	case limit.Credential:
		if by.Credential == limit.NoCredential {
			return "", simulation.Elsewhere
		}
		return p.among(by.Credential)
	case limit.Node:
		if by.Node == "" && p.only {
			by.Node = node.Only
		}
		return p.among(by.Node)
	case limit.Account:
		return p.among(by.Login)
	case limit.Domain:
		return p.among(by.Login[strings.LastIndexByte(by.Login, '@')+1:])
	case limit.Network:
		client, _ := netip.ParseAddr(by.Client) // of none there is no network
		return p.among(network.Of(client))
	case limit.Everything:
		return "", simulation.Here
	}
	return p.holder(by.Login)
}

// among places a name; "" is one that is not known.
func (p *placing) among(name string) (string, simulation.Placed) {
	switch {
	case name == "":
		return "", simulation.Unknown
	case p.of.Name == limit.Each || name == p.of.Name:
		return name, simulation.Here
	}
	return "", simulation.Elsewhere
}

// holder places a login under a customer or a plan.
func (p *placing) holder(login string) (string, simulation.Placed) {
	name, known := p.found[login]
	if !known {
		var err error
		if name, err = p.heldBy(login); err != nil && p.failed == nil {
			p.failed = err
		}
		p.found[login] = name
	}
	if name == "" {
		return "", simulation.Elsewhere
	}
	return name, simulation.Here
}

// heldBy returns as what a login is counted under a customer or plan as they are now; "" for
// not at all, as for a login that is no more.
func (p *placing) heldBy(login string) (string, error) {
	sender, err := p.store.Sender(p.ctx, login)
	switch {
	case fault.Is(err, fault.NotFound):
		return "", nil
	case err != nil:
		return "", err
	case p.of.Kind == limit.Plan && sender.Plan.Name == p.of.Name:
		return login, nil
	case p.of.Kind == limit.Customer && (p.of.Name == limit.Each || sender.Customer.Name == p.of.Name):
		return sender.Customer.Name, nil
	}
	return "", nil
}

// called is the name of a tally for people: of a credential LOGIN/NAME, while there is one.
func (p *placing) called(t *simulation.Tally) (string, error) {
	if p.of.Kind != limit.Credential {
		return t.Name, nil
	}
	sender, err := p.store.Sender(p.ctx, t.Login)
	if fault.Is(err, fault.NotFound) {
		return t.Name, nil
	}
	if err != nil {
		return "", err
	}
	for i := range sender.Account.Credentials {
		if c := &sender.Account.Credentials[i]; string(c.ID) == t.Name {
			return t.Login + "/" + c.Name, nil
		}
	}
	return t.Name, nil
}
