package accounts

import (
	"context"

	"countersign/internal/account/admin"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/mail"
)

// subject is the argument that names an object; V is how package account knows
// it. Its String is "customer acme".
type subject[V any] interface {
	name() V
	String() string
}

// act is a command that does one thing to one object and takes nothing but its
// name.
type act[S subject[V], V any] struct {
	Of S `embed:""`
	// done is what has happened then: "suspended".
	done string
	do   change[V]
}

// change is a method of admin.Admin.
type change[V any] = func(*admin.Admin, context.Context, V) error

// acts returns the acts that every kind of object knows.
func acts[S subject[V], V any](suspend, resume, remove change[V]) (s, r, d act[S, V]) {
	return act[S, V]{done: "suspended", do: suspend}, act[S, V]{done: "resumed", do: resume}, act[S, V]{done: "removed", do: remove}
}

// Run does it.
func (a *act[S, V]) Run(c *call.Call) error {
	return c.Administer(a.Of.String()+" "+a.done, func(by *admin.Admin) error {
		return a.do(by, c.Ctx, a.Of.name())
	})
}

// planName is the argument that names a plan.
type planName struct {
	Name string `arg:"" help:"Its name."`
}

func (n planName) name() string   { return n.Name }
func (n planName) String() string { return "plan " + n.Name }

// customerName is the argument that names a customer.
type customerName struct {
	Name string `arg:"" help:"Its name."`
}

func (n customerName) name() string   { return n.Name }
func (n customerName) String() string { return "customer " + n.Name }

// domainName is the argument that names a domain.
type domainName struct {
	Name argument.Domain `arg:"" help:"The domain name."`
}

func (n domainName) name() mail.Domain { return n.Name.Domain }
func (n domainName) String() string    { return "domain " + n.Name.String() }

// accountName is the argument that names an account.
type accountName struct {
	Address argument.Address `arg:"" help:"Its address."`
}

func (n accountName) name() mail.Address { return n.Address.Address }
func (n accountName) String() string     { return "account " + n.Address.String() }
