package login

import (
	"context"
	"slices"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/fault"
	"countersign/internal/login/pool"
	"countersign/internal/login/secrets"
	"countersign/internal/login/why"
)

// Password returns who the login and the password belong to. authzid is whom the
// client wants to act as, "" for nobody else.
//
// An unknown login, a wrong password, an account without one, a credential that may not
// be used from there, so or any more, and a suspended account, domain, customer or plan
// are one and the same fault.Unauthenticated
// with reason "auth-failed", after the same work: one short look at the store,
// one derivation of each of the kinds in use (two, where what was sent is another text than its
// form of account.PreparePassword), and one question to each directory of the
// login's domain. A right password
// that was remembered costs no derivation and waits for none; nor does one that the gate
// has generated.
//
// Other errors: fault.Busy with reason "auth-busy" where too many wait, of
// which strangers give way first, then those that share network or login with the most
// others;
// fault.Unavailable with reason "auth-unavailable" where the store cannot be
// asked, and for all that fails in a domain of which a directory cannot be; fault.Canceled where ctx ended.
func (v *Verifier) Password(ctx context.Context, a Attempt, authzid, login, password string) (*account.Principal, error) {
	l, err := v.look(ctx, login)
	if err != nil {
		return nil, err
	}
	l.heed(v, &a)
	typed := secrets.NewTyped(password)
	if l.cause == nil {
		if c := v.cheap(&a, &l, typed); c != nil {
			p, err := v.admit(ctx, &a, &l, authzid, c)
			switch {
			case err != nil: // a right password is not to show by how soon it is refused
				return nil, v.level(ctx, v.effort(&a, l.login, typed), err)
			case l.proofs.Directory != "" && c.Kind == account.Password:
				p.Until = v.opt.Now().Add(askAgain)
			case c.Kind == account.AppPassword:
				v.renewKeys(ctx, &a, &l, c, typed)
			}
			return p, nil
		}
	}
	var p *account.Principal
	e := v.effort(&a, l.login, typed)
	if sources := v.sources(&l); len(sources) > 0 || l.proofs.Directory != "" {
		p, err = v.elsewhere(ctx, e, &l, authzid, sources)
	} else {
		p, err = v.slow(ctx, e, &l, authzid)
	}
	if err != nil {
		return nil, v.level(ctx, e, err)
	}
	return p, nil
}

// cheap returns the usable credential whose password it is, where that can be told
// without a derivation.
func (v *Verifier) cheap(a *Attempt, l *look, password secrets.Typed) *account.Credential {
	generated := secrets.Generated(password.Plain())
	for i := range l.proofs.Credentials {
		c := &l.proofs.Credentials[i]
		switch {
		case !c.Kind.Secret():
			continue
		case c.Kind == account.Password && !v.remember.Knows(&l.proofs, c.ID, password.Raw) && !v.remember.Knows(&l.proofs, placed(c, a), password.Raw):
			continue
		case c.Kind == account.AppPassword && !secrets.Cheaply(c.Secret.Hash, generated):
			continue
		}
		cause := v.usable(a, &l.proofs, c)
		if cause == nil {
			return c
		}
		l.cause = cause // for the record, after as much work as any failure
	}
	return nil
}

// slow derives. Whatever is wrong, it costs the same.
func (v *Verifier) slow(ctx context.Context, e *effort, l *look, authzid string) (*account.Principal, error) {
	a, password := e.attempt, e.password
	c, stored, cause := v.passwordOf(l)
	if l.cause != nil {
		cause = l.cause
	}
	t := secrets.Trial{Stored: stored}
	var secret *account.Secret
	var p *account.Principal
	var unusable, refused error
	if c != nil {
		unusable = v.usable(a, &l.proofs, c)
		e.ticket.First = v.knows(a, l.login, c)
		t.Hopeless = unusable != nil || cause != nil
		t.Vain = func() bool { p, refused = v.admit(ctx, a, l, authzid, c); return refused != nil }
		t.Then = func() { secret = v.opt.Maker.Remake(c, stored, l.login, password, l.proofs.Legacy) }
	}
	same, err := v.try(ctx, e, t)
	if err != nil {
		return nil, err
	}
	switch {
	case cause != nil:
		return nil, why.Failure(cause)
	case !same && password.Prepared == "":
		return nil, why.Failure(why.ErrPrepared)
	case !same:
		return nil, why.Failure(why.ErrWrong)
	case unusable != nil:
		return nil, why.Failure(unusable)
	case refused != nil:
		return nil, refused
	}
	v.renew(ctx, a, l, c, secret)
	v.remember.Add(&l.proofs, c.ID, password.Raw)
	return p, nil
}

// renew stores a secret that was made anew, nil for none. Where that fails, the old one
// stays, and the next login that derives it tries again.
func (v *Verifier) renew(ctx context.Context, a *Attempt, l *look, c *account.Credential, secret *account.Secret) {
	if secret == nil {
		return
	}
	err := v.opt.Store.RenewSecret(ctx, l.login, c.ID, c.Secret.Hash, *secret, v.renewed(a, l.login, "password stored in the forms of the day"))
	switch {
	case err == nil, v.opt.NotRenewed == nil, ctx.Err() != nil:
	case fault.Is(err, fault.Conflict), fault.Is(err, fault.NotFound): // somebody else has changed it meanwhile
	case v.unrenewed.May():
		v.opt.NotRenewed(l.login, err)
	}
}

// renewKeys makes the keys of a generated password that has just been given, where it has
// none of the day, unless somebody waits: the next login does as well.
func (v *Verifier) renewKeys(ctx context.Context, a *Attempt, l *look, c *account.Credential, password secrets.Typed) {
	h, err := hash.Parse(c.Secret.Hash)
	if err != nil || !v.opt.Maker.Lacks(&c.Secret, l.login, l.proofs.Legacy) {
		return
	}
	if _, waiting := v.opt.Hasher.Running(); waiting > 0 {
		return
	}
	var secret *account.Secret
	ticket := pool.Ticket{Keys: a.keys(l.login), Last: true}
	if v.opt.Hasher.Run(ctx, ticket, func() {
		typed := secrets.NewTyped(secrets.Generated(password.Plain()))
		secret = v.opt.Maker.Remake(c, h, l.login, typed, l.proofs.Legacy)
	}) == nil {
		v.renew(ctx, a, l, c, secret)
	}
}

// passwordOf returns the credential that is the password, and its hash. A cause is
// why there is none to try.
func (v *Verifier) passwordOf(l *look) (c *account.Credential, h hash.Hash, cause error) {
	c = passwordIn(&l.proofs)
	if c == nil || c.Secret.Hash == "" {
		return nil, hash.Hash{}, why.ErrNone
	}
	h, err := v.opt.Maker.Hash(l.login, &c.Secret)
	if err != nil {
		return c, hash.Hash{}, why.ErrDamaged
	}
	return c, h, nil
}

// passwordIn returns the credential that is the password, also one without a hash, which a
// directory verifies; nil where there is none.
func passwordIn(p *account.Proofs) *account.Credential {
	i := slices.IndexFunc(p.Credentials, func(c account.Credential) bool { return c.Kind == account.Password })
	if i < 0 {
		return nil
	}
	return &p.Credentials[i]
}
