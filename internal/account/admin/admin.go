package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Options are what an Admin is made of. All fields are needed, but Rule and Now.
type Options struct {
	Store   account.Store
	Secrets account.SecretMaker
	IDs     *mail.IDSource
	// Rule decides on new passwords; nil means by their length alone.
	Rule account.Rule
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Actor is who does it, as the record shall name them: "cli:root".
	Actor string
}

// Admin changes who may send. Each method checks its input, makes one change
// in one transaction, and writes one event with it. It is safe for concurrent
// use, also beside other processes: where an object changed between reading
// and writing, the answer is fault.Conflict and nothing has happened.
//
// Other errors are those of Store, and fault.Invalid with a sentence that says
// what is wrong with the input.
type Admin struct {
	opt Options
}

// New returns an Admin.
func New(opt Options) *Admin {
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

// stateEvent names the kind of event that belongs to a new state.
func stateEvent(to account.State) audit.Kind {
	if to == account.Suspended {
		return audit.AdminSuspended
	}
	return audit.AdminResumed
}

// turn refuses to put an object into the state that it is in.
func turn(object string, from, to account.State) error {
	if from != to {
		return nil
	}
	if to == account.Active {
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
