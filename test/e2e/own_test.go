package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/mail"
	"countersign/internal/sink"
	"countersign/internal/testkit"
	"countersign/test/harness"
)

// own is a gate that a dialogue has for itself.
type own struct {
	*harness.Demo
	config *config.Config
	// addresses are those of the listeners in extra.toml, by name.
	addresses map[string]string
	// authority issues the certificates of clients, crl is the list of what it has
	// revoked, cards are the certificates by name; "none" is none.
	authority *testkit.Authority
	crl       string
	cards     map[string]tls.Certificate
}

// TestDialoguesOfTheirOwnGate runs the NN-topic folders with an extra.toml, each against
// a gate that has that configuration beside the usual, and whose account has the
// credentials that credentials.txt lists, where there is one: a kind and a subject on each
// line.
//
// Beside it lie ca.pem and ca.crl of an authority, which has issued the certificate
// "printer", for printer@example.org; that of "stranger" says the same, but is of
// another authority of that name.
func TestDialoguesOfTheirOwnGate(t *testing.T) {
	files, err := filepath.Glob("[0-9][0-9]-*/extra.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(dir, func(t *testing.T) {
			s := &script{t: t, own: serveOwn(t, dir)}
			s.gate = s.own.Demo
			s.run(read(t, filepath.Join(dir, "dialogue.txt")))
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var placeholder = regexp.MustCompile(`\{address ([a-z-]+)\}`)

// serveOwn starts the gate of a folder.
func serveOwn(t *testing.T, dir string) *own {
	t.Helper()
	files := t.TempDir()
	o := &own{
		addresses: map[string]string{}, authority: testkit.NewAuthority(t), crl: filepath.Join(files, "ca.crl"),
		cards: map[string]tls.Certificate{"none": {}},
	}
	named := func(c *x509.Certificate) { c.EmailAddresses = []string{"printer@example.org"} }
	o.cards["printer"] = o.authority.Client("printer", named)
	o.cards["stranger"] = testkit.NewAuthority(t).Client("printer", named)
	testkit.WriteCertificates(t, filepath.Join(files, "ca.pem"), o.authority)
	o.revoke(t)
	extra := placeholder.ReplaceAllStringFunc(read(t, filepath.Join(dir, "extra.toml")), func(m string) string {
		name := placeholder.FindStringSubmatch(m)[1]
		o.addresses[name] = harness.FreePort(t)
		return o.addresses[name]
	})
	extra = strings.NewReplacer(`"ca.`, `"`+files+`/ca.`).Replace(extra)
	mailDir, ids := t.TempDir(), &mail.IDSource{}
	hop, err := sink.Listen("127.0.0.1:0", func(m sink.Message) error {
		path := filepath.Join(mailDir, string(ids.New()))
		if err := os.WriteFile(path, m.Data, 0o600); err != nil {
			return err
		}
		return os.Rename(path, path+".eml")
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	g := harness.Serve(t, hop.Addr(), extra)
	o.Demo = &harness.Demo{
		Submission: g.Submission, Submissions: g.Submissions, Login: harness.Login, Password: harness.Password,
		CAFile: g.CAFile, MailDir: mailDir, Config: g.Config,
	}
	if o.config, _, err = loading.Load(g.Config); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(dir, "credentials.txt"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		kind, subject, _ := strings.Cut(strings.TrimSpace(line), " ")
		harness.AddCredential(t, g.Config, account.CredentialKind(kind), subject)
	}
	return o
}

// implicit reports whether a listener speaks TLS from the start.
func (o *own) implicit(name string) bool {
	return o != nil && slices.ContainsFunc(o.config.Listeners, func(l config.Listener) bool { return l.Name == name && l.Kind == "submissions" })
}

// revoke writes the list of what is revoked.
func (o *own) revoke(t *testing.T, names ...string) {
	var revoked []tls.Certificate
	for _, name := range names {
		revoked = append(revoked, o.cards[name])
	}
	testkit.WriteCRLs(t, o.crl, o.authority.CRL(time.Now().Add(time.Hour), nil, revoked...))
}

// card takes the certificate that the client shows from now on.
func (s *script) card(name string) {
	s.t.Helper()
	card, ok := s.own.cards[name]
	if !ok {
		s.fatalf("there is no certificate %q", name)
	}
	s.shown = card
}

// feels says NOOP until the answer is another one.
func (s *script) feels(want string) {
	s.t.Helper()
	s.until(func() bool {
		s.send("NOOP\r\n")
		s.expect("")
		return strings.HasPrefix(s.last[len(s.last)-1], want)
	}, func() string { return fmt.Sprintf("still %q, want %q", s.last, want) })
}
