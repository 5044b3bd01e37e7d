package attack

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/testkit"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// carried is a way for a login by certificate to fail, though the certificate holds.
type carried struct {
	name string
	// command makes the credential, or its account, such that it fails; WHO is the login, ""
	// where nothing has to be done.
	command string
	// nobody says that no account has it; another that the client wants to act as somebody else.
	nobody, another bool
	cause           string
}

func carriedOnes() []carried {
	soon := time.Now().Add(10 * time.Second).UTC().Format(time.RFC3339)
	return []carried{
		{name: "unknown", nobody: true, cause: "unknown"},
		{name: "as another", another: true, cause: "authorization-identity"},
		{name: "without credential", command: "credential revoke WHO card", cause: "unknown"},
		{name: "suspended", command: "account suspend WHO", cause: "suspended"},
		{name: "expired", command: "credential set WHO card --expires " + soon, cause: "expired"},
		{name: "other network", command: "credential set WHO card --allow-network 192.0.2.0/24", cause: "network"},
	}
}

// bearer is a client that has shown a certificate, and what it says.
type bearer struct {
	*talk.Client
	line string
}

// BenchmarkFailuresByCertificate is BenchmarkFailures for EXTERNAL (RFC 4422 appendix A): each kind
// of failure has a connection of its own, as the certificate is the connection's.
func BenchmarkFailuresByCertificate(b *testing.B) {
	if b.N != 1 {
		b.Fatal("this is for -benchtime 1x")
	}
	withoutDetector(b)
	authority, address := testkit.NewAuthority(b), harness.FreePort(b)
	ca := filepath.Join(b.TempDir(), "authority.pem")
	testkit.WriteCertificates(b, ca, authority)
	d := harness.ServeMeasured(b, "127.0.0.1:9", fmt.Sprintf(
		"[session]\nmax_auth_failures = 1000000\n[[listener]]\nname = \"cards\"\nkind = \"submissions\"\naddress = [%q]\nclient_ca_file = %q\nclient_names = [\"email\"]\n", address, ca))
	// connect opens one that shows the certificate of a login.
	connect := func(login string) *talk.Client {
		config := talk.Trust(b, d.Gate)
		shown := authority.Client("somebody", func(c *x509.Certificate) { c.EmailAddresses = []string{login} })
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
		return talk.Enter(b, address, config)
	}
	clients, names := map[string]bearer{}, []string(nil)
	for _, kind := range carriedOnes() {
		login := strings.ReplaceAll(kind.name, " ", "-") + "@example.org"
		if !kind.nobody {
			d.Admin(harness.Password+"\n", "account", "add", login)
			d.Admin("", "credential", "add", login, "card", "--certificate", "email:"+login)
			if reply := ask(b, connect(login), "AUTH EXTERNAL ="); !strings.HasPrefix(reply, "235 ") {
				b.Fatalf("%s before: %q", kind.name, reply)
			}
		}
		if kind.command != "" {
			d.Admin("", strings.Fields(strings.ReplaceAll(kind.command, "WHO", login))...)
		}
		line := "AUTH EXTERNAL ="
		if kind.another {
			line = "AUTH EXTERNAL " + base64.StdEncoding.EncodeToString([]byte(harness.Login))
		}
		client := turnedAway(b, kind.name, line, func() *talk.Client { return connect(login) })
		isRecorded(b, d.Gate, client, kind)
		clients[kind.name], names = bearer{client, line}, append(names, kind.name)
	}
	took := map[string][]time.Duration{}
	for i := range tries {
		for j := range names {
			name := names[(i+j)%len(names)]
			began := time.Now()
			reply := ask(b, clients[name].Client, clients[name].line)
			took[name] = append(took[name], time.Since(began))
			clients[name].IsRefused(name, reply)
		}
	}
	report(b, "EXTERNAL", names, took)
}

// turnedAway returns the first client whose login fails: what ends soon is good until then.
func turnedAway(b *testing.B, what, line string, connect func() *talk.Client) (c *talk.Client) {
	b.Helper()
	harness.WaitFor(b, what+": a login that fails", func() bool {
		c = connect()
		if strings.HasPrefix(ask(b, c, line), "535 ") {
			return true
		}
		c.Vanish(false)
		return false
	})
	return c
}

// isRecorded wants the record to have the failure of a client for what it is.
func isRecorded(b *testing.B, g *harness.Gate, c *talk.Client, kind carried) {
	b.Helper()
	var causes []string
	harness.WaitFor(b, "the record of a failure", func() bool {
		for _, e := range g.Events("--kind", "auth.failed", "--session", c.Session) {
			causes = append(causes, e.Data["cause"])
		}
		return len(causes) > 0
	})
	if !slices.Contains(causes, kind.cause) {
		b.Fatalf("%s: the record has %q, want %q", kind.name, causes, kind.cause)
	}
}

// ask says one line and returns the reply.
func ask(b *testing.B, c *talk.Client, line string) string {
	b.Helper()
	reply, err := c.Ask(line)
	if err != nil {
		b.Fatal(err)
	}
	return reply
}
