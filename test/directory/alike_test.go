package directory

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/hash"
	"countersign/internal/app/directories"
	"countersign/internal/config"
	"countersign/internal/config/value"
	"countersign/internal/fault"
	"countersign/internal/login"
	"countersign/internal/login/secrets"
	"countersign/internal/mail"
	"countersign/internal/sasl"
	"countersign/internal/seal"
	"countersign/internal/testkit/accountstore"
)

const ownAccount, ownPassword = "own@example.org", "correct horse battery"

// besideDovecot is a Verifier whose domain example.org has the accounts of a Dovecot and one
// of the store.
func besideDovecot(t *testing.T, d *dovecotServer, more ...func(*config.Directory)) *login.Verifier {
	t.Helper()
	store := accountstore.New()
	sealer, err := seal.New(bytes.Repeat([]byte("k"), 32), rand.Reader)
	must(t, err)
	hasher, err := secrets.NewHasher(secrets.HasherOptions{Params: hash.Params{MemoryKiB: 16, Iterations: 1, Parallelism: 1}, Queue: 10})
	must(t, err)
	maker, err := secrets.NewMaker(secrets.MakerOptions{Hasher: hasher, Sealer: sealer, Salt: []byte("salt of this store"), Iterations: sasl.MinIterations})
	must(t, err)
	by := admin.New(admin.Options{Store: store, Secrets: maker, IDs: &mail.IDSource{}, Actor: "test"})
	must(t, by.AddCustomer(t.Context(), "acme", ""))
	must(t, by.AddDomain(t.Context(), "example.org", "acme", []account.Key{{Selector: "s1", Algorithm: "rsa"}}))
	address, err := mail.ParseAddress(ownAccount)
	must(t, err)
	must(t, by.AddAccount(t.Context(), admin.NewAccount{Address: address, Password: ownPassword}))
	table := config.Directory{
		Name: "mailboxes", Kind: "dovecot", URL: d.socket(), Customer: "acme", MaxNewAccounts: 100,
		Timeout: value.Duration(10 * time.Second), Connections: 50, Failures: 100, Pause: value.Duration(time.Second),
	}
	for _, change := range more {
		change(&table)
	}
	set, err := directories.Open([]config.Directory{table}, directories.Options{Store: store, Admin: by})
	must(t, err)
	t.Cleanup(func() { set.Close() })
	set.Greet(t.Context())
	return login.New(login.Options{Store: store, Hasher: hasher, Maker: maker, Directories: set})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seen is what a client sees of a login by SCRAM.
type seen struct {
	// form is that of the challenge, answer what the login came to.
	form, answer string
	salt         string
	// challenged and answered are how long these took.
	challenged, answered time.Duration
}

// bySCRAM logs in by SCRAM.
func bySCRAM(t *testing.T, v *login.Verifier, name, password string) (s seen) {
	t.Helper()
	client, err := scram.SHA256.NewClient(name, password, "")
	must(t, err)
	talk := client.NewConversation()
	c := &login.Client{Verifier: v, Attempt: login.Attempt{Client: netip.MustParseAddr("192.0.2.7"), Session: "01J9", Mechanism: sasl.ScramSHA256}}
	m, _ := sasl.Lookup(sasl.ScramSHA256)
	x := c.Begin(m, &sasl.Conn{Host: "gate.example"})
	defer c.End()
	first, err := talk.Step("")
	must(t, err)
	began := time.Now()
	challenge, _, err := x.Next(t.Context(), []byte(first))
	s.challenged = time.Since(began)
	if err != nil {
		s.form = err.Error()
		return s
	}
	parts := strings.Split(string(challenge), ",")
	salt, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(parts[1], "s="))
	must(t, err)
	s.salt, s.form = string(salt), fmt.Sprintf("a nonce of %d, a salt of %d, %s", len(parts[0]), len(salt), parts[2])
	final, err := talk.Step(string(challenge))
	must(t, err)
	began = time.Now()
	challenge, done, err := x.Next(t.Context(), []byte(final))
	if err == nil && !done {
		if _, bad := talk.Step(string(challenge)); bad != nil {
			t.Errorf("%s: the server has not proved itself: %v", name, bad)
		}
		_, done, err = x.Next(t.Context(), []byte{})
	}
	s.answered = time.Since(began)
	s.answer = fault.ReasonOf(err)
	if done {
		s.answer = "in as " + c.Principal.Sender.Account.Login()
	}
	return s
}

// inTime is bySCRAM, again where Dovecot's challenge came later than the gate had learned to
// wait for it: on a busy machine the first exchanges may do so, and clients then try again.
func inTime(t *testing.T, v *login.Verifier, name, password string) (s seen) {
	t.Helper()
	const tries = 20
	for range tries {
		if s = bySCRAM(t, v, name, password); s.answer != "auth-unavailable" {
			break
		}
	}
	return s
}

// byPLAIN logs in by PLAIN.
func byPLAIN(v *login.Verifier, name, password string) (reason string, took time.Duration) {
	began := time.Now()
	_, err := v.Password(context.Background(), login.Attempt{Client: netip.MustParseAddr("192.0.2.7"), Mechanism: "PLAIN"}, "", name, password)
	return fault.ReasonOf(err), time.Since(began)
}

// TestDovecotTellsNobodysName: beside a Dovecot that delays its refusals, as all do unless told
// otherwise, names of the store, of Dovecot and of nobody are alike in every exchange.
func TestDovecotTellsNobodysName(t *testing.T) {
	const (
		delay    = 2 * time.Second  // of Dovecot's refusals, for which no challenge waits
		patience = 20 * time.Second // of a client, on a busy machine
	)
	d := startDovecot(t)
	d.stop()
	conf, err := os.ReadFile(d.path("dovecot.conf"))
	must(t, err)
	write(t, d.path("dovecot.conf"), strings.Replace(string(conf), "auth_failure_delay = 0", "auth_failure_delay = 2 secs", 1))
	d.start()
	v := besideDovecot(t, d)

	// Who has the right password gets in, by either way; the gate learns from that.
	for range 3 {
		if s := inTime(t, v, "shop@example.org", "pencil"); s.answer != "in as shop@example.org" {
			t.Fatalf("%+v; Dovecot says:\n%s", s, d.told())
		}
	}
	if s := bySCRAM(t, v, ownAccount, ownPassword); s.answer != "in as "+ownAccount {
		t.Errorf("%+v", s)
	}
	if reason, _ := byPLAIN(v, ownAccount, ownPassword); reason != "" {
		t.Error(reason)
	}

	// Two kinds of salts are about: Dovecot's, which has the password, are new each time, the
	// store's stay.
	names := []string{"shop@example.org", ownAccount, "second@example.org", "nobody@example.org", "nemo@example.org"}
	want := "a nonce of 88, a salt of 16, i=4096"
	for _, name := range names {
		s := inTime(t, v, name, "wrong")
		if s.form != strings.Replace(want, "88", s.form[len("a nonce of "):][:2], 1) || s.answer != "auth-failed" {
			t.Errorf("%s: %+v", name, s)
		}
		if s.challenged >= delay || s.answered < 900*time.Millisecond || s.answered > patience {
			t.Errorf("%s: challenged after %v, answered after %v", name, s.challenged, s.answered)
		}
		reason, took := byPLAIN(v, name, "wrong")
		if reason != "auth-failed" || took < 900*time.Millisecond || took > patience {
			t.Errorf("%s by PLAIN: %s after %v", name, reason, took)
		}
	}
	if log := d.told(); strings.Contains(log, ownAccount) || strings.Contains(log, "BUG") {
		t.Errorf("Dovecot was asked about an account of the store, or finds fault:\n%s", log)
	}

	// While it is away, all that fails is trouble, and an account of the store gets in.
	d.stop()
	for _, name := range names {
		if s := bySCRAM(t, v, name, "wrong"); s.answer != "auth-unavailable" || !strings.HasPrefix(s.form, "a nonce") {
			t.Errorf("away, %s: %+v", name, s)
		}
		if reason, _ := byPLAIN(v, name, "wrong"); reason != "auth-unavailable" {
			t.Errorf("away, %s by PLAIN: %s", name, reason)
		}
	}
	if s := bySCRAM(t, v, ownAccount, ownPassword); s.answer != "in as "+ownAccount {
		t.Errorf("away: %+v", s)
	}
}

// TestDovecotIsNotAskedWhatItMayRefuse: other spellings of a name, and an authorization
// identity, which Dovecot refuses for accounts that it has, come to the same for every name.
func TestDovecotIsNotAskedWhatItMayRefuse(t *testing.T) {
	d := startDovecot(t)
	v := besideDovecot(t, d)
	m, _ := sasl.Lookup(sasl.ScramSHA256)
	for range 3 {
		inTime(t, v, "shop@example.org", "pencil")
	}
	for form, want := range map[string]string{
		"n,a=zz@example.org,n=%s@example.org,r=abcdefgh":       "0 octets, auth-failed",
		"n,,n=\"%s\"@example.org,r=abcdefgh":                   "0 octets, auth-failed",
		"n,,n=%s@EXAMPLE.ORG,r=abcdefgh":                       "0 octets, auth-failed",
		"n,a=%[1]s@example.org,n=%[1]s@example.org,r=abcdefgh": "108 octets, ",
		"y,,n=%s@example.org,r=abcdefgh":                       "108 octets, ",
		"n,,n=%s@example.org,r=abcdefgh,x=y":                   "108 octets, ",
	} {
		for _, name := range []string{"shop", "second", "own", "nobody"} {
			c := &login.Client{Verifier: v, Attempt: login.Attempt{Client: netip.MustParseAddr("192.0.2.7"), Session: "01J9", Mechanism: sasl.ScramSHA256}}
			challenge, _, err := c.Begin(m, &sasl.Conn{Host: "gate.example"}).Next(t.Context(), fmt.Appendf(nil, form, name))
			c.End()
			if got := fmt.Sprintf("%d octets, %s", len(challenge), fault.ReasonOf(err)); got != want {
				t.Errorf("%s, %s: %s", form, name, got)
			}
		}
	}
}
