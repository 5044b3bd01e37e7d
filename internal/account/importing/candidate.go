package importing

import (
	"context"
	"fmt"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/roster"
	"countersign/internal/audit"
	"countersign/internal/fault"
)

// candidate is a line whose account is to be stored.
type candidate struct {
	*run
	rec    *roster.Record
	place  *place
	result Result
	// together says that a new account is not stored but left in pending, with its
	// event, for whoever stores it with others.
	together bool
	pending  *account.Account
	event    audit.Event
	// prepared is the password in clear, as it is hashed.
	prepared string
}

// tries is how often an account is read again that somebody else changes meanwhile.
const tries = 3

// do stores the account. An error ends the import.
func (c *candidate) do(ctx context.Context) (Result, error) {
	err := c.prepare()
	if err == nil {
		err = c.settle(ctx)
	}
	for n := 1; fault.Is(err, fault.Conflict) && n < tries; n++ {
		err = c.settle(ctx)
	}
	if err == nil {
		return c.result, nil
	}
	if text := why(err); text != "" {
		c.result.Outcome, c.result.Text = Failed, text
		return c.result, nil
	}
	return c.result, err
}

// prepare brings a password in clear into the form that is hashed.
func (c *candidate) prepare() (err error) {
	if c.rec.Password != "" {
		c.prepared, err = account.PreparePassword(c.rec.Password)
	}
	return err
}

// settle adds the account, or does what is wanted with the one that is there.
func (c *candidate) settle(ctx context.Context) error {
	have, err := c.opt.Store.Account(ctx, c.rec.Address.Key())
	if fault.Is(err, fault.NotFound) {
		return c.add(ctx)
	}
	if err != nil {
		return err
	}
	p := have.Password()
	switch {
	case c.as(ctx, p):
		c.end(Unchanged, "it is there already")
	case c.opt.Conflict == Fail:
		c.end(Failed, there(p))
	case c.opt.Conflict == Skip:
		c.end(Skipped, there(p)+"; it was left as it is")
	default:
		return c.replace(ctx, have)
	}
	return nil
}

// there says of an account that it is there, and is not as the list has it.
func there(p *account.Credential) string {
	if p == nil || p.Secret.Hash == "" {
		return "it is there already, without a password"
	}
	return "it is there already, with another password"
}

// end notes what became of the line.
func (c *candidate) end(o Outcome, text string) { c.result.Outcome, c.result.Text = o, text }

// as reports whether a password is the one of the line; a line without one has nothing
// against any.
func (c *candidate) as(ctx context.Context, p *account.Credential) bool {
	switch {
	case c.rec.Hash.Text() == "" && c.prepared == "":
		return true
	case p == nil:
		return false
	}
	h, err := c.opt.Secrets.Hash(ctx, c.rec.Address.Key(), &p.Secret)
	switch {
	case err != nil:
		return false
	case c.prepared == "":
		return h.Text() == c.rec.Hash.Text()
	}
	// Another system has made its hash of what its people typed.
	return h.Matches(c.prepared) || c.rec.Password != c.prepared && h.Matches(c.rec.Password)
}

// secret makes what is stored of the line's password, and says what that is.
func (c *candidate) secret(ctx context.Context) (s account.Secret, text string, err error) {
	switch {
	case c.prepared != "" && c.opt.DryRun:
		return s, "its password hashed", nil
	case c.prepared != "":
		s, err = c.opt.Secrets.MakeSecret(ctx, c.rec.Address.Key(), c.prepared, account.Password, c.place.legacy)
		return s, "its password hashed", err
	case c.rec.Hash.Text() == "":
		return s, "without a password", nil
	}
	text = "its hash kept (" + c.rec.Hash.Cost().String() + ")"
	if mechanism := c.opt.Secrets.KeyIn(c.rec.Hash); mechanism != "" {
		keys, _ := c.rec.Hash.SCRAM()
		text = fmt.Sprintf("its hash kept, as a key of %s too (%d iterations)", mechanism, keys.Iterations)
		c.mu.Lock()
		c.iterations[keys.Iterations] = true
		c.mu.Unlock()
	}
	if !c.opt.DryRun {
		s, err = c.opt.Secrets.Imported(ctx, c.rec.Address.Key(), c.rec.Hash)
	}
	return s, text, err
}

// add stores a new account.
func (c *candidate) add(ctx context.Context) error {
	secret, text, err := c.secret(ctx)
	if err != nil {
		return err
	}
	if c.rec.Suspended {
		text += ", suspended"
	}
	c.end(Added, text)
	if c.opt.DryRun {
		return c.free()
	}
	now := c.now()
	a := account.Account{
		ID: c.opt.IDs.New(), Address: c.rec.Address, State: account.Active, Aliases: c.rec.Aliases, Created: now,
	}
	if c.rec.Suspended {
		a.State = account.Suspended
	}
	if secret.Hash != "" {
		a.Credentials = []account.Credential{{
			ID: c.opt.IDs.New(), Kind: account.Password, Name: account.PasswordName, Secret: secret, Created: now, Changed: now,
		}}
	}
	return c.put(ctx, a, audit.AdminAdded, "imported, "+text)
}

// free refuses addresses that belong to another account, as the store would.
func (c *candidate) free() error {
	for _, a := range append(c.rec.Aliases[:len(c.rec.Aliases):len(c.rec.Aliases)], c.rec.Address) {
		if owner, taken := c.place.taken[a.Key()]; taken {
			return fault.New("account.import", fault.Conflict, "address %s belongs to account %s already", a, owner)
		}
	}
	return nil
}

// replace gives an account the line's password.
func (c *candidate) replace(ctx context.Context, a account.Account) error {
	secret, text, err := c.secret(ctx)
	if err != nil {
		return err
	}
	c.end(Replaced, text)
	if c.opt.DryRun {
		return nil
	}
	now := c.now()
	p := a.Password()
	if p == nil {
		a.Credentials = append(a.Credentials, account.Credential{ID: c.opt.IDs.New(), Kind: account.Password, Name: account.PasswordName, Created: now})
		p = &a.Credentials[len(a.Credentials)-1]
	}
	p.Replace(secret, now)
	return c.put(ctx, a, audit.AdminChanged, "password imported, "+text)
}

// put stores an account with the event of it.
func (c *candidate) put(ctx context.Context, a account.Account, kind audit.Kind, text string) error {
	e := audit.Event{At: c.now(), Kind: kind, Actor: c.opt.Actor, Object: "account " + a.Address.String(), Login: a.Login(), Text: text}
	if c.together && kind == audit.AdminAdded {
		c.pending, c.event = &a, e
		return nil
	}
	return c.opt.Store.PutAccount(ctx, a, e)
}

// now is the time to the microsecond in UTC, as events and objects keep it.
func (c *candidate) now() time.Time { return c.opt.Now().UTC().Truncate(time.Microsecond) }
