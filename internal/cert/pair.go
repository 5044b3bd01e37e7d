package cert

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// The key algorithms, in the order in which a handshake prefers them: an ECDSA
// handshake costs the server a quarter of an RSA one.
const (
	algorithmECDSA   = "ecdsa"
	algorithmEd25519 = "ed25519"
	algorithmRSA     = "rsa"
)

// minRSABits is the shortest RSA key that clients still accept.
const minRSABits = 2048

// maxPEM bounds a certificate or key file in octets.
const maxPEM = 1 << 20

// pair is a certificate chain with its key, ready for handshakes. It does not
// change once made.
type pair struct {
	// cert has its Leaf set.
	cert *tls.Certificate
	// algorithm is one of the algorithm constants.
	algorithm string
	// names are the subject alternative DNS names in lower case.
	names map[string]struct{}
}

// loadPair reads and checks a pair of files. Its errors name both.
func loadPair(certFile, keyFile string, now time.Time) (*pair, error) {
	p, err := readPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	if err := p.validAt(now); err != nil {
		return nil, pairError(certFile, keyFile, err)
	}
	return p, nil
}

// readPair is loadPair without a look at the dates.
func readPair(certFile, keyFile string) (*pair, error) {
	chain, err := readPEM(certFile, false)
	if err != nil {
		return nil, pairError(certFile, keyFile, err)
	}
	key, err := readPEM(keyFile, true)
	if err != nil {
		return nil, pairError(certFile, keyFile, err)
	}
	p, err := newPair(chain, key)
	if err != nil {
		return nil, pairError(certFile, keyFile, err)
	}
	return p, nil
}

// pairError names both files, since a mismatch is in neither alone.
func pairError(certFile, keyFile string, err error) error {
	return fmt.Errorf("certificate file %s with key file %s: %w", certFile, keyFile, err)
}

// readPEM reads one file. A key that others on the machine can read or replace
// is refused.
func readPEM(name string, secret bool) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	const others fs.FileMode = 0o007
	if secret && info.Mode().Perm()&others != 0 {
		return nil, fmt.Errorf("%s is open to every user (mode %04o): make it 0600 or 0640", name, info.Mode().Perm())
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%s is larger than %d octets", name, maxPEM)
	}
	return data, nil
}

// newPair makes a pair of PEM texts.
func newPair(chain, key []byte) (*pair, error) {
	if bytes.Contains(key, []byte("ENCRYPTED")) {
		return nil, errors.New("the key is encrypted with a passphrase: store it without one")
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, err
	}
	return pairOf(&c)
}

// pairOf checks and indexes a certificate that matches its key.
func pairOf(c *tls.Certificate) (*pair, error) {
	if c.Leaf == nil {
		leaf, err := x509.ParseCertificate(c.Certificate[0])
		if err != nil {
			return nil, err
		}
		c.Leaf = leaf
	}
	p := &pair{cert: c, names: make(map[string]struct{}, len(c.Leaf.DNSNames))}
	switch c.Leaf.PublicKeyAlgorithm {
	case x509.ECDSA:
		p.algorithm = algorithmECDSA
	case x509.Ed25519:
		p.algorithm = algorithmEd25519
	case x509.RSA:
		p.algorithm = algorithmRSA
		if pub, ok := c.Leaf.PublicKey.(*rsa.PublicKey); ok && pub.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("the RSA key has %d bits; at least %d are needed", pub.N.BitLen(), minRSABits)
		}
	default:
		return nil, fmt.Errorf("key algorithm %v is not for TLS", c.Leaf.PublicKeyAlgorithm)
	}
	for _, n := range c.Leaf.DNSNames {
		p.names[strings.ToLower(n)] = struct{}{}
	}
	return p, nil
}

// validAt tells whether the certificate's dates include now.
func (p *pair) validAt(now time.Time) error {
	leaf := p.cert.Leaf
	if now.After(leaf.NotAfter) {
		return fmt.Errorf("the certificate expired at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if now.Before(leaf.NotBefore) {
		return fmt.Errorf("the certificate is not valid before %s (the clock says %s)",
			leaf.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// covers tells whether the certificate is for a name in lower case. A wildcard
// stands for exactly one label, the leftmost (RFC 9525 section 6.3).
func (p *pair) covers(name string) bool {
	if _, ok := p.names[name]; ok {
		return true
	}
	_, parent, ok := strings.Cut(name, ".")
	if !ok {
		return false
	}
	_, ok = p.names["*."+parent]
	return ok
}

// shares tells whether p and q certify a name in common.
func (p *pair) shares(q *pair) bool {
	for n := range p.names {
		if _, ok := q.names[n]; ok {
			return true
		}
	}
	return false
}

// rank orders pairs for a handshake; lower is better.
func (p *pair) rank() int {
	switch p.algorithm {
	case algorithmECDSA:
		return 0
	case algorithmEd25519:
		return 1
	}
	return 2
}
