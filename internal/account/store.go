package account

import (
	"context"

	"countersign/internal/audit"
	"countersign/internal/mail"
)

// Put in the stores below creates an object whose Revision is 0
// (fault.Conflict where the name is taken) and changes one whose Revision is
// that of the stored one (fault.Conflict where it has changed since it was
// read, fault.NotFound where it is gone). A named object that does not exist
// (a customer's plan, a domain's customer, an account's domain) is
// fault.NotFound. Remove is fault.NotFound for an unknown name and
// fault.Conflict while other objects depend on it. Every Put and Remove stores the given event
// in the same transaction, raises the generation, and is durable when it returns.
//
// The waiting deliveries follow. Mail may go while its account exists and is
// active with all above it (Sender.Active), and each further domain that its
// acceptance relied on (queue.Acceptance.Domains) is an active one of the
// customer that the account's own domain has. A Put or Remove that changes the
// state of an account, the state or the customer of a domain, or whether a
// customer or a plan is active (a customer is with its plan; no plan counts as
// an active one), looks at all mail of that account, of that domain or relying
// on it, of the domains of that customer, or of the customers on that plan: it
// holds what may not go, with the reason queue.HoldSuspended, and releases what
// was held for that reason and may go. What an operator released meanwhile stays
// so until such a change. Each submission whose deliveries change gets one event
// audit.DeliveryHeld or audit.DeliveryReleased, with queue.HoldSuspended as its
// reason, actor and object of the given event, a text of that object and, behind
// a colon, the event's text, and the number of deliveries in Data["deliveries"].
//
// From the moment the change is durable, queue.Store's Due and Waiting no longer
// show what is to be held; states, totals and events follow in portions, between
// which mail flows. Put and Remove return when all have followed, most of it by
// the server where one runs. Where ctx ends or something fails on the way, they
// return nil all the same, as the change stands, and the server goes on, also
// after a crash. All methods are safe for concurrent use, also from several
// processes.

// Directory is what the server asks while mail flows.
type Directory interface {
	// Generation returns a number that every Put and Remove raises. It is cheap.
	Generation(ctx context.Context) (uint64, error)
	// Changed returns a channel that is closed once the generation may have been
	// raised. told says that this holds for the changes of every process at
	// present, else for this one's alone; the channel is closed when told changes.
	// A store may miss some: Generation is to be asked now and then all the same.
	Changed() (changed <-chan struct{}, told bool)
	// Sender returns the account with that login (an Address key) and what is
	// above it, also when suspended. fault.NotFound where there is none.
	Sender(ctx context.Context, login string) (*Sender, error)
	// SigningKeys returns the DKIM keys of a domain; none for an unknown one.
	SigningKeys(ctx context.Context, domain mail.Domain) ([]Key, error)
}

// CredentialStore is what passwords are verified against.
type CredentialStore interface {
	Directory
	// Credential returns what the account with that login (an Address key)
	// proves itself with, also when suspended. fault.NotFound where there is
	// none. It reads one account and the states above it: what it costs depends
	// on nothing else, and hardly on whether there is such an account.
	Credential(ctx context.Context, login string) (Credential, error)
	// RenewHash puts another hash of the same password in the place of before,
	// and stores the event in the same transaction. Nothing is decided by which
	// of them it is, so revision, generation and PasswordChanged stay.
	// fault.Conflict where the stored hash is another one, fault.NotFound where
	// there is no such account.
	RenewHash(ctx context.Context, login, before, after string, e audit.Event) error
	// HashCosts lists the parameters ("m=19456,t=2,p=1") that stored argon2id
	// hashes have, each once, in any order. It may look at every account.
	HashCosts(ctx context.Context) ([]string, error)
}

// PlanStore keeps plans.
type PlanStore interface {
	PutPlan(ctx context.Context, p Plan, e audit.Event) error
	Plan(ctx context.Context, name string) (Plan, error)
	Plans(ctx context.Context) ([]Plan, error)
	RemovePlan(ctx context.Context, name string, e audit.Event) error
}

// CustomerStore keeps customers.
type CustomerStore interface {
	PutCustomer(ctx context.Context, c Customer, e audit.Event) error
	Customer(ctx context.Context, name string) (Customer, error)
	Customers(ctx context.Context) ([]Customer, error)
	RemoveCustomer(ctx context.Context, name string, e audit.Event) error
}

// DomainStore keeps domains with their keys.
type DomainStore interface {
	PutDomain(ctx context.Context, d Domain, e audit.Event) error
	Domain(ctx context.Context, name mail.Domain) (Domain, error)
	// Domains lists the domains of a customer, or all for "", without keys.
	Domains(ctx context.Context, customer string) ([]Domain, error)
	RemoveDomain(ctx context.Context, name mail.Domain, e audit.Event) error
}

// AccountStore keeps accounts. An address that is already the own address or an alias of
// another account is fault.Conflict in PutAccount.
type AccountStore interface {
	PutAccount(ctx context.Context, a Account, e audit.Event) error
	Account(ctx context.Context, login string) (Account, error)
	// Accounts lists the accounts of a domain, or all for "".
	Accounts(ctx context.Context, domain mail.Domain) ([]Account, error)
	RemoveAccount(ctx context.Context, login string, e audit.Event) error
}

// Store is all of it; an engine implements it.
type Store interface {
	CredentialStore
	PlanStore
	CustomerStore
	DomainStore
	AccountStore
}
