package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// place is where a server is and how it is reached.
type place struct {
	network, address string
	// tls is nil where the connection stays on this machine and is not encrypted.
	tls *tls.Config
	// startTLS says that the connection is not encrypted from its beginning.
	startTLS bool
}

// placeOf reads a URL (RFC 4516 section 2, of which host and port alone) and refuses
// one that passwords may not be sent to.
func placeOf(opt *Options) (p place, err error) {
	if path, ok := strings.CutPrefix(opt.URL, "ldapi://"); ok {
		path, err = url.PathUnescape(strings.TrimSuffix(path, "/"))
		if err != nil || !strings.HasPrefix(path, "/") || opt.StartTLS {
			return p, errors.New("its URL must have the form ldapi://%2Fpath%2Fof%2Fsocket, and needs no StartTLS")
		}
		return place{network: "unix", address: path}, nil
	}
	u, err := url.Parse(opt.URL)
	switch {
	case err != nil:
		return p, errors.New("its URL cannot be read") // which may hold a password
	case u.User != nil:
		return p, errors.New("its URL holds a user; there is an option for the account that searches")
	case u.Scheme != "ldap" && u.Scheme != "ldaps":
		return p, errors.New("its URL must begin with ldaps://, ldap:// or ldapi://")
	case u.Hostname() == "" || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return p, errors.New("its URL must have the form ldaps://host or ldaps://host:port")
	case u.Scheme == "ldaps" && opt.StartTLS:
		return p, errors.New("ldaps:// is encrypted from the beginning and needs no StartTLS")
	case u.Scheme == "ldap" && !opt.StartTLS && !isLoopback(u.Hostname()):
		return p, errors.New("passwords go to its URL, so it must be ldaps:// or have StartTLS; without, only addresses of loopback such as 127.0.0.1 will do")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": "389", "ldaps": "636"}[u.Scheme]
	}
	p = place{network: "tcp", address: net.JoinHostPort(u.Hostname(), port), startTLS: opt.StartTLS}
	if u.Scheme == "ldaps" || opt.StartTLS {
		roots, err := authority(opt.Authority)
		if err != nil {
			return p, wrong("ca_file", "%w", err)
		}
		p.tls = &tls.Config{ServerName: u.Hostname(), RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return p, nil
}

// isLoopback reports whether a host is an address of loopback. A name is none, as
// it may come to mean something else.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// maxFile bounds the files of passwords and certificates in octets.
const maxFile = 1 << 20

// authority reads certificates to trust, nil for those of the system.
func authority(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return pool, nil
}

// readPassword reads the first line of a file.
func readPassword(path string) (string, error) {
	text, err := readFile(path)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("%s holds no password", path)
	}
	return line, nil
}

// plain returns why a file cannot be read, without the name, which stands before it.
func plain(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, plain(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		err = fmt.Errorf("%s cannot be read: %w", path, plain(err))
	case len(text) > maxFile:
		err = fmt.Errorf("%s has more than %d octets", path, maxFile)
	}
	return text, err
}
