package testkit

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"
)

// Below makes an authority that a has issued.
func (a *Authority) Below(name string) *Authority {
	a.t.Helper()
	b := &Authority{t: a.t, key: newKey(a.t)}
	b.cert = a.sign(&x509.Certificate{
		SerialNumber: serial(a.t), Subject: pkix.Name{CommonName: name}, NotBefore: validFrom, NotAfter: validUntil,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, a.cert, &b.key.PublicKey, a.key)
	return b
}

// Certificate returns the authority's own.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// Client issues a client certificate with that common name, in which change, which may
// be nil, changes what is to be signed.
func (a *Authority) Client(name string, change func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	return issue(a.t, a, name, change)
}

// SelfSigned makes a client certificate that nobody vouches for.
func SelfSigned(t testing.TB, name string, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	return issue(t, nil, name, change)
}

func issue(t testing.TB, a *Authority, name string, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, NotBefore: validFrom, NotAfter: validUntil,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	if a == nil {
		a = &Authority{t: t, key: key, cert: template}
	}
	leaf := a.sign(template, a.cert, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// CRL signs a list of what a has revoked, in DER, which is good from a day before next
// until then. change may be nil.
func (a *Authority) CRL(next time.Time, change func(*x509.RevocationList), revoked ...tls.Certificate) []byte {
	a.t.Helper()
	list := &x509.RevocationList{Number: serial(a.t), ThisUpdate: next.Add(-24 * time.Hour), NextUpdate: next}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.Leaf.SerialNumber, RevocationTime: list.ThisUpdate})
	}
	if change != nil {
		change(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// WriteCertificates writes the certificates of authorities into a file, in PEM.
func WriteCertificates(t testing.TB, file string, authorities ...*Authority) {
	t.Helper()
	var text []byte
	for _, a := range authorities {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})...)
	}
	ReplaceFile(t, file, text)
}

// WriteCRLs writes lists into a file, in PEM.
func WriteCRLs(t testing.TB, file string, lists ...[]byte) {
	t.Helper()
	var text []byte
	for _, der := range lists {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	ReplaceFile(t, file, text)
}

// ReplaceFile puts another file in the place of one, as careful programs do: nobody sees
// half of it.
func ReplaceFile(t testing.TB, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, big.NewInt(1000))
}

// Issuer returns an authority that signs with the key of a certificate, whether that
// may or not.
func Issuer(t testing.TB, c tls.Certificate) *Authority {
	t.Helper()
	key, ok := c.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("the key is a %T", c.PrivateKey)
	}
	return &Authority{t: t, cert: c.Leaf, key: key}
}
