package directory

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"countersign/internal/directory"
	"countersign/internal/directory/dovecot"
	"countersign/internal/testkit/pgcluster"
	"countersign/test/harness"
)

// dovecotSite offers what this Dovecot has, as the page asks for.
func dovecotSite(t *testing.T, p *peers) site {
	d := p.dovecot(t)
	all := mailboxes + live + ":{PLAIN}" + livePassword + "::::::\n"
	write(t, d.path("mailboxes"), all)
	t.Cleanup(func() { write(t, d.path("mailboxes"), mailboxes) })
	asked := d.asking(func(*dovecot.Options) {})
	harness.WaitFor(t, "Dovecot to read its file, which it looks at once a second", func() bool {
		_, err := asked.Ask(t.Context(), directory.Question{Login: live, Password: livePassword})
		return err == nil
	})
	mechanisms := []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}
	config := adapted(t, example(t, "## Dovecot"), map[string]string{
		"url": strconv.Quote(d.socket()), "mechanisms": `["` + strings.Join(mechanisms, `", "`) + `"]`,
	})
	return site{
		config: config + "pass_challenges = true\n", mechanisms: mechanisms, stop: d.stop, start: d.start,
		remove: func() { write(t, d.path("mailboxes"), mailboxes) },
	}
}

// clearSecrets are the mechanisms that the other kinds can be asked about.
var clearSecrets = []string{"PLAIN", "LOGIN"}

// ldapSite is the page's example for OpenLDAP, by ldaps.
func ldapSite(t *testing.T, p *peers) site {
	s := p.slapd(t)
	const dn = "uid=live,ou=people,dc=example,dc=org"
	add := goldap.NewAddRequest(dn, nil)
	for attribute, value := range map[string]string{
		"objectClass": "inetOrgPerson", "uid": "live", "cn": "Live", "sn": "Live", "mail": live, "userPassword": s.hash,
	} {
		add.Attribute(attribute, []string{value})
	}
	s.asRoot(func(c *goldap.Conn) error { return c.Add(add) })
	config := adapted(t, example(t, "### OpenLDAP"), map[string]string{
		"url": strconv.Quote("ldaps://" + s.encrypted), "password_file": strconv.Quote(s.passwordFile),
	})
	return site{
		config: config + fmt.Sprintf("ca_file = %q\n", s.path("ca.pem")), mechanisms: clearSecrets, witness: true, stop: s.stop, start: s.start,
		remove: func() { s.asRoot(func(c *goldap.Conn) error { return c.Del(goldap.NewDelRequest(dn, nil)) }) },
	}
}

// sqlHeading is whose schema and queries the gate is tested with.
const sqlHeading = "Postfix and Dovecot"

// addLive adds the account to it, with a hash of its password by crypt(3), whose scheme the
// configuration names; removeLive takes it away.
const (
	addLive = "INSERT INTO virtual_users VALUES (9, 1, '" + live + "', " +
		"'$6$countersign$45dWYA59wqaQgxx6UySLEGtTCRrdJdSJP4zy49lCP8lkj/01Xucl5yAvUXmvczGHoaXmrtkhGvCYHFbds09EN/')"
	removeLive = "DELETE FROM virtual_users WHERE email = '" + live + "'"
)

// sqlConfig is the page's example for databases, with one of the queries for that schema.
func sqlConfig(t *testing.T, url, passwordFile string, engine int) string {
	t.Helper()
	return adapted(t, example(t, "## A database: PostgreSQL, MySQL, MariaDB"), map[string]string{
		"url": strconv.Quote(url), "password_file": strconv.Quote(passwordFile), "query": "'''\n" + queries(t)[sqlHeading][engine] + "'''",
	})
}

func postgresSite(t *testing.T, p *peers) site {
	c := p.postgres()
	url := c.Database(t)
	executes(t, url, schemas[sqlHeading]+addLive)
	return site{
		config:     sqlConfig(t, bare(t, c.OverTLS(url)), write(t, filepath.Join(t.TempDir(), "password"), gatePassword), 0),
		mechanisms: clearSecrets, witness: true, remove: func() { executes(t, url, removeLive) },
		stop: func() { c.Stop(t, pgcluster.Fast) }, start: func() { c.Start(t) },
	}
}

func mariaSite(t *testing.T, p *peers) site {
	m := p.mariaDB(t)
	url := m.database("live", schemas[sqlHeading]+addLive)
	return site{
		config:     sqlConfig(t, url, write(t, filepath.Join(t.TempDir(), "password"), gatePassword), 1),
		mechanisms: clearSecrets, witness: true, remove: func() { m.exec("USE live; " + removeLive) },
		stop: m.stop, start: m.start,
	}
}

// panel is a program that answers as the page says, with one account or none.
type panel struct {
	t     testing.TB
	key   []byte
	empty atomic.Bool // it knows nobody
}

// panelSite is a callback by https, whose authority the system does not know.
func panelSite(t *testing.T, _ *peers) site {
	folder, address := t.TempDir(), harness.FreePort(t)
	writeCertificates(t, folder)
	n := &panel{t: t, key: []byte(strings.Repeat("k", 64))}
	var server *http.Server
	start := func() {
		server = &http.Server{Handler: n}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		go server.ServeTLS(listener, filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	}
	stop := func() { server.Close() }
	start()
	t.Cleanup(func() { stop() })
	config := adapted(t, example(t, "## A callback over HTTP"), map[string]string{
		"url": fmt.Sprintf("%q", "https://"+address+"/countersign"), "key_file": strconv.Quote(write(t, filepath.Join(folder, "panel.key"), string(n.key))),
	})
	return site{
		config: config + fmt.Sprintf("ca_file = %q\n", filepath.Join(folder, "ca.pem")), mechanisms: clearSecrets, witness: true,
		stop: stop, start: start, remove: func() { n.empty.Store(true) },
	}
}

// ServeHTTP implements http.Handler.
func (n *panel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || !n.signed(r.Header.Get("Countersign-Signature"), body) {
		n.t.Errorf("%s without a good signature: %v", r.Method, err)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var q struct{ Login, Password string }
	if err := json.Unmarshal(body, &q); err != nil {
		n.t.Errorf("%s: %v", body, err)
	}
	answer := map[string]any{"result": "found", "login": q.Login, "verified": true}
	switch {
	case q.Login != live || n.empty.Load():
		answer = map[string]any{"result": "unknown"}
	case q.Password != livePassword:
		answer = map[string]any{"result": "refused"}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		n.t.Error(err)
	}
}

// signed verifies a signature as the page describes it.
func (n *panel) signed(header string, body []byte) bool {
	stamp, sum, found := strings.Cut(header, ",v1=")
	stamp, begins := strings.CutPrefix(stamp, "t=")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	given, badHex := hex.DecodeString(sum)
	if !found || !begins || err != nil || badHex != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
		return false
	}
	m := hmac.New(sha256.New, n.key)
	fmt.Fprintf(m, "%s.%s", stamp, body)
	return hmac.Equal(m.Sum(nil), given)
}
