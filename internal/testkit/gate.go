package testkit

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/mail"
)

// The one account of a test gate, of the domain that it is in.
const (
	Login    = "a@example.org"
	Password = "a long test password"
	Domain   = mail.Domain("example.org")
)

// Customer is whose domain that is.
const Customer = "acme"

// GateConfig describes the gate that most tests start: both kinds of listener
// on loopback, a certificate that it makes itself for localhost, and one next
// hop for everything. A test of the program hands its text to the real
// binary, one of package app to loading.Load.
type GateConfig struct {
	// Hostname is the gate's; "" is "gate.example.org".
	Hostname string
	// LogLevel is that of the log; "" is "info".
	LogLevel string
	// DataDir is the data directory; "" is "data" beside the file.
	DataDir string
	// Submission, Submissions and Metrics are where it listens; "" is any free
	// port of 127.0.0.1.
	Submission, Submissions, Metrics string
	// NextHop is host:port of the server that gets everything.
	NextHop string
	// Extra is appended. Without a table dns in it, names are looked up at a port where
	// nobody answers.
	Extra string
	// Costly leaves the cost of password hashes as it is by default. Otherwise they are
	// cheap, unless Extra says what they cost.
	Costly bool
}

// cheapHashes stands in the table auth: with the race detector a hash takes long.
const cheapHashes = "hash_memory = \"7MiB\"\nhash_iterations = 1\n"

// extra is Extra with the cost of hashes.
func (c GateConfig) extra() string {
	if c.Costly || strings.Contains(c.Extra, "hash_memory") {
		return c.Extra
	}
	const table = "[auth]\n"
	if before, after, found := strings.Cut(c.Extra, table); found {
		return before + table + cheapHashes + after
	}
	return strings.TrimSuffix(c.Extra, "\n") + "\n" + table + cheapHashes
}

// dns is the table of that name, unless Extra has it.
func (c GateConfig) dns() string {
	if strings.Contains(c.Extra, "[dns]\n") {
		return ""
	}
	return "[dns]\nservers = [\"127.0.0.1:53\"]\n"
}

// CAFile is the certificate's file, within the data directory.
const CAFile = "self.crt"

// String returns the configuration file.
func (c GateConfig) String() string {
	anywhere := func(address string) string {
		if address == "" {
			return "127.0.0.1:0"
		}
		return address
	}
	if c.DataDir == "" {
		c.DataDir = "data"
	}
	return fmt.Sprintf(`hostname = %q
data_dir = %q
[log]
level = %q
[metrics]
listen = %q
[[listener]]
name = "submissions"
kind = "submissions"
address = [%q]
[[listener]]
name = "submission"
kind = "submission"
address = [%q]
[[certificate]]
name = "self"
source = "self-signed"
hosts = ["localhost", "127.0.0.1"]
%s[[route]]
domain = "*"
next_hop = "smtp://%s"
tls = "none"
%s`, cmp.Or(c.Hostname, "gate.example.org"), c.DataDir, cmp.Or(c.LogLevel, "info"), anywhere(c.Metrics), anywhere(c.Submissions), anywhere(c.Submission), c.dns(), c.NextHop, c.extra())
}

// AddAccount adds the one account, with the domain's keys.
func AddAccount(ctx context.Context, by *admin.Admin, keys []account.Key) error {
	address, err := mail.ParseAddress(Login)
	if err != nil {
		return err
	}
	return errors.Join(
		by.AddCustomer(ctx, Customer, ""),
		by.AddDomain(ctx, Domain, Customer, keys),
		by.AddAccount(ctx, admin.NewAccount{Address: address, Password: Password}))
}

// Roots reads a file of certificates to trust.
func Roots(t testing.TB, file string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", file)
	}
	return pool
}
