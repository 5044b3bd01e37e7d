package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"countersign/internal/fault"
)

const (
	mysqlPort = "3306"
	// maxPacket bounds what is read of the server at once, in octets.
	maxPacket = 1 << 20
	// connectTimeout bounds the beginning of a connection, within the time of the
	// question.
	connectTimeout = 5 * time.Second
)

// openMySQL reads the URL of a MySQL or MariaDB database.
func openMySQL(u *url.URL, opt Options) (engine, error) {
	config, err := configureMySQL(u)
	if err != nil {
		return engine{}, err
	}
	err = config.Apply(mysql.BeforeConnect(func(_ context.Context, c *mysql.Config) error {
		var err error
		c.Passwd, err = readPassword(opt.PasswordFile)
		return err
	}))
	if err != nil {
		return engine{}, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return engine{}, errors.New("its URL is not one of MySQL")
	}
	return engine{connector: limited{connector, opt.Timeout}, dialect: mysqlSQL, kind: kindOfMySQL}, nil
}

// configureMySQL turns a URL into what the driver takes.
func configureMySQL(u *url.URL) (*mysql.Config, error) {
	options := u.Query()
	for key, values := range options {
		if key != "sslmode" && key != "sslrootcert" && key != "socket" || len(values) != 1 {
			return nil, fmt.Errorf("its URL has an option %.40q, or has it twice; there are sslmode, sslrootcert and socket", key)
		}
	}
	c := mysql.NewConfig()
	c.User, c.DBName = u.User.Username(), strings.TrimPrefix(u.Path, "/")
	c.Timeout, c.MaxAllowedPacket = connectTimeout, maxPacket
	c.Logger = &mysql.NopLogger{} // what it says is in the errors too
	if socket := options.Get("socket"); socket != "" {
		if u.Host != "" || len(options) > 1 {
			return nil, errors.New("its URL has a socket, and something for the network besides")
		}
		c.Net, c.Addr = "unix", socket
		return c, nil
	}
	host, port := u.Hostname(), u.Port()
	if host == "" || c.DBName == "" || c.User == "" {
		return nil, errors.New("its URL must have the form mysql://user@host/database, or mysql://user@/database?socket=/path")
	}
	if port == "" {
		port = mysqlPort
	}
	c.Net, c.Addr = "tcp", net.JoinHostPort(host, port)
	var err error
	c.TLS, err = tlsOfMySQL(host, options)
	return c, err
}

// tlsOfMySQL returns how TLS is spoken with a host, nil for not at all.
func tlsOfMySQL(host string, options url.Values) (*tls.Config, error) {
	mode, authority := options.Get("sslmode"), options.Get("sslrootcert")
	switch {
	case mode == "" && isLocal(host) && authority == "":
		return nil, nil
	case mode == "disable" && isLocal(host):
		return nil, nil
	case mode == "disable":
		return nil, errClear
	case mode != "" && mode != "verify-full":
		return nil, fmt.Errorf("its URL has sslmode=%.40q; there are disable and verify-full", mode)
	}
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if authority == "" {
		return c, nil
	}
	text, err := os.ReadFile(authority)
	if err != nil {
		return nil, fmt.Errorf("its file of authorities cannot be read: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", authority)
	}
	return c, nil
}

// limited makes connections in which a statement may take so long. It is safe for
// concurrent use.
type limited struct {
	driver.Connector
	timeout time.Duration
}

// Connect implements driver.Connector.
func (l limited) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := l.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	execer, ok := conn.(driver.ExecerContext)
	if !ok {
		err = errors.New("the driver cannot set up a connection")
	} else {
		_, err = execer.ExecContext(ctx, sessionSQL(l.timeout), nil)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// sessionSQL sets the time-out of statements, and makes GROUP_CONCAT cut off only
// what is refused for its length anyway: half an address might be somebody else's.
// MariaDB alone reads what is in the first comment, in seconds; it does not read
// what is for MySQL 5.7, which is in the second one, in milliseconds.
func sessionSQL(d time.Duration) string {
	return fmt.Sprintf("SET SESSION group_concat_max_len=%d /*M!100101 , max_statement_time=%.3f */ /*!50708 , max_execution_time=%d */",
		maxValue+1, d.Seconds(), d.Milliseconds())
}

// Numbers of errors that say something of one login, not of the database.
const (
	subqueryRows      = 1242 // a subquery with more than one row
	mixOfCollations2  = 1267 // a character that the column's character set does not have
	mixOfCollations3  = 1270
	mixOfCollations   = 1271
	truncatedValue    = 1292
	invalidCharacters = 1300
	wrongValue        = 1366
	notConvertible    = 3988
	outOfRange        = 1690
)

// kindOfMySQL is the kind of engine.
func kindOfMySQL(err error) (fault.Kind, bool) {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return 0, false
	}
	switch e.Number {
	case subqueryRows:
		return fault.Corrupt, true
	case mixOfCollations, mixOfCollations2, mixOfCollations3, truncatedValue, invalidCharacters, wrongValue, notConvertible, outOfRange:
		return fault.Invalid, true
	}
	return fault.Unavailable, true
}
