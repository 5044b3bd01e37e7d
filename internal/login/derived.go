package login

import (
	"context"
	"encoding/binary"

	"countersign/internal/account"
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
	if mechanism == cramMD5 || mechanism == digestMD5 {
		v.legacyKeys(k, d)
	} else {
		v.scramKeys(k, d)
	}
	if len(k.List) == 0 {
		v.decoy(k, login)
	}
	return k
}

// scramKeys gives the keys of the password, and of all other passwords that have the
// same salt and iterations, as those are said before anything is proved. A damaged one is
// none.
func (v *Verifier) scramKeys(k *sasl.Keys, d *derived) {
	list := d.look.proofs.Credentials
	for _, kind := range []account.CredentialKind{account.Password, account.AppPassword} {
		for i := range list {
			if list[i].Kind != kind {
				continue
			}
			key, err := parseScram(k.Mechanism, list[i].Secret.Key(k.Mechanism))
			if err != nil {
				continue
			}
			if len(k.List) == 0 {
				k.Salt, k.Iterations = key.salt, key.iterations
			}
			if string(k.Salt) == string(key.salt) && k.Iterations == key.iterations {
				d.add(k, key.Key, &list[i])
			}
		}
	}
}

// legacyKeys gives the keys of CRAM-MD5 and DIGEST-MD5 where the account may have
// them. One that cannot be opened is none.
func (v *Verifier) legacyKeys(k *sasl.Keys, d *derived) {
	if !d.look.proofs.Legacy {
		return
	}
	list := d.look.proofs.Credentials
	for i := range list {
		value := list[i].Secret.Key(k.Mechanism)
		if value == "" {
			continue
		}
		key, err := v.opt.Maker.open(k.Mechanism, d.look.login, value)
		if err != nil {
			d.look.cause = errDamaged // for the record, unless another one is proved
			continue
		}
		d.add(k, key, &list[i])
	}
	if len(d.of) > 0 {
		d.look.cause = nil
	}
}

// add gives one key more, as far as an exchange takes them.
func (d *derived) add(k *sasl.Keys, key sasl.Key, of *account.Credential) {
	if len(k.List) < sasl.MaxKeys {
		k.List, d.of = append(k.List, key), append(d.of, of)
	}
}

// decoy gives a key that nobody has the password of.
func (v *Verifier) decoy(k *sasl.Keys, login string) {
	m := v.opt.Maker
	if key, ok := loginKey(login); ok {
		login = key
	}
	part := func(name string, octets int) []byte { return m.mac(name, k.Mechanism, login)[:octets] }
	switch k.Mechanism {
	case cramMD5:
		k.List = []sasl.Key{{Stored: part("inner", 16), Server: part("outer", 16)}}
		return
	case digestMD5:
		k.List = []sasl.Key{{Stored: part("stored", 16)}}
		return
	case sasl.ScramSHA1:
		k.List = []sasl.Key{{Stored: part("stored", 20), Server: part("server", 20)}}
	default:
		k.List = []sasl.Key{{Stored: part("stored", 32), Server: part("server", 32)}}
	}
	k.Salt = m.salt(k.Mechanism, login)
	// As many of the unknown have each of the former numbers as have the present one.
	which := int(binary.BigEndian.Uint32(m.mac("iterations", login))) % (1 + len(v.opt.FormerIterations))
	k.Iterations = m.opt.Iterations
	if which > 0 {
		k.Iterations = v.opt.FormerIterations[which-1]
	}
}

// Proved returns who has proved the key at which of k, that Keys returned; -1 is none
// of them. Errors are those of Password.
func (v *Verifier) Proved(ctx context.Context, a Attempt, authzid string, k *sasl.Keys, which int) (*account.Principal, error) {
	d := k.Handle.(*derived)
	switch {
	case d.look.cause != nil:
		return nil, failure(d.look.cause)
	case len(d.of) == 0:
		return nil, failure(errNone)
	case which < 0 || which >= len(d.of):
		return nil, failure(errWrong)
	}
	c := d.of[which]
	if cause := v.usable(&a, &d.look.proofs, c); cause != nil {
		return nil, failure(cause)
	}
	return v.admit(ctx, &a, &d.look, authzid, c)
}
