package loading

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"countersign/internal/config"
)

// ErrPassword is the error of StoreAt for a URL with a password in it.
var ErrPassword = errors.New("holds a password; take it out, and put it into a file that is named beside it")

// StoreAt returns the store at a URL that does not stand in the file, with the
// file of its password, "" for none. Relative paths are those of the process; what
// is returned has absolute ones, which mean the same in a configuration. The
// error shows nothing of a URL that may hold a password.
func StoreAt(url, passwordFile string) (config.Store, error) {
	s := config.Store{URL: url, PasswordFile: passwordFile}
	path, inFile := strings.CutPrefix(url, config.StoreScheme)
	switch {
	case s.InPostgres() && hasPassword(url):
		return s, ErrPassword
	case s.InPostgres():
		if why, suggestion := wrongURL(url); why != "" {
			return s, errors.New(strings.TrimSuffix(why+"; "+suggestion, "; "))
		}
	case !inFile || path == "":
		return s, errors.New(`is not the URL of a store; write "sqlite:" and the path of the database file, or "postgres://user@host/database"`)
	case passwordFile != "":
		return s, errors.New("is a file, which has no password")
	default:
		absolute, err := filepath.Abs(path)
		if err != nil {
			return s, err
		}
		s.URL = config.StoreScheme + absolute
	}
	if _, err := s.Password(); err != nil {
		return s, fmt.Errorf("has a password file that is of no use: %s", strings.TrimPrefix(err.Error(), "store.password_file: "))
	}
	if passwordFile != "" { // in a configuration it would be relative to that
		absolute, err := filepath.Abs(passwordFile)
		if err != nil {
			return s, err
		}
		s.PasswordFile = absolute
	}
	return s, nil
}
