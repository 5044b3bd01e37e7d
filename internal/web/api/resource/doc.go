// Package resource is what the API is about: bans, access lists, limits, grants, the guard,
// accounts and what is above them. Each file has the operations of one resource as rows of
// the table, with what they take and answer.
//
// What may be set, and what is refused as a mistake, is decided where the command line has it
// decided, too (packages access, access/list, limit, account/admin, access/guard), in the
// name of the client. Here is decided what a client with customers of its own sees of it:
// anything else is for it as if it were not there.
//
// Main types: Options; function Table.
package resource

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/guard"
	"countersign/internal/access/list"
	"countersign/internal/access/list/book"
	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/policy/rounds"
	"countersign/internal/shown"
	"countersign/internal/web/api"
	"countersign/internal/web/api/reseller"
	"countersign/internal/web/api/resource/limits"
)

// Store is what is asked and changed.
type Store interface {
	account.Store
	access.Store
	list.Store
	guard.Store
	limit.Store
	limit.Counts
	limit.Holders
	audit.Store
	node.Store
	rounds.Store
}

// Options are what the operations work with. All fields are needed.
type Options struct {
	Store Store
	// Entries are those of access lists, as the gate has them in memory.
	Entries *book.Book
	IDs     *mail.IDSource
	Now     func() time.Time
	// Accounts returns the administration of accounts, in the name of an actor.
	Accounts func(actor string) *admin.Admin
	// Window is in which failures count for the guard.
	Window func() time.Duration
	// Useful refuses an entry of an access list that the configuration would make nothing of.
	Useful func(of list.Subject, what list.What) error
	// Place says where a client is.
	Place func(client netip.Addr) list.Place
	// Explain says what the gate would answer to a message.
	Explain func(ctx context.Context, q Question) (*Verdict, error)
	// Look looks a domain up as receivers do, in the name of an actor, and keeps what it finds.
	Look func(ctx context.Context, actor string, d account.Domain) (shown.Alignment, error)
}

// scope is what a request may see.
func (o *Options) scope(r *api.Request) *reseller.Scope { return reseller.Of(o.Store, r) }

// Table returns all operations.
func Table(o Options) []api.Operation {
	return slices.Concat(
		bans{o}.rows(), entries{o}.rows(), limits.Rows(limits.Options{Store: o.Store, IDs: o.IDs, Now: o.Now}), grants{o}.rows(), guarded{o}.rows(),
		plans{o}.rows(), customers{o}.rows(), domains{o}.rows(), accounts{o}.rows(), explanations{o}.rows(),
	)
}
