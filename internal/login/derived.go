package login

import (
	"context"
	"slices"

	"countersign/internal/account"
	"countersign/internal/login/outside"
	"countersign/internal/login/passing"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// derived is what Proved has to know of what Keys has found.
type derived struct {
	look look
	// of are the credentials whose keys were given, in their order.
	of []*account.Credential
}

// Keys returns the keys of a login's passwords for a mechanism, as sasl.Verifier has
// it. An unknown login, and an account that has no such keys, get one that nothing
// proves, with a salt that stays the same.
func (v *Verifier) Keys(ctx context.Context, mechanism, login string) (*sasl.Keys, error) {
	l, err := v.look(ctx, login)
	if err != nil {
		return nil, err
	}
	return v.keys(mechanism, login, l), nil
}

// keys are those that a look has found.
func (v *Verifier) keys(mechanism, login string, l look) *sasl.Keys {
	k, d := &sasl.Keys{Mechanism: mechanism, Login: login}, &derived{look: l}
	k.Handle = d
	v.stored(k, d)
	v.decoy(k, login)
	return k
}

// stored gives the keys of the password, and of all other passwords; with SCRAM of those
// that have the same salt and iterations, as these are said before anything is proved, and
// several of a password that clients prepare or encode in several ways.
// There are none of CRAM-MD5 and DIGEST-MD5 where the account may not have them, and one
// that cannot be opened is none.
func (v *Verifier) stored(k *sasl.Keys, d *derived) {
	if slices.Contains(account.LegacyMechanisms(), k.Mechanism) && !d.look.proofs.Legacy {
		return
	}
	list, damaged := d.look.proofs.Credentials, false
	for _, kind := range []account.CredentialKind{account.Password, account.AppPassword} {
		for i := range list {
			value := list[i].Secret.Key(k.Mechanism)
			if list[i].Kind != kind || value == "" {
				continue
			}
			key, err := v.opt.Maker.Open(k.Mechanism, d.look.login, value)
			if err != nil {
				damaged = true
				continue
			}
			if len(k.List) == 0 {
				k.Salt, k.Iterations = key.Salt, key.Iterations
			}
			if string(k.Salt) == string(key.Salt) && k.Iterations == key.Iterations {
				d.add(k, key.Key, &list[i])
				for _, other := range key.Others {
					d.add(k, other, &list[i])
				}
			}
		}
	}
	if damaged && len(d.of) == 0 {
		d.look.cause = why.ErrDamaged
	}
}

// add gives one key more, as far as an exchange takes them.
func (d *derived) add(k *sasl.Keys, key sasl.Key, of *account.Credential) {
	if len(k.List) < sasl.MaxKeys {
		k.List, d.of = append(k.List, key), append(d.of, of)
	}
}

// decoy gives keys that nobody has the password of: where there are none, and beside few, so that
// trying the keys of a password takes as long however many it has.
func (v *Verifier) decoy(k *sasl.Keys, login string) {
	if key, ok := mail.KeyOf(login); ok {
		login = key
	}
	d := v.opt.Maker.Decoy(k.Mechanism, login)
	if len(k.List) == 0 {
		k.List, k.Salt, k.Iterations = []sasl.Key{d.Key}, d.Salt, d.Iterations
	}
	for len(k.List) < sasl.Forms(k.Mechanism) {
		k.List = append(k.List, d.Key)
	}
}

// passes returns the directory that runs the exchange of a login, nil where none does.
func (v *Verifier) passes(l *look, mechanism string) outside.Passer {
	return outside.Passing(v.sources(l), mechanism)
}

// facade returns what stands before a login in a mechanism, nil where nothing does. Errors are
// those of why.Unavailable.
func (v *Verifier) facade(ctx context.Context, login, mechanism string) (*passing.Facade, error) {
	return passing.Before(ctx, v.fronts, v.outside.Around(login), mechanism)
}

// Proved returns who has proved the key at which of k, that Keys returned; -1 is none
// of them. Errors are those of Password.
func (v *Verifier) Proved(ctx context.Context, a Attempt, authzid string, k *sasl.Keys, which int) (*account.Principal, error) {
	d := k.Handle.(*derived)
	d.look.heed(v, &a)
	switch {
	case d.look.cause != nil:
		return nil, why.Failure(d.look.cause)
	case len(d.of) == 0:
		return nil, why.Failure(why.ErrNone)
	case which < 0 || which >= len(d.of):
		return nil, why.Failure(why.ErrWrong)
	}
	c := d.of[which]
	if cause := v.usable(&a, &d.look.proofs, c); cause != nil {
		return nil, why.Failure(cause)
	}
	return v.admit(ctx, &a, &d.look, authzid, c)
}
