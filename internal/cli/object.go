package cli

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
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

// change is a method of account.Admin.
type change[V any] = func(*account.Admin, context.Context, V) error

// acts returns the acts that every kind of object knows.
func acts[S subject[V], V any](suspend, resume, remove change[V]) (s, r, d act[S, V]) {
	return act[S, V]{done: "suspended", do: suspend}, act[S, V]{done: "resumed", do: resume}, act[S, V]{done: "removed", do: remove}
}

// Run does it.
func (a *act[S, V]) Run(c *call) error {
	return c.administer(a.Of.String()+" "+a.done, func(admin *account.Admin) error {
		return a.do(admin, c.ctx, a.Of.name())
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

// asJSON is the flag that every listing has.
type asJSON struct {
	JSON bool `help:"Print JSON."`
}

// list prints what find returns, each seen as view makes it and printed as
// cells under heads.
func list[T, V any](c *call, flag asJSON, heads []string, view func(T) V, cells func(V) []string, find func(Store) ([]T, error)) error {
	return c.with(func(o *opened) error {
		objects, err := find(o.store)
		if err != nil {
			return err
		}
		return table.List(c.stdout, flag.JSON, views(objects, view), heads, cells)
	})
}

// show prints one object, which adds a row for each thing there is to say.
func (c *call) show(flag asJSON, v interface{ details(table.Table) }) error {
	if flag.JSON {
		return table.JSON(c.stdout, v)
	}
	t := table.New(c.stdout)
	v.details(t)
	return t.Flush()
}

// views turns objects into what is printed of them.
func views[T, V any](objects []T, view func(T) V) []V {
	out := make([]V, 0, len(objects))
	for _, o := range objects {
		out = append(out, view(o))
	}
	return out
}

// missing names the object that a store did not find.
func missing(err error, object string) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New("cli.show", fault.NotFound, "%s does not exist", object)
	}
	return err
}
