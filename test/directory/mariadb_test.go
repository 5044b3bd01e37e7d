package directory

import (
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"countersign/internal/testkit"
	"countersign/test/harness"
)

const (
	gateUser     = "gate"
	gatePassword = "a password with %, @ and : in it"
)

// mariadb is a MariaDB server with data of its own.
type mariadb struct {
	*daemon
	address string // on loopback
	admin   *sql.DB
}

// startMariaDB starts a server that ends with the test. Its authority signs for
// 127.0.0.1.
func startMariaDB(t testing.TB) *mariadb {
	t.Helper()
	m := &mariadb{daemon: newDaemon(t, "MariaDB"), address: harness.FreePort(t)}
	out, err := exec.Command("mariadb-install-db", "--no-defaults", "--user=root", "--datadir="+m.path("data"),
		"--auth-root-authentication-method=normal", "--skip-test-db").CombinedOutput()
	if err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	writeCertificates(t, m.folder)
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr = "root", "unix", m.path("sock")
	config.MultiStatements, config.Logger = true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	m.admin = sql.OpenDB(connector)
	t.Cleanup(func() { m.admin.Close() })
	m.run(m.command, func() bool { return m.admin.Ping() == nil })
	m.exec(fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY '%s'", gateUser, gatePassword))
	return m
}

// command runs the server.
func (m *mariadb) command() *exec.Cmd {
	_, port, err := net.SplitHostPort(m.address)
	if err != nil {
		m.t.Fatal(err)
	}
	return exec.Command("/usr/sbin/mariadbd", "--no-defaults", "--user=root", "--datadir="+m.path("data"),
		"--socket="+m.path("sock"), "--pid-file="+m.path("pid"), "--bind-address=127.0.0.1", "--port="+port,
		"--ssl-ca="+m.path("ca.pem"), "--ssl-cert="+m.path("cert.pem"), "--ssl-key="+m.path("key.pem"),
		"--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", "--skip-name-resolve")
}

// exec runs statements as root.
func (m *mariadb) exec(statements string) {
	m.t.Helper()
	if _, err := m.admin.ExecContext(context.Background(), statements); err != nil {
		m.t.Fatalf("%v\n%s", err, statements)
	}
}

// database makes a database with a schema, which the gate may read and run, and
// returns its URL.
func (m *mariadb) database(name, schema string) string {
	m.t.Helper()
	m.exec(fmt.Sprintf("CREATE DATABASE %s; USE %s; %s; GRANT ALL ON %s.* TO %s", name, name, strings.TrimSuffix(strings.TrimSpace(schema), ";"), name, gateUser))
	return fmt.Sprintf("mysql://%s@%s/%s", gateUser, m.address, name)
}

// writeCertificates makes an authority and a certificate for 127.0.0.1, as files of a
// folder.
func writeCertificates(t testing.TB, folder string) {
	t.Helper()
	authority := testkit.NewAuthority(t)
	pair := authority.Server("127.0.0.1").Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	// The authority shows its own certificate in the chain alone.
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: authority.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem":   {Type: "CERTIFICATE", Bytes: chains[0][len(chains[0])-1].Raw},
		"cert.pem": {Type: "CERTIFICATE", Bytes: leaf.Raw},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: key},
	} {
		write(t, filepath.Join(folder, name), string(pem.EncodeToMemory(block)))
	}
}

// foreignCertificate is one of an authority that has signed for nobody.
func foreignCertificate(t testing.TB) string {
	t.Helper()
	leaf, err := x509.ParseCertificate(testkit.NewAuthority(t).Server("127.0.0.1").Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}))
}
