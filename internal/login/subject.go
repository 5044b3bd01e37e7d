package login

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/account/subject"
	"countersign/internal/fault"
	"countersign/internal/login/outside"
	"countersign/internal/login/why"
)

// maxSubjects is how many account.CredentialStore.Holders takes.
const maxSubjects = 256

// Certificate returns whose a client certificate is, which the caller has verified.
// subjects are what it says of its owner, in the forms of account.Credential.Subject, the
// most exact first: the first that is a credential counts, of the first 256. authzid is "" for nobody else.
// Errors are those of Password.
func (v *Verifier) Certificate(ctx context.Context, a Attempt, authzid string, subjects []string) (*account.Principal, error) {
	subjects = subjects[:min(len(subjects), maxSubjects)]
	found, err := v.opt.Store.Holders(ctx, account.Certificate, subjects)
	if err != nil {
		return nil, why.Unavailable(ctx, err)
	}
	if len(found) == 0 {
		if e := v.named(&a, subjects); e != nil {
			return v.shown(ctx, e, authzid)
		}
	}
	return v.first(ctx, &a, authzid, subjects, found)
}

// named begins the login of whom a certificate names by an address that directories know; nil
// where it names nobody so.
func (v *Verifier) named(a *Attempt, subjects []string) *effort {
	for _, s := range subjects {
		address, ok := subject.Address(s)
		if !ok {
			continue
		}
		e := v.showing(a, address.Key(), outside.ByCertificate())
		if len(e.round.Taking(v.outside.Around(e.login))) > 0 {
			return e
		}
	}
	return nil
}

// Network returns whose network a client is in that has not logged in: the narrowest
// that is a credential. nil and no error where it is nobody's, or may not be used.
// Errors are those of trouble alone.
func (v *Verifier) Network(ctx context.Context, a Attempt) (*account.Principal, error) {
	subjects := subject.Containing(a.Client)
	found, err := v.opt.Store.Holders(ctx, account.Network, subjects)
	if err != nil {
		return nil, why.Unavailable(ctx, err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	p, err := v.first(ctx, &a, "", subjects, found)
	if fault.Is(err, fault.Unauthenticated) {
		return nil, nil
	}
	return p, err
}

// first admits the credential that has the first of the subjects.
func (v *Verifier) first(ctx context.Context, a *Attempt, authzid string, subjects []string, found []account.Holder) (*account.Principal, error) {
	for _, wanted := range subjects {
		for _, h := range found {
			if h.Subject == wanted {
				return v.bySubject(ctx, a, authzid, h)
			}
		}
	}
	return nil, why.Failure(why.ErrUnknown)
}

// bySubject admits the holder of a credential.
func (v *Verifier) bySubject(ctx context.Context, a *Attempt, authzid string, h account.Holder) (*account.Principal, error) {
	l, err := v.look(ctx, h.Login)
	l.heed(v, a)
	switch {
	case err != nil:
		return nil, err
	case l.cause != nil:
		return nil, why.Failure(l.cause)
	}
	for i := range l.proofs.Credentials {
		c := &l.proofs.Credentials[i]
		if c.ID != h.Credential {
			continue
		}
		if cause := v.usable(a, &l.proofs, c); cause != nil {
			return nil, why.Failure(cause)
		}
		return v.admit(ctx, a, &l, authzid, c)
	}
	return nil, why.Failure(why.ErrUnknown) // revoked at this moment
}
