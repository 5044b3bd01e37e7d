package login

import (
	"crypto"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/sasl"
)

// Imported returns what is stored of a password hash that another system has made: the
// hash as it is, and where it is made of SCRAM's keys, those too, so that SCRAM works at
// once. Keys of fewer or more iterations than clients are asked for are left out; the
// first login with the password makes others.
func Imported(h hash.Hash) account.Secret {
	s := account.Secret{Hash: h.Text(), Cost: h.Cost().String()}
	keys, ok := h.SCRAM()
	if !ok || keys.Iterations < sasl.MinIterations || keys.Iterations > sasl.MaxIterations || len(keys.Salt) > sasl.MaxSalt {
		return s
	}
	mechanism := sasl.ScramSHA256
	if keys.Digest == crypto.SHA1 {
		mechanism = sasl.ScramSHA1
	}
	k := scramKey{keys.Iterations, keys.Salt, sasl.Key{Stored: keys.StoredKey, Server: keys.ServerKey}}
	s.Keys = []account.SecretKey{{Mechanism: mechanism, Value: k.String()}}
	return s
}
