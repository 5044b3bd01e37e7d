package accounts

import (
	"context"
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/cli/argument"
	"countersign/internal/mail"
)

// standing is the state of an object together with what is above it, which
// decides whether anything of it may send.
type standing struct {
	State account.State `json:"state"`
	// CanSend and SuspendedBy are set by show alone. SuspendedBy names what is
	// suspended above the object, the nearest first: "customer acme".
	CanSend     *bool    `json:"can_send,omitempty"`
	SuspendedBy []string `json:"suspended_by,omitempty"`
}

// String says it in one line.
func (s standing) String() string {
	above, verb := strings.Join(s.SuspendedBy, ", "), "is"
	if last := strings.LastIndex(above, ", "); last >= 0 {
		above, verb = above[:last]+" and "+above[last+2:], "are"
	}
	switch {
	case above == "":
		return string(s.State)
	case s.State == account.Active:
		return "active, but " + above + " " + verb + " suspended: cannot send"
	}
	return string(s.State) + ", as " + verb + " " + above
}

// under completes a standing with what is suspended above the object.
func (s standing) under(above []string) standing {
	s.SuspendedBy = above
	can := s.State == account.Active && len(above) == 0
	s.CanSend = &can
	return s
}

// suspendedAbove names what is suspended above an account: its own plan, then its domain
// and what is above that.
func suspendedAbove(ctx context.Context, store account.Store, a *account.Account) ([]string, error) {
	own, err := suspendedPlan(ctx, store, a.Plan)
	if err != nil {
		return nil, err
	}
	above, err := suspendedDomain(ctx, store, a.Address.Domain)
	if len(own) > 0 && slices.Contains(above, own[0]) { // it is the customer's too
		own = nil
	}
	return append(own, above...), err
}

// suspendedDomain names a domain, if it is suspended, and what is suspended
// above it.
func suspendedDomain(ctx context.Context, store account.Store, name mail.Domain) ([]string, error) {
	d, err := store.Domain(ctx, name)
	if err != nil {
		return nil, err
	}
	above, err := suspendedCustomer(ctx, store, d.Customer)
	return suspended(d.State, domainName{argument.Domain{Domain: name}}.String(), above), err
}

// suspendedCustomer names a customer, if it is suspended, and its plan likewise.
func suspendedCustomer(ctx context.Context, store account.Store, name string) ([]string, error) {
	customer, err := store.Customer(ctx, name)
	if err != nil {
		return nil, err
	}
	above, err := suspendedPlan(ctx, store, customer.Plan)
	return suspended(customer.State, customerName{name}.String(), above), err
}

// suspendedPlan names a plan if it is suspended; none is not.
func suspendedPlan(ctx context.Context, store account.Store, name string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	plan, err := store.Plan(ctx, name)
	return suspended(plan.State, planName{name}.String(), nil), err
}

// suspended puts an object before what is suspended above it, if it is too.
func suspended(state account.State, object string, above []string) []string {
	if state != account.Suspended {
		return above
	}
	return append([]string{object}, above...)
}
