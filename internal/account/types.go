package account

import (
	"slices"
	"time"

	"countersign/internal/mail"
)

// State says whether an object may be used.
type State string

// The states. A suspended object also stops everything below it: plan, then
// customer, then domain, then account.
const (
	Active    State = "active"
	Suspended State = "suspended"
)

// Plan is a named set of limits and permissions, of customers and of single accounts. A
// zero limit means that the server's own limit alone applies.
type Plan struct {
	Name string
	// MaxRecipients bounds the recipients of one message.
	MaxRecipients int
	// MaxMessageBytes bounds the size of one message in octets.
	MaxMessageBytes int64
	// MaxMessages bounds the messages of one session.
	MaxMessages int
	// Legacy is Account.Legacy for every account that the plan decides about.
	Legacy bool
	// SenderMode is for accounts without one of their own; "" is Enforce.
	SenderMode SenderMode
	State      State
	Created    time.Time
	// Revision is 0 for an object not stored yet; see Store.
	Revision int64
}

// Customer is who is billed; it owns domains.
type Customer struct {
	Name string
	// Plan names a plan, "" for none.
	Plan     string
	State    State
	Created  time.Time
	Revision int64
}

// Key is one DKIM key of a domain.
type Key struct {
	Selector string
	// Algorithm is "rsa" or "ed25519" (RFC 6376 section 3.3, RFC 8463).
	Algorithm string
	// Public is the value of the TXT record to publish.
	Public string
	// Sealed is the private key, encrypted; package dkim opens it.
	Sealed  []byte
	Created time.Time
	// Stage is what the key is for at the moment.
	Stage Stage
	// Turned is when a waiting key was first found published, zero before, and when a
	// past one stopped to sign.
	Turned time.Time
}

// Stage is what a signing key is for.
type Stage string

// The stages. A key begins with Signing, or with Waiting where others sign already.
const (
	// Signing: messages are signed with it.
	Signing Stage = ""
	// Waiting: it signs as soon as receivers find it.
	Waiting Stage = "waiting"
	// Past: it signs no more. Its record is needed until what it has signed has arrived.
	Past Stage = "past"
)

// Domain is a sender domain.
type Domain struct {
	Name     mail.Domain
	Customer string
	State    State
	// Alignment is what is done about messages with this domain in From that will fail DMARC.
	Alignment Alignment
	Keys      []Key
	Created   time.Time
	Revision  int64
}

// Account is a login with credentials, member of one domain.
type Account struct {
	// ID never changes and is never used again.
	ID mail.ID
	// Address is the account's own address; its Key is the login.
	Address mail.Address
	State   State
	// Directory names the one outside the store that knows the account's
	// password; "" where the store does.
	Directory string
	// Plan names a plan of its own, which decides in place of the customer's; "" for
	// none.
	Plan string
	// PlanLearned says that the directory has named Plan, so that it goes where that
	// names none any more.
	PlanLearned bool
	// Legacy lets the account's passwords be kept in forms that are as good as
	// the passwords themselves, sealed, which CRAM-MD5 and DIGEST-MD5 need.
	Legacy bool
	// Credentials are what it proves itself with, by name.
	Credentials []Credential
	// NullSender allows "<>" as MAIL FROM.
	NullSender bool
	// Aliases are further addresses of its own.
	Aliases []mail.Address
	// Learned are those of Aliases that the directory has named, and that go where it
	// does not name them any more; all others an operator has given.
	Learned []mail.Address
	// Grants are addresses and domains that it may use, of the same customer unless they
	// say otherwise.
	Grants []Granted
	// SenderMode says what becomes of mail under addresses that are not its own; "" leaves
	// it to the plan.
	SenderMode SenderMode
	Created    time.Time
	Revision   int64
}

// Login returns the name under which the account authenticates.
func (a *Account) Login() string { return a.Address.Key() }

// PlanGiven reports whether an operator has given the account its plan: no directory then
// gives it another one.
func (a *Account) PlanGiven() bool { return a.Plan != "" && !a.PlanLearned }

// Under lists the domains that the account's own address, aliases and grants
// are in, each once.
func (a *Account) Under() []mail.Domain {
	list := []mail.Domain{a.Address.Domain}
	for _, alias := range a.Aliases {
		list = append(list, alias.Domain)
	}
	for i := range a.Grants {
		list = append(list, a.Grants[i].Under())
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Sender is an account with everything that decides what it may do, read in one
// consistent look at the store. It is immutable once made.
type Sender struct {
	// Account comes without the secrets of its credentials.
	Account  Account
	Domain   Domain // without Keys
	Customer Customer
	// Plan is the one that decides: the account's own, else the customer's; zero where
	// neither has one.
	Plan Plan
	// CustomerPlan is the customer's; zero where it has none.
	CustomerPlan Plan
	// Domains are, of the domains that the account's addresses and grants are
	// in, those that are active and the customer's.
	Domains map[mail.Domain]bool
	// Lent are, of the domains of other customers that grants of the account reach across
	// customers, those that are active, as are the customer that has them and its plan.
	Lent map[mail.Domain]bool
	// Alignment has what is set for those of Domains and Lent for which something is; nil for
	// none.
	Alignment map[mail.Domain]Alignment
	// Generation is the store's generation that this was read at.
	Generation uint64
}

// Active reports whether account, domain, customer and their plans, as far as there
// are any, all are. A suspended plan of the customer stops accounts with a plan of
// their own too.
func (s *Sender) Active() bool {
	return s.Account.State == Active && s.Domain.State == Active && s.Customer.State == Active &&
		(s.Account.Plan == "" || s.Plan.State == Active) && (s.Customer.Plan == "" || s.CustomerPlan.State == Active)
}

// Suspended names what of the account and all above it is suspended, by kind and name:
// "domain example.org"; nothing where it is Active.
func (s *Sender) Suspended() (list []string) {
	add := func(stopped bool, object string) {
		if stopped {
			list = append(list, object)
		}
	}
	add(s.Account.State != Active, "account "+s.Account.Address.String())
	add(s.Domain.State != Active, "domain "+s.Domain.Name.String())
	add(s.Customer.State != Active, "customer "+s.Customer.Name)
	add(s.Account.Plan != "" && s.Plan.State != Active, "plan "+s.Account.Plan)
	add(s.Customer.Plan != "" && s.Customer.Plan != s.Account.Plan && s.CustomerPlan.State != Active, "plan "+s.Customer.Plan)
	return list
}
