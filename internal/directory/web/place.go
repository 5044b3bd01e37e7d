package web

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"time"

	"countersign/internal/fault"
)

// checkURL refuses a URL that a password may not be sent to.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("its URL cannot be read") // which may hold a password
	case u.User != nil:
		return errors.New("its URL holds a user; requests are signed instead")
	case u.Fragment != "" || u.Opaque != "" || u.Hostname() == "":
		return errors.New("its URL must have the form https://host/path")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("its URL must be https, as passwords are sent there; http is for addresses of loopback such as 127.0.0.1")
	}
	return errors.New("its URL must begin with https://")
}

// isLoopback reports whether a host is an address of loopback. A name is none, as
// it may come to mean something else.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// connectTimeout bounds a connection's beginning, within the time of the question.
const connectTimeout = 5 * time.Second

// maxFile bounds the files of keys and certificates in octets.
const maxFile = 1 << 20

// ReadKey reads the key of a callback from a file: its octets without the white
// space at both ends. Errors: fault.Unavailable.
func ReadKey(path string) ([]byte, error) {
	text, err := readFile(path)
	return bytes.TrimSpace(text), err
}

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
		return nil, fault.New("web.new", fault.Invalid, "%s holds no certificate in PEM", path)
	}
	return pool, nil
}

// unreadable says that a file cannot be used, in words for people; nil where err is.
func unreadable(path string, err error) error {
	var at *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &at):
		return fmt.Errorf("%s cannot be read: %w", path, at.Err)
	case fault.DetailOf(err, fault.Invalid) != "":
		return errors.New(fault.DetailOf(err, fault.Invalid))
	}
	return err
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap("web.new", fault.Unavailable, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s has more than %d octets", path, maxFile)
	}
	return text, fault.Wrap("web.new", fault.Unavailable, err)
}
