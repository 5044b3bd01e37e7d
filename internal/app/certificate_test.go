package app

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/credentials"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/mail"
	"countersign/internal/sasl"
	"countersign/internal/sink"
	"countersign/internal/testkit"
)

// otherLogin is an account beside testLogin.
const otherLogin = "b@example.org"

// cards is a world with listeners that ask for certificates: "card" in TLS from the
// start, "card-starttls" with STARTTLS, which offers EXTERNAL alone, and "card-prints"
// where fingerprints alone count.
type cards struct {
	*world
	ours    *testkit.Authority
	ca, crl string
	clock   *testkit.Clock
}

func newCards(t *testing.T) *cards {
	t.Helper()
	return newCardsTo(t, func(sink.Message) error { return nil })
}

// newCardsTo is newCards with what the next hop says to each message.
func newCardsTo(t *testing.T, received func(sink.Message) error) *cards {
	t.Helper()
	dir := t.TempDir()
	c := &cards{
		ours: testkit.NewAuthority(t), ca: filepath.Join(dir, "ca.pem"), crl: filepath.Join(dir, "ca.crl"),
		clock: testkit.NewClock(time.Now()),
	}
	testkit.WriteCertificates(t, c.ca, c.ours)
	c.revoke(t)
	files := fmt.Sprintf("address = [\"127.0.0.1:0\"]\nclient_ca_file = %q\nclient_crl_file = %q\n", c.ca, c.crl)
	c.world = newWorldAt(t, c.clock.Now, "[[listener]]\nname = \"card\"\nkind = \"submissions\"\n"+files+"client_names = [\"fingerprint\", \"email\", \"cn\"]\n"+
		"[[listener]]\nname = \"card-starttls\"\nkind = \"submission\"\nmechanisms = [\"external\"]\n"+files+
		"[[listener]]\nname = \"card-prints\"\nkind = \"submissions\"\nclient_names = [\"fingerprint\"]\n"+files,
		received)
	c.account(otherLogin)
	return c
}

// revoke writes a list that is good for a day.
func (c *cards) revoke(t *testing.T, revoked ...tls.Certificate) {
	testkit.WriteCRLs(t, c.crl, c.ours.CRL(c.clock.Now().Add(24*time.Hour), nil, revoked...))
}

func (w *world) account(login string) {
	w.t.Helper()
	if err := w.app.Admin("test").AddAccount(w.t.Context(), admin.NewAccount{Address: parsed(w.t, login), Password: testPassword}); err != nil {
		w.t.Fatal(err)
	}
}

func parsed(t testing.TB, login string) mail.Address {
	t.Helper()
	address, err := mail.ParseAddress(login)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// credential gives an account a credential named like its subject.
func (w *world) credential(login string, kind account.CredentialKind, subject string) {
	w.t.Helper()
	_, err := w.credentials().Add(w.t.Context(), parsed(w.t, login), credentials.New{Kind: kind, Name: nameOf(subject), Subject: subject})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) credentials() *credentials.Admin {
	var names []string
	for _, m := range sasl.Mechanisms() {
		names = append(names, m.Name)
	}
	return credentials.NewAdmin(credentials.Options{
		Store: w.app.Store(), Secrets: w.app.maker, IDs: &mail.IDSource{}, Mechanisms: names, Now: w.app.opt.Now, Actor: "test",
	})
}

// nameOf makes a credential's name of its subject.
func nameOf(subject string) string {
	name := strings.NewReplacer(":", "-", "/", "-", "@", "-", " ", "-").Replace(strings.ToLower(subject))
	return name[:min(len(name), 20)]
}

// dial opens a session at a listener as far as the answer to EHLO over TLS, which it
// returns by lines. header, which may be "", goes first.
func (w *world) dial(listener, header string, secure *tls.Config) (*talk, []string) {
	w.t.Helper()
	raw, err := net.Dial("tcp", w.app.Addresses()[listener])
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { raw.Close() })
	if err := raw.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := raw.Write([]byte(header)); err != nil {
		w.t.Fatal(err)
	}
	c := &talk{t: w.t.(*testing.T), conn: textproto.NewConn(raw)}
	if slices.ContainsFunc(w.app.started.Listeners, func(l config.Listener) bool { return l.Name == listener && l.Kind == "submission" }) {
		c.read(220)
		c.say(250, "EHLO client.example")
		c.say(530, "MAIL FROM:<"+testLogin+">") // TLS comes first, whoever it is
		c.say(220, "STARTTLS")
		c.conn = textproto.NewConn(tls.Client(raw, secure))
	} else {
		c.conn = textproto.NewConn(tls.Client(raw, secure))
		c.read(220)
	}
	return c, strings.Split(c.say(250, "EHLO client.example"), "\n")
}

// with is how a client connects that has a certificate, and keeps its tickets.
func with(version uint16, certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, ServerName: "localhost", MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(4), Certificates: certificates,
	}
}

// saysAuth returns the line that EHLO has for AUTH, "" for none.
func saysAuth(lines []string) string {
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l, "AUTH "); ok {
			return rest
		}
	}
	return ""
}

// external is the command for an authorization identity, "" for none.
func external(authzid string) string {
	if authzid == "" {
		return "AUTH EXTERNAL =" // RFC 4954 section 4: an empty initial response
	}
	return "AUTH EXTERNAL " + base64.StdEncoding.EncodeToString([]byte(authzid))
}

// last returns the data of the last event of a kind.
func (w *world) last(kind audit.Kind) audit.Event {
	w.t.Helper()
	if err := w.app.recorder.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	events, err := w.app.Store().Search(w.t.Context(), audit.Query{Kind: kind})
	if err != nil || len(events) == 0 {
		w.t.Fatalf("no event %s: %v", kind, err)
	}
	return events[len(events)-1]
}

func fingerprint(c tls.Certificate) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(c.Certificate[0]))
}

// TestExternalOverTheWire logs in by certificate, in both versions of TLS, with a full
// handshake and with a resumed one.
func TestExternalOverTheWire(t *testing.T) {
	w := newCards(t)
	byPrint, byCN := w.ours.Client("print", nil), w.ours.Client("Printer 7", nil)
	byMail := w.ours.Client("mail", func(c *x509.Certificate) { c.EmailAddresses = []string{"A.Card@Example.ORG"} })
	w.credential(testLogin, account.Certificate, fingerprint(byPrint))
	w.credential(testLogin, account.Certificate, "email:a.card@example.org")
	w.credential(otherLogin, account.Certificate, "cn:Printer 7")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, tt := range []struct {
			listener, login string
			c               tls.Certificate
		}{
			{"card", testLogin, byPrint}, {"card", testLogin, byMail}, {"card", otherLogin, byCN},
			{"card-starttls", testLogin, byPrint}, {"card-starttls", testLogin, byMail}, {"card-prints", testLogin, byPrint},
		} {
			config, didResume := with(version, tt.c), false
			config.VerifyConnection = func(cs tls.ConnectionState) error {
				didResume = cs.DidResume
				return nil
			}
			for _, resumed := range []bool{false, true} {
				t.Run(fmt.Sprint(tls.VersionName(version), tt.listener, tt.c.Leaf.Subject, resumed), func(t *testing.T) {
					s, lines := w.dial(tt.listener, "", config)
					if didResume != resumed {
						t.Errorf("resumed: %v", didResume)
					}
					if got := saysAuth(lines); !strings.HasPrefix(got, "EXTERNAL") || tt.listener == "card-starttls" && got != "EXTERNAL" {
						t.Errorf("offered %q", got)
					}
					s.say(235, external(""))
					s.say(250, "MAIL FROM:<"+tt.login+">")
					s.say(250, "RSET")
					s.say(550, "MAIL FROM:<nobody@example.org>")
					s.say(221, "QUIT")
				})
			}
		}
	}
	if e := w.last(audit.AuthPassed); e.Data["mechanism"] != "EXTERNAL" || e.Data["credential"] != nameOf(fingerprint(byPrint)) || e.Login != testLogin {
		t.Errorf("recorded %+v", e)
	}
	if e := w.last(audit.SessionTLS); e.Data["certificate"] != "CN=print" || e.Data["fingerprint"] != fingerprint(byPrint) || e.Data["certificate_refused"] != "" {
		t.Errorf("recorded %+v", e)
	}
	// Names that do not count at a listener open nothing there.
	s, lines := w.dial("card-prints", "", with(tls.VersionTLS13, byMail))
	if !strings.HasPrefix(saysAuth(lines), "EXTERNAL") {
		t.Errorf("offered %q", lines)
	}
	s.say(535, external(""))
	if e := w.last(audit.AuthFailed); e.Data["cause"] != "unknown" {
		t.Errorf("recorded %+v", e)
	}
}

// TestAuthorizationIdentityOfACertificate: a certificate of one account opens no other.
func TestAuthorizationIdentityOfACertificate(t *testing.T) {
	w := newCards(t)
	c := w.ours.Client("print", nil)
	w.credential(testLogin, account.Certificate, fingerprint(c))
	for authzid, code := range map[string]int{"": 235, testLogin: 235, "A@EXAMPLE.ORG": 235, otherLogin: 535, "nobody@example.org": 535, "admin": 535, "a\x00b": 501} {
		s, _ := w.dial("card", "", with(tls.VersionTLS13, c))
		s.say(code, external(authzid))
	}
}

// TestCertificatesThatDoNotHold: the handshake succeeds, EXTERNAL is not offered and not
// taken, the record says why, and a password opens the account as before.
func TestCertificatesThatDoNotHold(t *testing.T) {
	w := newCards(t)
	now := w.clock.Now()
	revoked := w.ours.Client("revoked", nil)
	w.revoke(t, revoked)
	w.app.clients.Poll()
	for cause, c := range map[string]*tls.Certificate{
		"absent":  nil,
		"expired": new(w.ours.Client("expired", func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) })),
		"not-yet": new(w.ours.Client("not yet", func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) })),
		"usage":   new(w.ours.Client("usage", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })),
		"foreign": new(testkit.NewAuthority(t).Client("foreign", nil)),
		"revoked": &revoked,
	} {
		t.Run(cause, func(t *testing.T) {
			var list []tls.Certificate
			if c != nil {
				// Its account would know it.
				w.credential(testLogin, account.Certificate, fingerprint(*c))
				list = append(list, *c)
			}
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				w.refusesCertificate(t, with(version, list...), cause)
			}
		})
	}
	t.Run("signed by itself, in the authority's name", func(t *testing.T) {
		c := testkit.SelfSigned(t, "test authority", nil)
		w.credential(testLogin, account.Certificate, fingerprint(c))
		// A client of Go shows it as its issuer has the name that is asked for.
		w.refusesCertificate(t, with(tls.VersionTLS13, c), "foreign")
	})
}

func (w *cards) refusesCertificate(t *testing.T, config *tls.Config, cause string) {
	t.Helper()
	// Clients of Go send what they have only where its issuer is asked for; others send
	// anything.
	if len(config.Certificates) > 0 {
		c := config.Certificates[0]
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
	}
	for _, resumed := range []bool{false, true} {
		s, lines := w.dial("card", "", config)
		if got := saysAuth(lines); strings.Contains(got, "EXTERNAL") || !strings.Contains(got, "PLAIN") {
			t.Errorf("resumed %v: offered %q", resumed, got)
		}
		if e := w.last(audit.SessionTLS); e.Data["certificate_refused"] != cause || (e.Data["certificate"] == "") != (cause == "absent") {
			t.Errorf("resumed %v: recorded %v", resumed, e.Data)
		}
		s.say(504, external(""))
		s.say(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+testLogin+"\x00"+testPassword)))
		s.say(221, "QUIT")
	}
	if _, lines := w.dial("card-starttls", "", config); saysAuth(lines) != "" {
		t.Errorf("offered %q where EXTERNAL is all there is", lines)
	}
}

// TestRevokedWhileConnected: a list that comes while the gate runs ends sessions that are
// open, stops those that have not logged in, and is heeded by resumed ones.
func TestRevokedWhileConnected(t *testing.T) {
	w := newCards(t)
	c := w.ours.Client("print", nil)
	w.credential(testLogin, account.Certificate, fingerprint(c))
	config := with(tls.VersionTLS13, c)
	loggedIn, _ := w.dial("card", "", config)
	loggedIn.say(235, external(""))
	sending, _ := w.dial("card", "", config)
	sending.say(235, external(""))
	sending.say(250, "MAIL FROM:<"+testLogin+">")
	sending.say(250, "RCPT TO:<b@example.com>")
	byPassword, _ := w.dial("card", "", config)
	byPassword.say(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+testLogin+"\x00"+testPassword)))
	connected, _ := w.dial("card", "", config)

	w.revoke(t, c)
	w.app.clients.Poll()
	connected.say(535, external(""))
	if e := w.last(audit.AuthFailed); e.Data["cause"] != "no-credential: revoked" {
		t.Errorf("recorded %+v", e)
	}
	loggedIn.say(421, "MAIL FROM:<"+testLogin+">")
	sending.say(421, "DATA")
	byPassword.say(250, "MAIL FROM:<"+testLogin+">") // proved otherwise
	if _, lines := w.dial("card", "", config); strings.Contains(saysAuth(lines), "EXTERNAL") {
		t.Errorf("offered %q", lines)
	}
}

// TestCertificateEndsWhileConnected, and the list of revocations comes to its end.
func TestCertificateEndsWhileConnected(t *testing.T) {
	w := newCards(t)
	short := w.ours.Client("short", func(c *x509.Certificate) { c.NotAfter = w.clock.Now().Add(time.Hour) })
	long := w.ours.Client("long", nil)
	w.credential(testLogin, account.Certificate, fingerprint(short))
	w.credential(testLogin, account.Certificate, fingerprint(long))
	first, _ := w.dial("card", "", with(tls.VersionTLS13, short))
	first.say(235, external(""))
	second, _ := w.dial("card", "", with(tls.VersionTLS12, long))
	second.say(235, external(""))
	if err := w.app.clientHealth(context.Background()); err != nil {
		t.Error(err)
	}
	w.clock.Move(2 * time.Hour)
	first.say(421, "NOOP")
	second.say(250, "NOOP")
	w.clock.Move(23 * time.Hour)
	second.say(421, "NOOP")
	if err := w.app.clientHealth(context.Background()); err == nil || !strings.Contains(err.Error(), `"card"`) {
		t.Errorf("health says %v", err)
	}
	if _, lines := w.dial("card", "", with(tls.VersionTLS13, long)); strings.Contains(saysAuth(lines), "EXTERNAL") {
		t.Errorf("offered %q", lines)
	}
	if e := w.last(audit.SessionTLS); e.Data["certificate_refused"] != "crl-stale" {
		t.Errorf("recorded %+v", e)
	}
	w.revoke(t)
	w.app.clients.Poll()
	third, _ := w.dial("card", "", with(tls.VersionTLS13, long))
	third.say(235, external(""))
}

// TestNoTicketFromElsewhere: what was shown to one listener counts at that one alone.
func TestNoTicketFromElsewhere(t *testing.T) {
	w := newCards(t)
	c := w.ours.Client("print", nil)
	w.credential(testLogin, account.Certificate, fingerprint(c))
	config := with(tls.VersionTLS13, c)
	s, _ := w.dial("card", "", config)
	s.say(235, external(""))
	bare := config.Clone()
	bare.Certificates = nil
	bare.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return new(tls.Certificate), nil }
	for listener, known := range map[string]bool{"card-prints": false, "submissions": false} {
		if _, lines := w.dial(listener, "", bare); strings.Contains(saysAuth(lines), "EXTERNAL") != known {
			t.Errorf("%s: offered %q", listener, lines)
		}
	}
}

// TestEnvelopeOfACertificate: a certificate is used from its networks alone.
func TestEnvelopeOfACertificate(t *testing.T) {
	w := newCards(t)
	c := w.ours.Client("print", nil)
	w.credential(testLogin, account.Certificate, fingerprint(c))
	s, _ := w.dial("card", "", with(tls.VersionTLS13, c))
	s.say(235, external(""))
	elsewhere := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	err := w.credentials().SetEnvelope(t.Context(), parsed(t, testLogin), nameOf(fingerprint(c)), credentials.EnvelopeChange{Networks: &elsewhere})
	if err != nil {
		t.Fatal(err)
	}
	w.until("the session to feel it", func() bool { return s.answer("NOOP") == 421 })
	again, _ := w.dial("card", "", with(tls.VersionTLS13, c))
	again.say(535, external(""))
	if e := w.last(audit.AuthFailed); e.Data["cause"] != "network" {
		t.Errorf("recorded %+v", e)
	}
}

// TestSuspendedWithACertificate: who has logged in by a certificate is felt as others are.
func TestSuspendedWithACertificate(t *testing.T) {
	w := newCards(t)
	c := w.ours.Client("print", nil)
	w.credential(testLogin, account.Certificate, fingerprint(c))
	w.suspended(func() *talk {
		s, _ := w.dial("card", "", with(tls.VersionTLS13, c))
		s.say(235, external(""))
		return s
	})
}
