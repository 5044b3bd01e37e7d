package directory

import (
	"testing"

	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
)

// peers are the servers of all tests. Each is started for the first test that wants
// it, and ends with the last one.
type peers struct {
	t       *testing.T
	pg      *pgcluster.Cluster
	maria   *mariadb
	ldap    *slapd
	mailbox *dovecotServer
}

// TestDirectories runs every test, one after the other, as some stop the servers;
// those of the real gate come last.
func TestDirectories(t *testing.T) {
	p := &peers{t: t}
	for _, each := range []struct {
		name string
		test func(t *testing.T, p *peers)
	}{
		{"schemas", testSchemas},
		{"databases", testDatabases},
		{"LDAP", testLDAP},
		{"Dovecot", testDovecot},
		{"gate", testGate},
	} {
		t.Run(each.name, func(t *testing.T) { each.test(t, p) })
	}
}

// postgres has an authority, so that it listens on loopback, with TLS alone.
func (p *peers) postgres() *pgcluster.Cluster {
	if p.pg == nil {
		p.pg = pgcluster.Start(p.t, pgcluster.Options{NoSync: true, Authority: testkit.NewAuthority(p.t), Password: gatePassword})
	}
	return p.pg
}

func (p *peers) mariaDB(t testing.TB) *mariadb {
	if p.maria == nil {
		p.maria = startMariaDB(p.t)
	}
	p.maria.lend(t)
	return p.maria
}

func (p *peers) slapd(t testing.TB) *slapd {
	if p.ldap == nil {
		p.ldap = startSlapd(p.t)
	}
	p.ldap.lend(t)
	return p.ldap
}

func (p *peers) dovecot(t testing.TB) *dovecotServer {
	if p.mailbox == nil {
		p.mailbox = startDovecot(p.t)
	}
	p.mailbox.lend(t)
	return p.mailbox
}
