package database

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"countersign/internal/fault"
)

// openPostgres reads the URL of a PostgreSQL database.
func openPostgres(u *url.URL, opt Options) (engine, error) {
	text := *u
	options := text.Query()
	if !options.Has("sslmode") && !isLocal(text.Hostname()) && !strings.HasPrefix(options.Get("host"), "/") {
		options.Set("sslmode", "verify-full")
		text.RawQuery = options.Encode()
	}
	config, err := pgx.ParseConfig(text.String())
	if err != nil {
		return engine{}, errors.New("its URL is not one of PostgreSQL, or names a file that cannot be read")
	}
	if !isSafe(config.Host, config.TLSConfig) {
		return engine{}, errClear
	}
	for _, f := range config.Fallbacks {
		if !isSafe(f.Host, f.TLSConfig) {
			return engine{}, errClear
		}
	}
	config.RuntimeParams["application_name"] = "countersign"
	config.RuntimeParams["statement_timeout"] = strconv.FormatInt(opt.Timeout.Milliseconds(), 10)
	connector := stdlib.GetConnector(*config, stdlib.OptionBeforeConnect(func(_ context.Context, c *pgx.ConnConfig) error {
		password, err := readPassword(opt.PasswordFile)
		if opt.PasswordFile != "" {
			c.Password = password
		}
		return err
	}))
	return engine{connector: connector, dialect: postgresSQL, kind: kindOfPostgres}, nil
}

// isSafe reports whether hashes may come from a host over such a connection. A
// configuration that verifies the authority but not the name (verify-ca) does so in a
// function of its own.
func isSafe(host string, c *tls.Config) bool {
	return isLocal(host) || c != nil && (!c.InsecureSkipVerify || c.VerifyPeerCertificate != nil || c.VerifyConnection != nil)
}

// Classes and codes of errors (SQLSTATE) that say something of one login, not of
// the database.
const (
	dataException = "22"    // a text that is no number, an octet that has no character
	cardinality   = "21000" // a subquery with more than one row
)

// kindOfPostgres is the kind of engine.
func kindOfPostgres(err error) (fault.Kind, bool) {
	var e *pgconn.PgError
	switch {
	case !errors.As(err, &e):
		return 0, false
	case strings.HasPrefix(e.Code, dataException):
		return fault.Invalid, true
	case e.Code == cardinality:
		return fault.Corrupt, true
	}
	return fault.Unavailable, true
}
