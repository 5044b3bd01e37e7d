package database

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"countersign/internal/fault"
)

// engine is how a database is reached.
type engine struct {
	connector driver.Connector
	dialect   dialect
	// kind says what an error of the server means; known is false for all others.
	kind func(err error) (kind fault.Kind, known bool)
}

// engineOf reads the URL. Errors do not repeat it.
func engineOf(opt Options) (engine, error) {
	u, err := url.Parse(opt.URL)
	if err != nil {
		return engine{}, errors.New("its URL cannot be read; write special characters as %xx")
	}
	if _, has := u.User.Password(); has || hasPassword(u.Query()) {
		return engine{}, errors.New("its URL holds a password; put that into a file")
	}
	switch u.Scheme {
	case "postgres", "postgresql":
		return openPostgres(u, opt)
	case "mysql", "mariadb":
		return openMySQL(u, opt)
	}
	return engine{}, errors.New("its URL must begin with postgres:// or mysql://")
}

// hasPassword reports whether one of the options is a password.
func hasPassword(options url.Values) bool {
	for key := range options {
		if key = strings.ToLower(strings.TrimSpace(key)); key == "password" || key == "sslpassword" || key == "passfile" {
			return true
		}
	}
	return false
}

// isLocal reports whether a host is this machine: a socket, an address of loopback,
// or its name.
func isLocal(host string) bool {
	if strings.HasPrefix(host, "/") || host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// errClear is a connection on which hashes could be read or changed.
var errClear = errors.New("hashes of passwords come over this connection, and its host is not this machine: it needs sslmode=verify-full")

// maxPasswordFile bounds the file of a password in octets.
const maxPasswordFile = 4 << 10

// plain returns why a file cannot be read, without the name, which stands before it.
func plain(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// readPassword reads the first line of a file, which must not be empty; "" where path is.
func readPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", path, plain(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPasswordFile+1))
	line, _, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s cannot be read: %w", path, plain(err))
	case len(text) > maxPasswordFile:
		return "", fmt.Errorf("%s has more than %d octets, which is no password", path, maxPasswordFile)
	case len(line) == 0:
		return "", fmt.Errorf("%s holds no password", path)
	}
	return string(line), nil
}
