package argument

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxCertificates is the most octets of a file of certificates that are read.
const maxCertificates = 1 << 20

// Certificates reads the certificates of a file in PEM, in its order; what else is in it is
// passed over. It reads at most 1 MiB. Errors are those of the file system, and say what is
// wrong with the file where it holds none that can be read.
func Certificates(path string) (list []*x509.Certificate, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rest, err := io.ReadAll(io.LimitReader(f, maxCertificates))
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in %s is damaged: %w", len(list)+1, path, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, errors.New(path + " holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----")
	}
	return list, nil
}
