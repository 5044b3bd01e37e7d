package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// AdminOptions are what an Admin is made of. All fields are needed, but Rule and Now.
type AdminOptions struct {
	Store   Store
	Secrets SecretMaker
	IDs     *mail.IDSource
	// Rule decides on new passwords; nil means by their length alone.
	Rule Rule
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Actor is who does it, as the record shall name them: "cli:root".
	Actor string
}

// SecretMaker turns a new password into what is stored of it.
type SecretMaker interface {
	// MakeSecret makes the secret of a password, which PreparePassword has prepared,
	// for a credential of that kind of the account with that login; legacy says whether with the keys that
	// Account.Legacy is about. Former is left empty. Errors: fault.Busy with reason
	// "auth-busy" where too many wait, fault.Canceled where ctx ended meanwhile.
	MakeSecret(ctx context.Context, login, password string, kind CredentialKind, legacy bool) (Secret, error)
}

// Rule decides whether a text may become a password.
type Rule interface {
	// Check decides on a password, which PreparePassword has prepared. Errors:
	// fault.Invalid with a sentence for whoever chose it, which does not repeat it;
	// any other where it cannot tell, and then the password is not taken.
	Check(ctx context.Context, password string, about About) error
}

// About is what a Rule is told of the account that a password is for.
type About struct {
	// Login and Customer are the account's, Aliases its further addresses.
	Login, Customer string
	Aliases         []string
	// Earlier are the hashes of its passwords, the present one first; none of an
	// account that has none yet.
	Earlier []string
}

// Admin changes who may send. Each method checks its input, makes one change
// in one transaction, and writes one event with it. It is safe for concurrent
// use, also beside other processes: where an object changed between reading
// and writing, the answer is fault.Conflict and nothing has happened.
//
// Other errors are those of Store, and fault.Invalid with a sentence that says
// what is wrong with the input.
type Admin struct {
	opt AdminOptions
}

// NewAdmin returns an Admin.
func NewAdmin(opt AdminOptions) *Admin {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Admin{opt: opt}
}

// event makes the event of a change. object is "account a@example.org", text
// what changed.
func (a *Admin) event(kind audit.Kind, object, text string) audit.Event {
	return audit.Event{At: a.now(), Kind: kind, Actor: a.opt.Actor, Object: object, Text: text}
}

// now is the time to the microsecond in UTC, as events and objects keep it.
func (a *Admin) now() time.Time { return a.opt.Now().UTC().Truncate(time.Microsecond) }

// maxName is the longest name of a plan, customer or credential, that of a DNS label.
const maxName = 63

// CheckName refuses names that are awkward in commands, logs and URLs: fault.Invalid.
// what says what is named: "plan".
func CheckName(what, name string) error {
	const op = "account.name"
	if name == "" || len(name) > maxName {
		return fault.New(op, fault.Invalid, "the name of a %s has 1 to %d characters", what, maxName)
	}
	for i, c := range name {
		plain := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !plain && (i == 0 || c != '-' && c != '_' && c != '.') {
			return fault.New(op, fault.Invalid, "%q cannot name a %s: use a-z and 0-9, then also - _ and .", name, what)
		}
	}
	return nil
}

// stateEvent names the kind of event that belongs to a new state.
func stateEvent(to State) audit.Kind {
	if to == Suspended {
		return audit.AdminSuspended
	}
	return audit.AdminResumed
}

// turn refuses to put an object into the state that it is in.
func turn(object string, from, to State) error {
	if from != to {
		return nil
	}
	if to == Active {
		return fault.New("account.resume", fault.Conflict, "%s is not suspended", object)
	}
	return fault.New("account.suspend", fault.Conflict, "%s is suspended already", object)
}

// maxNamed is how many dependents a refusal names.
const maxNamed = 3

// inUse refuses to remove an object that others depend on; nil where users is
// empty.
func inUse(object, what string, users []string) error {
	if len(users) == 0 {
		return nil
	}
	return fault.New("account.remove", fault.Conflict, "%s is used by %s %s; remove or change those first", object, what, fewOf(users))
}

// fewOf lists the first of the names and the number of the others.
func fewOf(names []string) string {
	list := strings.Join(names[:min(len(names), maxNamed)], ", ")
	if more := len(names) - maxNamed; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// named gives NotFound errors of the store the name of the object, and Conflict
// errors the given text where the store itself has no sentence for them.
func named(err error, object, conflict string) error {
	var e *fault.Error
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.New("account", fault.NotFound, "%s does not exist", object)
	case fault.Is(err, fault.Conflict) && errors.As(err, &e) && e.Detail == "":
		return &fault.Error{Op: "account", Kind: fault.Conflict, Detail: object + " " + conflict, Err: e.Err}
	}
	return err
}

// Texts for named: what a conflict means.
const (
	taken   = "exists already"
	changed = "was changed by somebody else meanwhile; look at it and try again"
	used    = "is still used by others"
)

// customerOf returns the customer that owns a domain.
func (a *Admin) customerOf(ctx context.Context, domain mail.Domain) (string, error) {
	d, err := a.opt.Store.Domain(ctx, domain)
	if err != nil {
		return "", named(err, objectDomain(domain), "")
	}
	return d.Customer, nil
}

// The names of objects in events and refusals.
func objectPlan(name string) string             { return "plan " + name }
func objectCustomer(name string) string         { return "customer " + name }
func objectDomain(name mail.Domain) string      { return "domain " + name.String() }
func objectAccount(address mail.Address) string { return "account " + address.String() }
