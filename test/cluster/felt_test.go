package cluster

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/loadgen"
	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
	"countersign/test/harness"
)

// login submits a message through a gate, over a connection of its own, and says when
// it began with that.
func (c *world) login(g int, password string) (began time.Time, err error) {
	o := c.gates[g].Load(1, 1)
	o.Password = password
	began = time.Now()
	_, err = loadgen.SendOne(context.Background(), o, []byte("From: <"+harness.Login+">\r\nTo: <b@example.com>\r\nSubject: one\r\n\r\none\r\n"))
	return began, err
}

// changedMeanwhile reports whether an error is a change between a login and its message,
// or during that.
func changedMeanwhile(err error) bool {
	return strings.Contains(err.Error(), "settings of this login changed") || strings.Contains(err.Error(), "421 4.7.0 What this login signed in with was changed")
}

// TestPasswordIsFeltEverywhere changes a password on one gate while there are logins
// with the old one on another, which has it in memory: no login that begins a second
// later passes, and the new password does on all.
func TestPasswordIsFeltEverywhere(t *testing.T) {
	const password = "another long test password"
	c := newWorld(t, shared.Cluster(t).Database(t))
	logins := make(chan time.Time, 1000)
	var refused error
	until := time.Now().Add(30 * time.Second)
	go func() {
		defer close(logins)
		for refused == nil {
			began, err := c.login(1, harness.Password)
			switch {
			case began.After(until):
				refused = errors.New("it is taken for ever")
			case err == nil:
				logins <- began
			case changedMeanwhile(err):
			default:
				refused = err
			}
		}
	}()
	if _, passed := <-logins; !passed {
		t.Fatalf("before the change: %v", refused)
	}
	if _, err := c.login(2, harness.Password); err != nil {
		t.Fatal(err)
	}
	c.gates[0].Admin(password+"\n", "account", "passwd", harness.Login)
	found, err := c.db.Search(t.Context(), audit.Query{Kind: audit.AdminChanged, Since: time.Now().Add(-time.Minute)})
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	var last time.Time
	for began := range logins {
		last = began
	}
	if !strings.Contains(refused.Error(), "535") {
		t.Errorf("the old password is answered with %v", refused)
	}
	t.Logf("the last login with the old password began %v after the change", last.Sub(found[0].At))
	if last.Sub(found[0].At) > time.Second {
		t.Errorf("the old password is taken for %v on another gate", last.Sub(found[0].At))
	}
	for g := range c.gates {
		if _, err := c.login(g, password); err != nil {
			t.Errorf("gate %d refuses the new password: %v", g, err)
		}
	}
	if _, err := c.login(2, harness.Password); err == nil || !strings.Contains(err.Error(), "535") {
		t.Errorf("gate 2 answers the old password with %v", err)
	}
}

// TestDatabaseOverTLS runs gates that reach the database over TLS alone and prove
// a password, restarts it under load, and wants a gate that trusts another authority
// to start no more.
func TestDatabaseOverTLS(t *testing.T) {
	const secret = "what the database wants"
	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true, Authority: testkit.NewAuthority(t), Password: secret})
	u, err := url.Parse(cluster.OverTLS(cluster.Database(t)))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.User = url.User(u.User.Username())
	c := newWorldWith(t, worldOptions{url: u.String(), passwordFile: file})
	var stops []func()
	for g := range c.gates {
		stops = append(stops, c.load(g, 2))
	}
	c.more(20, 0, 1, 2)
	c.without(func() { cluster.Restart(t, pgcluster.Immediate) })
	c.more(20, 0, 1, 2)
	c.allReady()
	for _, stop := range stops {
		stop()
	}
	c.noRepeats()

	g := c.gates[2]
	g.Kill(syscall.SIGTERM)
	text, err := os.ReadFile(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(text), u.Query().Get("sslrootcert"), anotherAuthority(t), 1)
	if err := os.WriteFile(g.Config, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := g.Refused("serve"); !strings.Contains(text, "unknown authority") || strings.Contains(text, secret) {
		t.Errorf("a gate that trusts another authority says %s", text)
	}
}

// anotherAuthority returns the file of an authority that the database has nothing from.
func anotherAuthority(t *testing.T) string {
	t.Helper()
	chain := testkit.NewAuthority(t).Server("localhost").Certificates[0].Certificate
	leaf, err := x509.ParseCertificate(chain[len(chain)-1])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "other.crt")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
