package directory

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"countersign/internal/directory/ldap"
	"countersign/test/harness"
)

const (
	base          = "dc=example,dc=org"
	serviceDN     = "cn=gate,dc=example,dc=org"
	serviceSecret = "the gate's own"
	decoyDN       = "cn=decoy,dc=example,dc=org"
	rootDN        = "cn=root,dc=example,dc=org"
	rootSecret    = "root's secret"
	userPattern   = "uid={local},ou=people,dc=example,dc=org"
)

// tree is what the server holds. Each password is "pencil".
const tree = `
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: cn=gate,dc=example,dc=org
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: gate
userPassword: the gate's own

dn: cn=decoy,dc=example,dc=org
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: decoy
userPassword: nobody knows this

dn: uid=shop,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: shop
cn: Shop
sn: Shop
mail: shop@example.org
departmentNumber: Acme
employeeType: basic
carLicense: info@example.org
carLicense: SMTP:sales@example.org
carLicense: x400:c=de
roomNumber: 192.0.2.0/24
userPassword: {SSHA}%SSHA

dn: uid=off,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: off
cn: Off
sn: Off
mail: off@example.org
employeeType: disabled
userPassword: {SSHA}%SSHA

dn: uid=twice,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twice
cn: Twice
sn: Twice
mail: twice@example.org
mail: second@example.org
userPassword: {SSHA}%SSHA

dn: cn=one,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: one
sn: Same
mail: same@example.org
userPassword: {SSHA}%SSHA

dn: cn=two,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: two
sn: Same
mail: same@example.org
userPassword: {SSHA}%SSHA

dn: uid=none,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: none
cn: None
sn: None
mail: none@example.org

dn: uid=o\,dd\+x,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: o,dd+x
cn: Odd
sn: Odd
mail: "o,dd+x"@example.org
userPassword: {SSHA}%SSHA

dn: ou=elsewhere,dc=example,dc=org
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:9/ou=elsewhere,dc=example,dc=org

dn: cn=Users,dc=example,dc=org
objectClass: applicationProcess
cn: Users

dn: cn=AD,cn=Users,dc=example,dc=org
objectClass: user
objectClass: extensibleObject
cn: AD
sn: AD
mail: ad@example.org
userAccountControl: 512
instanceType: 4
nTSecurityDescriptor: x
objectCategory: cn=Users,dc=example,dc=org
memberOf: CN=Staff,CN=Users,DC=example,DC=org
memberOf: CN=Gold,CN=Users,DC=example,DC=org
proxyAddresses: SMTP:ad@example.org
proxyAddresses: smtp:ad.two@example.org
proxyAddresses: sip:ad@example.org
userPassword: {SSHA}%SSHA

dn: cn=AD off,cn=Users,dc=example,dc=org
objectClass: user
objectClass: extensibleObject
cn: AD off
sn: AD
mail: adoff@example.org
userAccountControl: 514
instanceType: 4
nTSecurityDescriptor: x
objectCategory: cn=Users,dc=example,dc=org
userPassword: {SSHA}%SSHA

dn: cn=gold,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: gold
member: uid=shop,ou=people,dc=example,dc=org
member: uid=off,ou=people,dc=example,dc=org

dn: cn=all,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: all
member: uid=shop,ou=people,dc=example,dc=org
`

// slapd is an OpenLDAP server with data of its own, on a socket, with StartTLS and
// over TLS.
type slapd struct {
	*daemon
	plain, encrypted   string // on loopback
	passwordFile, hash string
}

// startSlapd starts a server that ends with the test.
func startSlapd(t testing.TB) *slapd {
	t.Helper()
	s := &slapd{daemon: newDaemon(t, "slapd"), plain: harness.FreePort(t), encrypted: harness.FreePort(t)}
	if err := os.Mkdir(s.path("data"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeCertificates(t, s.folder)
	s.passwordFile = write(t, s.path("password"), serviceSecret+"\nmore")
	out, err := exec.Command("/usr/sbin/slappasswd", "-h", "{SSHA}", "-s", "pencil").Output()
	if err != nil {
		t.Fatal(err)
	}
	s.hash = strings.TrimSpace(string(out))
	write(t, s.path("slapd.conf"), s.config())
	write(t, s.path("tree.ldif"), strings.ReplaceAll(tree, "{SSHA}%SSHA", s.hash))
	if out, err := exec.Command("/usr/sbin/slapadd", "-f", s.path("slapd.conf"), "-l", s.path("tree.ldif")).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	s.run(s.command, func() bool { return listens(s.path("sock")) })
	return s
}

// config lets accounts read themselves, and the gate everybody; their hashes too, as
// the page has it.
func (s *slapd) config() string {
	return fmt.Sprintf(`include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/msuser.schema
pidfile %[1]s/pid
argsfile %[1]s/args
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile %[1]s/ca.pem
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
sizelimit 100
database mdb
suffix "%[2]s"
rootdn "%[3]s"
rootpw "%[4]s"
directory %[1]s/data
maxsize 16777216
dbnosync
%[6]saccess to * by dn.exact="%[5]s" read by self read by anonymous auth by * none
`, s.folder, base, rootDN, rootSecret, serviceDN, block(s.t, "access to attrs=userPassword"))
}

func (s *slapd) socket() string { return "ldapi://" + url.PathEscape(s.path("sock")) }

// command runs the server.
func (s *slapd) command() *exec.Cmd {
	urls := fmt.Sprintf("ldap://%s/ ldaps://%s/ %s", s.plain, s.encrypted, s.socket())
	return exec.Command("/usr/sbin/slapd", "-d", "0", "-f", s.path("slapd.conf"), "-h", urls)
}

// change changes an attribute as the server's administrator.
func (s *slapd) change(dn, attribute string, values ...string) {
	s.t.Helper()
	r := goldap.NewModifyRequest(dn, nil)
	r.Replace(attribute, values)
	s.asRoot(func(c *goldap.Conn) error { return c.Modify(r) })
}

// asRoot does something as the server's administrator.
func (s *slapd) asRoot(do func(c *goldap.Conn) error) {
	s.t.Helper()
	c, err := goldap.DialURL(s.socket())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Bind(rootDN, rootSecret); err != nil {
		s.t.Fatal(err)
	}
	if err := do(c); err != nil {
		s.t.Fatal(err)
	}
}

// searching are options for the way that searches and binds.
func (s *slapd) searching(more func(*ldap.Options)) ldap.Options {
	opt := ldap.Options{
		Name: "ldap", URL: s.socket(), BindDN: serviceDN, PasswordFile: s.passwordFile, Base: base, Filter: "(&(objectClass=inetOrgPerson)(mail={login}))",
		Attributes: ldap.Attributes{Login: "mail", Customer: "departmentNumber", Plan: "employeeType", Aliases: "carLicense", Networks: "roomNumber"},
		Disabled:   "(employeeType=disabled)", Decoy: decoyDN, Connections: 2,
	}
	if more != nil {
		more(&opt)
	}
	return opt
}

// asking returns a directory with these options.
func (s *slapd) asking(opt ldap.Options) *ldap.LDAP {
	s.t.Helper()
	d, err := ldap.New(opt)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { d.Close() })
	return d
}
