package directory

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/internal/testkit"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// visitor is a client of a gate beside a Dovecot that verifies tokens and takes names of
// certificates.
type visitor struct {
	*gate
	t         testing.TB
	dovecot   *dovecotServer
	authority *testkit.Authority
	certified string // a listener that asks for certificates
	revoked   string // the file with what is revoked of them
	// shown is the latest certificate.
	shown tls.Certificate
}

// visit starts both, with what the page tells operators to write.
func visit(t *testing.T, p *provider) *visitor {
	t.Helper()
	v := &visitor{t: t, dovecot: believing(t, p, "0"), authority: testkit.NewAuthority(t), certified: harness.FreePort(t)}
	v.mailboxes(live)
	ca := filepath.Join(t.TempDir(), "authority.pem")
	testkit.WriteCertificates(t, ca, v.authority)
	v.revoked = filepath.Join(t.TempDir(), "revoked.pem")
	testkit.WriteCRLs(t, v.revoked, v.authority.CRL(time.Now().Add(time.Hour), nil))
	table := example(t, "### EXTERNAL: asking without a password")
	table = strings.Replace(table, `"/run/dovecot/auth-countersign"`, strconv.Quote(v.dovecot.socket()), 1)
	table += fmt.Sprintf("create_domains = true\nremember = %q\nfailures = 2\npause = \"1s\"\n", remember)
	table += fmt.Sprintf("[[listener]]\nname = \"certified\"\nkind = \"submissions\"\naddress = [%q]\nclient_ca_file = %q\nclient_crl_file = %q\n", v.certified, ca, v.revoked)
	b, hop := newBox(t)
	v.gate = &gate{Gate: harness.ServeEmpty(t, hop, table), box: b, directory: "mailboxes"}
	return v
}

// mailboxes has Dovecot know these beside the others.
func (v *visitor) mailboxes(logins ...string) {
	text := mailboxes
	for _, login := range logins {
		text += login + ":{PLAIN}" + livePassword + "::::::\n"
	}
	write(v.t, v.dovecot.path("mailboxes"), text)
}

// byToken logs in by a token, and returns the client with the last reply.
func (v *visitor) byToken(mechanism, login, token string) (*talk.Client, string) {
	v.t.Helper()
	c := talk.Open(v.t, v.Gate)
	return c, c.Auth(c.By(mechanism, talk.Key{Login: login, Token: token}))
}

// byCertificate logs in by a certificate that names an address.
func (v *visitor) byCertificate(authority *testkit.Authority, login string) (*talk.Client, string) {
	v.t.Helper()
	config := talk.Trust(v.t, v.Gate)
	v.shown = authority.Client("somebody", func(c *x509.Certificate) { c.EmailAddresses = []string{login} })
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &v.shown, nil }
	c := talk.Enter(v.t, v.certified, config)
	c.Send("AUTH EXTERNAL =\r\n")
	return c, c.Reply()
}

// offers is what EHLO offers on a new connection.
func (g *gate) offers(t testing.TB) string {
	t.Helper()
	c := talk.Open(t, g.Gate)
	defer c.Raw.Close()
	c.Send("EHLO client.example\r\n")
	_, rest, _ := strings.Cut(c.Reply(), "AUTH ")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

// TestTokensAtTheGate: who has a token that Dovecot takes sends mail, at a gate without an
// issuer; everybody else is told one and the same, and the token stands nowhere.
func TestTokensAtTheGate(t *testing.T) {
	const token = "token.live-SECRET"
	p := newProvider(t, map[string]string{token: live, "token.second": "second@example.org"})
	v := visit(t, p)
	harness.WaitFor(t, "the offer", func() bool { return strings.Contains(v.offers(t), "OAUTHBEARER XOAUTH2") })
	if text := v.Admin(token+"\n", "auth", "test", live, "--mech", "OAUTHBEARER"); !strings.Contains(text, "takes the token") {
		t.Errorf("the login is explained so:\n%s", text)
	}
	for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
		c, reply := v.byToken(mechanism, live, token)
		if !strings.HasPrefix(reply, "235 ") {
			t.Fatalf("%s: %s", mechanism, reply)
		}
		talk.Accepted(t, c.SubmitAs(live, "b@example.com", talk.MessageOf(live, mechanism, "text")))
		harness.WaitFor(t, "the message by "+mechanism, func() bool { return v.box.all()[mechanism] != "" })
		for _, wrong := range [][2]string{{live, "token.second"}, {live, token + "x"}, {"second@example.org", token}, {"nobody@example.org", token}} {
			c, reply := v.byToken(mechanism, wrong[0], wrong[1])
			c.IsRefused(mechanism+" of "+wrong[0], reply)
		}
	}
	p.Close()
	if _, reply := v.byToken("OAUTHBEARER", live, token); !strings.HasPrefix(reply, undecided) {
		t.Errorf("while its provider is away: %s", reply)
	}
	v.sends(t, "PLAIN")
	v.dovecot.stop()
	if _, reply := v.byToken("XOAUTH2", live, token); !strings.HasPrefix(reply, undecided) {
		t.Errorf("while it is away: %s", reply)
	}
	if n := len(v.Recorded(2, "--kind", "auth.passed", "--account", live)); n < 2 {
		t.Errorf("the record has %d logins", n)
	}
	said := v.Log() + v.Admin("", "audit", "search", "--json")
	for _, secret := range append(harness.InBase64(token), token, "SECRET") {
		if strings.Contains(said, secret) {
			t.Errorf("%q stands in log or record", secret)
		}
	}
}

// TestTokensThatDovecotDoesNotTake are not offered, once its greeting has said so.
func TestTokensThatDovecotDoesNotTake(t *testing.T) {
	d := startDovecot(t)
	_, hop := newBox(t)
	g := &gate{Gate: harness.ServeEmpty(t, hop, adapted(t, example(t, "## Dovecot"), map[string]string{
		"url": strconv.Quote(d.socket()), "mechanisms": `["OAUTHBEARER", "XOAUTH2", "PLAIN"]`,
	}))}
	harness.WaitFor(t, "the offer", func() bool { return g.offers(t) == "PLAIN" })
	text := g.Refused("auth", "test", live, "--mech", "OAUTHBEARER")
	if !strings.Contains(text, "no Dovecot offers to verify tokens") {
		t.Errorf("the login is explained so:\n%s", text)
	}
}

// TestCertificatesAtTheGate: one that names a mailbox opens its account, while Dovecot has it;
// what the account has here goes with it.
func TestCertificatesAtTheGate(t *testing.T) {
	v := visit(t, newProvider(t, nil))
	c, reply := v.byCertificate(v.authority, live)
	if !strings.HasPrefix(reply, "235 ") {
		t.Fatal(reply)
	}
	talk.Accepted(t, c.SubmitAs(live, "b@example.com", talk.MessageOf(live, "by certificate", "text")))
	harness.WaitFor(t, "the message", func() bool { return v.box.all()["by certificate"] != "" })
	file := write(t, filepath.Join(t.TempDir(), "client.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.shown.Certificate[0]})))
	if text := v.Admin("", "auth", "test", live, "--mech", "EXTERNAL", "--certificate", file); !strings.Contains(text, "PASSED") || !strings.Contains(text, "certificate's owner is asked of directory mailboxes") {
		t.Errorf("the login is explained so:\n%s", text)
	}
	for _, login := range []string{"nobody@example.org", "blocked@example.org", "far@example.org", "live@example.net"} {
		c, reply := v.byCertificate(v.authority, login)
		c.IsRefused("a certificate for "+login, reply)
	}
	if c, reply := v.byCertificate(testkit.NewAuthority(t), live); strings.HasPrefix(reply, "235 ") {
		t.Errorf("one of another authority: %s", reply)
	} else {
		c.Raw.Close()
	}
	other, reply := v.byCertificate(v.authority, live)
	if !strings.HasPrefix(reply, "235 ") {
		t.Fatal(reply)
	}
	talk.Accepted(t, other.SubmitAs(live, "b@example.com", talk.MessageOf(live, "not yet, from another", "text")))
	open, reply := v.byCertificate(v.authority, live)
	if !strings.HasPrefix(reply, "235 ") {
		t.Fatal(reply)
	}
	talk.Accepted(t, open.SubmitAs(live, "c@example.com", talk.MessageOf(live, "not yet", "text")))
	testkit.WriteCRLs(t, v.revoked, v.authority.CRL(time.Now().Add(time.Hour), nil, v.shown))
	harness.WaitFor(t, "the list to be read", func() bool { return strings.Contains(v.Log(), "authorities of clients reloaded") })
	open.Send("MAIL FROM:<" + live + ">\r\n")
	if reply := open.Reply(); !strings.HasPrefix(reply, "421 4.7.0 What this login signed in with was changed") {
		t.Errorf("a session whose certificate was revoked gets %s", reply)
	}
	harness.WaitFor(t, "what came with it to be held", func() bool {
		return strings.Contains(v.Admin("", "queue", "list", "--why", "certificate-revoked"), "c@example.com")
	})
	if text := v.Admin("", "queue", "list", "--why", "certificate-revoked"); strings.Contains(text, "b@example.com") {
		t.Errorf("what came with another certificate is held:\n%s", text)
	}
	made := v.Admin("", "credential", "add", live, "scanner", "--app-password", "--sender", live)
	_, rest, _ := strings.Cut(made, "password: ")
	app, _, _ := strings.Cut(rest, "\n")
	if reply := v.tries(t, "PLAIN", live, app); !strings.HasPrefix(reply, "235 ") {
		t.Fatalf("the app password: %s", reply)
	}
	v.Admin("", "credential", "add", live, "card", "--certificate", "email:"+live, "--sender", live)
	if c, reply := v.byCertificate(v.authority, live); !strings.HasPrefix(reply, "235 ") {
		t.Errorf("a certificate that is a credential: %s", reply)
	} else {
		c.Raw.Close()
	}
	v.Admin("", "credential", "revoke", live, "card")
	harness.WaitFor(t, "what the account's certificate was to open nothing by name", func() bool {
		c, reply := v.byCertificate(v.authority, live)
		c.Raw.Close()
		return strings.HasPrefix(reply, "535 ")
	})
	v.Admin("", "credential", "set", live, "password", "--any-mechanism")
	v.mailboxes()
	harness.WaitFor(t, "the app password to end", func() bool {
		reply := v.tries(t, "PLAIN", live, app)
		if !strings.HasPrefix(reply, "235 ") && !strings.HasPrefix(reply, "535 5.7.8 ") {
			t.Fatal(reply)
		}
		return strings.HasPrefix(reply, "535 ")
	})
	c, reply = v.byCertificate(v.authority, live)
	c.IsRefused("the certificate of a mailbox that is gone", reply)
	v.mailboxes(live)
	harness.WaitFor(t, "the app password to be good again", func() bool { return strings.HasPrefix(v.tries(t, "PLAIN", live, app), "235 ") })
	if text := v.Admin("", "config", "check", "--connect"); !strings.Contains(text, "directory mailboxes (dovecot)") {
		t.Errorf("config check says:\n%s", text)
	}
}
