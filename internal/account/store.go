package account

import (
	"context"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
)

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
	// above it, also when suspended; without the secrets of its credentials.
	// fault.NotFound where there is none.
	Sender(ctx context.Context, login string) (*Sender, error)
	// SigningKeys returns the DKIM keys that a domain signs with, which is not those that
	// wait or are past; none for an unknown one.
	SigningKeys(ctx context.Context, domain mail.Domain) ([]Key, error)
}

// CredentialStore is what clients are verified against.
type CredentialStore interface {
	Directory
	UseStore
	// Proofs returns what the account with that login (an Address key) proves
	// itself with, also when suspended. fault.NotFound where there is none. It
	// reads one account and the states above it: what it costs depends on nothing
	// else, and hardly on whether there is such an account.
	Proofs(ctx context.Context, login string) (Proofs, error)
	// RenewSecret puts another form of the same password of a credential in the
	// place of the one with the hash before, and stores the event in the same
	// transaction. Nothing is decided by which of them it is, so revision,
	// generation and Changed stay; Former too. Keys of LegacyMechanisms are left out
	// where at that moment neither account nor plan allows them: who made them may have
	// looked before they were forbidden. fault.Conflict where the stored hash
	// is another one, fault.NotFound where there is no such credential of the
	// account with that login.
	RenewSecret(ctx context.Context, login string, credential mail.ID, before string, after Secret, e audit.Event) error
	// Salt returns 8 octets or more that were drawn when the store was made, and stay.
	Salt(ctx context.Context) ([]byte, error)
	// Costs lists each Secret.Cost that there is once, in any order. It may look at
	// every account.
	Costs(ctx context.Context) ([]string, error)
	// Holders finds the credentials of a kind with one of those subjects, of which
	// there are at most 256, in any order, also those of suspended accounts. What
	// is nobody's is left out.
	Holders(ctx context.Context, kind CredentialKind, subjects []string) ([]Holder, error)
}

// UseStore keeps when credentials were used last.
type UseStore interface {
	// Used keeps those uses that are newer than what is kept of their credentials.
	// One that lies more than UseAhead after the store's own clock is kept as one of
	// now, and one that is kept and lies so gives way to any: a clock that is wrong must
	// not freeze what is kept. What is not kept of a credential that is no more is no
	// error. It is no change
	// of an account: revision and generation stay.
	Used(ctx context.Context, uses []Use) error
	// Uses returns the last uses of the credentials of the account with that login,
	// in any order; of all accounts for "", the latest first, at most limit.
	Uses(ctx context.Context, login string, limit int) ([]Use, error)
}

// Part is a part of a listing by name. The zero value is all of it.
type Part struct {
	// After wants those whose names are behind it, Limit so many at most; 0 for any number.
	After string
	Limit int
}

// DomainQuery says which domains are wanted. The zero value wants all.
type DomainQuery struct {
	// Customers are those whose domains are wanted; none for any.
	Customers []string
	Part
}

// DomainsOf asks for all domains of a customer, or for all that there are for "".
func DomainsOf(customer string) (q DomainQuery) {
	if customer != "" {
		q.Customers = []string{customer}
	}
	return q
}

// PlanStore keeps plans. What putting and removing means stands at Store.
type PlanStore interface {
	// PutPlan creates or changes a plan: see Store.
	PutPlan(ctx context.Context, p Plan, e audit.Event) error
	// Plan returns a plan. fault.NotFound where there is none of that name.
	Plan(ctx context.Context, name string) (Plan, error)
	// Plans lists plans by name.
	Plans(ctx context.Context, part Part) ([]Plan, error)
	// RemovePlan removes a plan: see Store. fault.Conflict while a customer or an
	// account is on it.
	RemovePlan(ctx context.Context, name string, e audit.Event) error
	// OnPlan lists the logins of accounts that have the plan as their own, in order:
	// those behind after ("" for the first), at most limit. A plan that there is not has
	// none.
	OnPlan(ctx context.Context, name, after string, limit int) ([]string, error)
}

// CustomerStore keeps customers. What putting and removing means stands at Store.
type CustomerStore interface {
	// PutCustomer creates or changes a customer: see Store. fault.NotFound for a plan
	// that there is not.
	PutCustomer(ctx context.Context, c Customer, e audit.Event) error
	// Customer returns a customer. fault.NotFound where there is none of that name.
	Customer(ctx context.Context, name string) (Customer, error)
	// Customers lists customers by name.
	Customers(ctx context.Context, part Part) ([]Customer, error)
	// RemoveCustomer removes a customer: see Store. fault.Conflict while it owns a
	// domain.
	RemoveCustomer(ctx context.Context, name string, e audit.Event) error
}

// DomainStore keeps domains with their keys. What putting and removing means stands
// at Store.
type DomainStore interface {
	// PutDomain creates or changes a domain, all its keys included: see Store.
	// fault.NotFound for a customer that there is not.
	PutDomain(ctx context.Context, d Domain, e audit.Event) error
	// Domain returns a domain with its keys. fault.NotFound where there is none of
	// that name.
	Domain(ctx context.Context, name mail.Domain) (Domain, error)
	// Domains lists domains by name, without keys. A customer that there is not has none.
	Domains(ctx context.Context, q DomainQuery) ([]Domain, error)
	// Turning lists by name the domains that have keys which wait or are past, or which
	// sign under one of the selectors and were either made before made or have a zero
	// Turned. It may look at every key.
	Turning(ctx context.Context, selectors []string, made time.Time) ([]mail.Domain, error)
	// RemoveDomain removes a domain with its keys: see Store. fault.Conflict while
	// it has accounts.
	RemoveDomain(ctx context.Context, name mail.Domain, e audit.Event) error
}

// ZoneRecord is the record of a key that was written into the zone of the operator's.
type ZoneRecord struct {
	Domain   mail.Domain
	Selector string
	// Text is Key.Public of the key.
	Text string
}

// ZoneStore remembers what is in the zone that domains have delegated their selectors to,
// also when the key or the domain is removed. It is no change of an object.
type ZoneStore interface {
	// NoteZoneRecord notes that a record is in the zone, or will be; once more is no error.
	NoteZoneRecord(ctx context.Context, r ZoneRecord) error
	// UnheldZoneRecords lists what is noted and of no key that its domain has, by domain, at
	// most limit.
	UnheldZoneRecords(ctx context.Context, limit int) ([]ZoneRecord, error)
	// ForgetZoneRecord says that it is not there any more; what is not noted is no error.
	ForgetZoneRecord(ctx context.Context, r ZoneRecord) error
}

// MaxAdded is how many accounts AddAccounts takes.
const MaxAdded = 100

// AccountQuery says which accounts are wanted. The zero value wants all.
type AccountQuery struct {
	// Domain is theirs; "" for any.
	Domain mail.Domain
	// After wants those whose logins are behind it, Limit so many at most; 0 for any number.
	After string
	Limit int
}

// AccountStore keeps accounts. What putting and removing means stands at Store.
type AccountStore interface {
	// PutAccount creates or changes an account, its aliases, grants and credentials
	// included: see Store. The own address of an account that is created is taken from
	// another one that has it as one of Learned, whose revision is raised; the event of
	// that (YieldEvent) is stored too. fault.Conflict for any other address that is already
	// the own address or an alias of another account, and for a subject that another
	// credential of that kind has; fault.Invalid for two credentials of one name, for a grant that Check refuses, and for
	// one of Learned that is none of Aliases; fault.NotFound for a domain or a plan that
	// there is not.
	PutAccount(ctx context.Context, a Account, e audit.Event) error
	// AddAccounts creates accounts, at most MaxAdded, all of them or none, with their
	// events, one for each: as PutAccount does one by one, and in far less time.
	AddAccounts(ctx context.Context, list []Account, events []audit.Event) error
	// Account returns the account with that login (an Address key). fault.NotFound
	// where there is none.
	Account(ctx context.Context, login string) (Account, error)
	// Accounts lists accounts by login.
	Accounts(ctx context.Context, q AccountQuery) ([]Account, error)
	// RemoveAccount removes the account with that login (an Address key): see Store.
	RemoveAccount(ctx context.Context, login string, e audit.Event) error
}

// AddressStore says whose addresses are.
type AddressStore interface {
	// Owners returns the logins of the accounts that have these addresses (Address
	// keys), as their own or as an alias, by address; at most MaxOwned of them. What is
	// nobody's is left out.
	Owners(ctx context.Context, addresses []string) (map[string]string, error)
	// Grantees lists the logins of accounts with grants, in order.
	Grantees(ctx context.Context, q GranteeQuery) ([]string, error)
}

// GranteeQuery says which accounts with grants are wanted.
type GranteeQuery struct {
	// Under leaves out those that have no grant under this domain; what an earlier release has stored
	// may be among them all the same. "" for any.
	Under mail.Domain
	// Customers are those whose accounts are wanted; none for any.
	Customers []string
	// After wants those whose logins are behind it, Limit so many at most, 1 or more.
	After string
	Limit int
}

// MaxOwned is how many addresses AddressStore.Owners takes.
const MaxOwned = 256

// Store is all of it; an engine implements it. A get of a name that there is not is
// fault.NotFound.
//
// Put, in any of these, creates an object whose Revision is 0
// (fault.Conflict where the name is taken) and changes one whose Revision is
// that of the stored one (fault.Conflict where it has changed since it was
// read, fault.NotFound where it is gone). A named object that does not exist
// (the plan of a customer or an account, a domain's customer, an account's domain) is
// fault.NotFound. Remove is fault.NotFound for an unknown name and
// fault.Conflict while other objects depend on it. Every Put and Remove stores the given event
// in the same transaction, raises the generation, and is durable when it returns. The
// limits of what it removes end in it too, with an event each: see limit.Store.
//
// The waiting deliveries follow. Mail may go while its account exists and is
// active with all above it (Sender.Active), the credential that it was accepted
// under exists and does not recall it (Recall), and each further domain that its
// acceptance relied on (queue.Acceptance.Domains) is an active one of the
// customer that the account's own domain has, or is active, of a customer who is so too, and
// reached by a grant of the account across customers, ended or not. A Put or Remove that changes the
// state of an account, gives it a suspended plan or takes that or a credential from it, or
// has one recall more of its mail, the state or the customer of a domain, or whether a
// customer or a plan is active (a customer is with its plan; no plan counts as
// an active one), looks at all mail of that account, of that domain or relying
// on it, of the domains of that customer and of accounts with grants that reach them, or of the customers and accounts on that plan: it
// holds what may not go, with a reason of queue.HoldsByChange, gives what is held for
// another one of these the reason that it has now, and releases what
// was held for one of them and may go. A submission of which an operator released anything
// (queue.AdminStore.Release) is excused from all credentials that had been taken away or
// recalled it by then; what else of it was held stays so. Each submission whose deliveries change gets one event
// audit.DeliveryHeld or audit.DeliveryReleased, with the reason that it is or was held for
// as its reason, actor and object of the given event, a text of that object and, behind
// a colon, the event's text, and the number of deliveries in Data["deliveries"].
//
// From the moment the change is durable, queue.Store's Due and Waiting no longer
// show what is to be held; states, totals and events follow in portions, between
// which mail flows. Put and Remove return when all have followed, most of it by
// the server where one runs. Where ctx ends or something fails on the way, they
// return nil all the same, as the change stands, and the server goes on, also
// after a crash. All methods are safe for concurrent use, also from several
// processes.
type Store interface {
	CredentialStore
	PlanStore
	CustomerStore
	DomainStore
	ZoneStore
	AccountStore
	AddressStore
}
