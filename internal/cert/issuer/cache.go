package issuer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"

	"countersign/internal/fault"
	"countersign/internal/seal"
)

// Cache keeps what ACME obtained: account keys, certificates with their keys,
// challenges while they last, all of it sealed. A store engine is one; with an
// engine that several nodes share, any node answers any challenge. Keys are at
// most 400 octets of printable ASCII, data at most 64 KiB. Methods are called
// concurrently.
type Cache interface {
	// GetCertificate returns what was last put under key; NotFound if nothing.
	GetCertificate(ctx context.Context, key string) ([]byte, error)
	// PutCertificate stores or replaces; it is durable when it returns nil.
	PutCertificate(ctx context.Context, key string, data []byte) error
	// DeleteCertificate forgets key; nil too where there is nothing.
	DeleteCertificate(ctx context.Context, key string) error
}

// StartAnew ends a sentence that says what to do where the key that sealed what
// ACME obtained is lost. It is not done unasked, since authorities count new
// accounts and orders.
const StartAnew = "stop the gate and empty the table certificate of its database, and a new account is made and every certificate ordered"

// What is kept: the account's key, for each slot its certificate after its key
// (slotKey), for each challenge under way its answer (tokenKey, alpnKey).
const accountKey = "acme_account+key"

func slotKey(s Slot) string {
	if s.RSA {
		return s.Host + "+rsa"
	}
	return s.Host
}

func tokenKey(token string) string { return token + "+http-01" }
func alpnKey(host string) string   { return host + "+token" }

// maxKey bounds the keys within an authority's part, in octets; the longest
// real ones are a host name and a suffix. With the prefix they stay below 400.
const maxKey = 350

// vault is one authority's part of a Cache, sealed. Keys begin with the
// authority, so that a certificate from a test authority is not taken for one
// of the authority that is configured later. Each entry is bound to its key.
type vault struct {
	cache  Cache
	sealer *seal.Sealer
	prefix string
	// unkept and dropped are those of Config.
	unkept, dropped func(key string, err error)
}

func newVault(c Config) *vault {
	sum := sha256.Sum256([]byte(c.DirectoryURL))
	return &vault{
		cache: c.Cache, sealer: c.Sealer, prefix: "acme/" + hex.EncodeToString(sum[:8]) + "/",
		unkept: c.Unkept, dropped: c.Dropped,
	}
}

// get returns an entry. NotFound where there is none, and where it is of no
// use to anybody: damaged, not sealed, or put there from elsewhere; it will be
// made anew. Every other error means that nothing new must be ordered: the
// store is away, or what it holds was sealed with another key file, which can
// be put back.
func (v *vault) get(ctx context.Context, key string) ([]byte, error) {
	const op = "acme.get"
	if !plain(key) {
		return nil, fault.New(op, fault.NotFound, "%q is not a key", key)
	}
	sealed, err := v.cache.GetCertificate(ctx, v.prefix+key)
	if err != nil {
		return nil, err
	}
	data, err := v.sealer.Open(seal.ACME, v.prefix+key, sealed)
	if fault.Is(err, fault.Corrupt) {
		v.dropped(key, err)
		return nil, fault.New(op, fault.NotFound, "what is kept as %s cannot be used", key)
	}
	if err != nil {
		return nil, &fault.Error{
			Op: op, Kind: fault.KindOf(err), Err: err,
			Detail: "what is kept as " + key + " cannot be opened: put back the key file that belongs to the store; if it is lost, " + StartAnew,
		}
	}
	return data, nil
}

// put keeps an entry. A failure is told from here, since a certificate that
// cannot be kept still serves until the process ends.
func (v *vault) put(ctx context.Context, key string, data []byte) error {
	sealed, err := v.sealer.Seal(seal.ACME, v.prefix+key, data)
	if err == nil {
		err = v.cache.PutCertificate(ctx, v.prefix+key, sealed)
	}
	if err != nil {
		v.unkept(key, err)
	}
	return err
}

// remove forgets an entry. What stays is of no use to anybody later.
func (v *vault) remove(ctx context.Context, key string) {
	_ = v.cache.DeleteCertificate(ctx, v.prefix+key)
}

// plain tells whether a key keeps to what Cache promises. Part of it can come
// from the path of an HTTP-01 request, so from anybody.
func plain(key string) bool {
	if len(key) > maxKey {
		return false
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

// encodePair writes a key and its chain, which may be empty, in PEM.
func encodePair(key crypto.PrivateKey, chain [][]byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for _, c := range chain {
		if err == nil {
			err = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c})
		}
	}
	return text.Bytes(), err
}

// decodePair reads what encodePair wrote with a chain; Leaf is set.
func decodePair(text []byte) (*tls.Certificate, error) {
	c, err := tls.X509KeyPair(text, text)
	return &c, err
}
