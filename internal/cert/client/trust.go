package client

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"time"
)

// Bounds of the files.
const (
	maxCAFile      = 1 << 20
	maxCRLFile     = 8 << 20
	maxAuthorities = 200
	// maxNames bounds the names of the authorities in octets: each handshake carries
	// them, in a field of at most 65,535 (RFC 8446 section 4.2.4).
	maxNames = 32 << 10
)

// trust is what the files of a listener say. It does not change once made.
type trust struct {
	// all are the authorities of the file: named to clients.
	all *x509.CertPool
	// roots end a path; between helps to find one, and is asked for revocation.
	roots, between *x509.CertPool
	// lists are the lists of revocations by their authority; nil where none are
	// configured.
	lists map[authority]*revocations
}

// loadTrust reads both files; crlFile is "" for none. The errors are those of each.
func loadTrust(caFile, crlFile string) (t *trust, ca, crl error) {
	authorities, ca := readAuthorities(caFile)
	if ca != nil {
		return nil, ca, nil
	}
	t = newTrust(authorities)
	if crlFile != "" {
		t.lists, crl = readRevocations(crlFile, authorities)
	}
	return t, nil, crl
}

// newTrust sorts authorities: one that another of them has issued is no end of a path,
// so that it can be revoked as well.
func newTrust(authorities []*x509.Certificate) *trust {
	t := &trust{all: x509.NewCertPool(), roots: x509.NewCertPool(), between: x509.NewCertPool()}
	for _, c := range authorities {
		t.all.AddCert(c)
		if issued(c, authorities) {
			t.between.AddCert(c)
		} else {
			t.roots.AddCert(c)
		}
	}
	return t
}

// issued reports whether one of the authorities has issued c, other than c itself.
func issued(c *x509.Certificate, authorities []*x509.Certificate) bool {
	if bytes.Equal(c.RawIssuer, c.RawSubject) {
		return false
	}
	for _, a := range authorities {
		if bytes.Equal(c.RawIssuer, a.RawSubject) && c.CheckSignatureFrom(a) == nil {
			return true
		}
	}
	return false
}

// paths returns the paths from what a client has presented to a root that hold at a time
// for a client of TLS (RFC 5280 section 6.1). crypto/x509 bounds the work.
func (t *trust) paths(presented []*x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	between := t.between.Clone()
	for _, c := range presented[1:] {
		between.AddCert(c)
	}
	return presented[0].Verify(x509.VerifyOptions{
		Roots: t.roots, Intermediates: between, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// readAuthorities reads the certificates of a file, all of them or none.
func readAuthorities(file string) ([]*x509.Certificate, error) {
	data, err := readFile(file, maxCAFile)
	if err != nil {
		return nil, err
	}
	return parseAuthorities(file, data)
}

// parseAuthorities reads the content of a file.
func parseAuthorities(file string, data []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	names := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s holds a %s beside certificates", file, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of %s cannot be read: %w", len(list)+1, file, err)
		}
		list = append(list, c)
		names += len(c.RawSubject)
	}
	switch {
	case len(list) == 0:
		return nil, fmt.Errorf("%s has no readable certificate in PEM", file)
	case len(list) > maxAuthorities || names > maxNames:
		return nil, fmt.Errorf("%s has too many authorities, whose names each handshake would carry: at most %d with names of %d octets in all",
			file, maxAuthorities, maxNames)
	}
	return list, nil
}

// readFile reads a regular file of at most so many octets.
func readFile(file string, most int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, unreadable(file, err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s is larger than %d octets", file, most)
	}
	return data, nil
}

// unreadable words an error of the file system, which names the file already.
func unreadable(file string, err error) error {
	if path, ok := err.(*os.PathError); ok {
		err = path.Err
	}
	return fmt.Errorf("%s cannot be read: %w", file, err)
}
