package keyset

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"countersign/internal/oauth/document"
)

// Bounds of a set.
const (
	// MaxSize is the most octets that a set may have.
	MaxSize = 256 << 10
	// MaxKeys is the most keys, those that cannot be used included.
	MaxKeys = 64
	// maxMember bounds each member of a key that is looked at, in octets: the modulus of
	// an RSA key of maxRSA bits has 1366.
	maxMember = 2048
	// minRSA and maxRSA bound RSA keys, in bits. RFC 7518 section 3.3: 2048 or more.
	minRSA, maxRSA = 2048, 8192
	// MaxKeyID bounds the name of a key, in octets.
	MaxKeyID = 256
)

// Key is a public key that signatures are verified with.
type Key struct {
	// ID is its "kid", "" if it has none.
	ID string
	// Algorithm is the only one that it may be used with, "" for any that fits.
	Algorithm string
	// Public is an *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey.
	Public any
}

// Fits reports whether signatures of a JOSE algorithm can be verified with the key.
func (k Key) Fits(algorithm string) bool {
	if k.Algorithm != "" && k.Algorithm != algorithm {
		return false // RFC 8725 section 3.1: one key, one algorithm
	}
	switch key := k.Public.(type) {
	case *rsa.PublicKey:
		return slices.Contains([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, algorithm)
	case *ecdsa.PublicKey:
		// RFC 7518 section 3.4: each has its own curve.
		return algorithm == "ES256" && key.Curve == elliptic.P256() ||
			algorithm == "ES384" && key.Curve == elliptic.P384() ||
			algorithm == "ES512" && key.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return algorithm == "EdDSA" // RFC 8037 section 3.1
	}
	return false
}

// Parse reads a JWK set (RFC 7517 section 5). Keys that cannot be used are left out:
// those of unknown kinds, symmetric ones, private ones, those for encryption, and RSA
// keys that are too small or too large. Where none is left that is an error.
func Parse(text []byte) ([]Key, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("the key set has more than %d octets", MaxSize)
	}
	set, err := document.Read(text)
	if err != nil {
		return nil, fmt.Errorf("the key set: %w", err)
	}
	var members []document.Object
	if json.Unmarshal(set["keys"], &members) != nil {
		return nil, errors.New(`the key set has no array of objects "keys"`)
	}
	if len(members) > MaxKeys {
		return nil, fmt.Errorf("the key set has more than %d keys", MaxKeys)
	}
	var keys []Key
	for _, member := range members {
		if key, ok := parseKey(member); ok {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key that signatures could be verified with")
	}
	return keys, nil
}

// parseKey reads one key; ok is false for one that cannot be used.
func parseKey(member document.Object) (key Key, ok bool) {
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if member.Has(private) {
			return Key{}, false // RFC 7518 section 6: it is no secret of the provider's any more
		}
	}
	if !forSignatures(member) {
		return Key{}, false
	}
	// The key itself and nothing else goes to the library: certificates beside it
	// (x5c, x5u, x5t) are not what trust comes from here.
	bare := document.Object{}
	for _, name := range []string{"kty", "crv", "x", "y", "n", "e", "kid", "alg"} {
		if !member.Has(name) {
			continue
		}
		if _, isText := member.Text(name); !isText || len(member[name]) > maxMember {
			return Key{}, false
		}
		bare[name] = member[name]
	}
	text, err := json.Marshal(bare)
	if err != nil {
		return Key{}, false
	}
	var parsed jose.JSONWebKey
	if parsed.UnmarshalJSON(text) != nil || len(parsed.KeyID) > MaxKeyID || !sound(parsed.Key) {
		return Key{}, false
	}
	return Key{ID: parsed.KeyID, Algorithm: parsed.Algorithm, Public: parsed.Key}, true
}

// forSignatures reads what a key says of its own use (RFC 7517 sections 4.2 and 4.3).
func forSignatures(member document.Object) bool {
	use, _ := member.Text("use")
	if member.Has("use") && use != "sig" {
		return false
	}
	operations, _ := member.Texts("key_ops")
	return !member.Has("key_ops") || slices.Contains(operations, "verify")
}

// sound judges the kind and size of a key.
func sound(key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return bits >= minRSA && bits <= maxRSA && key.E >= 3 && key.E&1 == 1
	case *ecdsa.PublicKey:
		return true // the library has looked whether the point is on its curve
	case ed25519.PublicKey:
		return len(key) == ed25519.PublicKeySize
	}
	return false
}
