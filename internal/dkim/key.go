package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"regexp"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/seal"
)

// Algorithm is the kind of a key as the k= tag of its record says it.
type Algorithm string

// The algorithms: RSA with 2048 bits (RFC 8301 section 3.2) and Ed25519 (RFC
// 8463). If you add one, also teach Generate, ParseKey and Key.Record.
const (
	RSA     Algorithm = "rsa"
	Ed25519 Algorithm = "ed25519"
)

// Algorithms returns the algorithms that each domain gets a key of.
func Algorithms() []Algorithm { return []Algorithm{RSA, Ed25519} }

// rsaBits is the size of the RSA keys we make; minRSABits of those we sign with
// (RFC 8301 section 3.2).
const (
	rsaBits    = 2048
	minRSABits = 1024
)

// Key is a private key with the name under which its public half is published.
// It is immutable and safe for concurrent use. Its secret is not in its printed
// form.
type Key struct {
	Domain    mail.Domain
	Selector  string
	Algorithm Algorithm

	signer crypto.Signer
}

// Generate makes a new key. An Ed25519 seed is read from random; RSA
// primes always come from the system's secure source, as the standard library has it.
func Generate(domain mail.Domain, selector string, algorithm Algorithm, random io.Reader) (Key, error) {
	const op = "dkim.generate"
	var signer crypto.Signer
	switch algorithm {
	case RSA:
		key, err := rsa.GenerateKey(random, rsaBits)
		if err != nil {
			return Key{}, fault.Wrap(op, fault.Internal, err)
		}
		signer = key
	case Ed25519:
		seed := make([]byte, ed25519.SeedSize)
		_, err := io.ReadFull(random, seed)
		if err != nil {
			return Key{}, fault.Wrap(op, fault.Internal, err)
		}
		signer = ed25519.NewKeyFromSeed(seed)
	default:
		return Key{}, fault.New(op, fault.Invalid, "unknown key algorithm %q", algorithm)
	}
	return newKey(op, domain, selector, signer)
}

// ParseKey reads a private key in PKCS #8 DER (RFC 5208), as Marshal returns it.
func ParseKey(domain mail.Domain, selector string, der []byte) (Key, error) {
	const op = "dkim.parse"
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		// The cause is left out: it could quote the key.
		return Key{}, fault.New(op, fault.Corrupt, "not a private key in PKCS #8 form")
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return Key{}, fault.New(op, fault.Invalid, "a %T cannot sign", parsed)
	}
	return newKey(op, domain, selector, signer)
}

// newKey checks names and key and puts them together.
func newKey(op string, domain mail.Domain, selector string, signer crypto.Signer) (Key, error) {
	if _, literal := domain.Literal(); literal || domain == "" {
		return Key{}, fault.New(op, fault.Invalid, "%q cannot have keys: it is not a domain name", domain)
	}
	if !selectorForm().MatchString(selector) || len(selector)+len("._domainkey.")+len(domain) > 253 {
		return Key{}, fault.New(op, fault.Invalid, "%q is not a selector for %s", selector, domain)
	}
	key := Key{Domain: domain, Selector: selector, signer: signer}
	switch s := signer.(type) {
	case *rsa.PrivateKey:
		if s.N.BitLen() < minRSABits {
			return Key{}, fault.New(op, fault.Invalid, "an RSA key of %d bits is too short: at least %d", s.N.BitLen(), minRSABits)
		}
		key.Algorithm = RSA
	case ed25519.PrivateKey:
		key.Algorithm = Ed25519
	default:
		return Key{}, fault.New(op, fault.Invalid, "a %T cannot sign mail", signer)
	}
	return key, nil
}

// selectorForm is sub-domain *( "." sub-domain ) (RFC 6376 section 3.1), in
// lower case as we make them.
func selectorForm() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)
}

// Marshal returns the private key in PKCS #8 DER. It is a secret.
func (k Key) Marshal() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	return der, fault.Wrap("dkim.marshal", fault.Internal, err)
}

// Seal returns the key in the form to store, bound to its domain and selector.
func (k Key) Seal(s *seal.Sealer) ([]byte, error) {
	der, err := k.Marshal()
	if err != nil {
		return nil, err
	}
	return s.Seal(seal.DKIM, seal.DKIMName(k.Domain.String(), k.Selector), der)
}

// OpenKey returns the key that Seal sealed for this domain and selector. The
// error is Corrupt and says whether the key file is a different one or the
// sealed key is damaged.
func OpenKey(s *seal.Sealer, domain mail.Domain, selector string, sealed []byte) (Key, error) {
	der, err := s.Open(seal.DKIM, seal.DKIMName(domain.String(), selector), sealed)
	if err != nil {
		return Key{}, &fault.Error{
			Op: "dkim.open", Kind: fault.Corrupt, Err: err,
			Detail: fmt.Sprintf("the key %s of %s cannot be opened", selector, domain),
		}
	}
	return ParseKey(domain, selector, der)
}

// String names the key without its secret.
func (k Key) String() string {
	return fmt.Sprintf("%s._domainkey.%s (%s)", k.Selector, k.Domain, k.Algorithm)
}

// GoString is String, so that no verb of fmt prints the secret.
func (k Key) GoString() string { return k.String() }

// public returns the public key as the p= tag holds it: SubjectPublicKeyInfo
// for RSA (RFC 6376 section 3.6.1), the bare 32 octets for Ed25519 (RFC 8463
// section 4.2).
func (k Key) public() (string, error) {
	if pub, ok := k.signer.Public().(ed25519.PublicKey); ok {
		return base64.StdEncoding.EncodeToString(pub), nil
	}
	der, err := x509.MarshalPKIXPublicKey(k.signer.Public())
	if err != nil {
		return "", fault.Wrap("dkim.public", fault.Internal, err)
	}
	return base64.StdEncoding.EncodeToString(der), nil
}
