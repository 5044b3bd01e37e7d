package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/account"
	client509 "countersign/internal/cert/client"
	"countersign/internal/sink"
	"countersign/test/harness"
)

// authority is one that openssl keeps in a folder.
type authority struct {
	t   *testing.T
	dir string
}

// opensslCA is what "openssl ca" wants to know.
const opensslCA = `[ca]
default_ca = own
[own]
database = index.txt
crlnumber = crlnumber
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_crl_days = 7
`

func newAuthority(t *testing.T) *authority {
	a := &authority{t, t.TempDir()}
	a.write("ca.cnf", opensslCA)
	a.write("index.txt", "")
	a.write("crlnumber", "01\n")
	a.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
		"-keyout", "ca.key", "-out", "ca.pem", "-subj", "/O=Example/CN=clients of example.net")
	a.list()
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(a.file(name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) openssl(args ...string) string {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), "openssl", args...)
	cmd.Dir = a.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		a.t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// list makes ca.crl anew, whole.
func (a *authority) list() {
	a.t.Helper()
	a.openssl("ca", "-config", "ca.cnf", "-gencrl", "-out", "new.crl")
	if err := os.Rename(a.file("new.crl"), a.file("ca.crl")); err != nil {
		a.t.Fatal(err)
	}
}

// issue makes NAME.key and NAME.pem for an address. GnuTLS, which msmtp has, shows none
// with an RSA key in TLS 1.3.
func (a *authority) issue(name, address string) {
	a.t.Helper()
	a.write(name+".ext", "extendedKeyUsage=clientAuth\nsubjectAltName=email:"+address+"\n")
	a.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name+".key", "-out", name+".csr", "-subj", "/CN="+name)
	a.openssl("x509", "-req", "-in", name+".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "5",
		"-extfile", name+".ext", "-out", name+".pem")
}

// deferring answers 451 to what has such a subject, and gives the rest to a box.
func deferring(b *box, subject string) func(sink.Message) error {
	return func(m sink.Message) error {
		if strings.Contains(string(m.Data), "Subject: "+subject) {
			return errors.New("come again")
		}
		return b.take(m)
	}
}

// TestClientsWithCertificates: what openssl makes opens the account to curl and msmtp by
// EXTERNAL, until openssl has revoked it. What waits then is held.
func TestClientsWithCertificates(t *testing.T) {
	a := newAuthority(t)
	a.issue("printer", "Printer@Example.org")
	b, address := &box{}, harness.FreePort(t)
	hop, err := sink.Listen("127.0.0.1:0", deferring(b, "waits"))
	if err != nil {
		t.Fatal(err)
	}
	defer hop.Close()
	a.write("old.cnf", strings.Replace(opensslCA, "crlnumber = crlnumber\n", "", 1))
	a.openssl("ca", "-config", "old.cnf", "-gencrl", "-out", "old.crl")
	if _, _, err := client509.Check(a.file("ca.pem"), a.file("old.crl")); err == nil || !strings.Contains(err.Error(), "sets crlnumber") {
		t.Errorf("a list of version 1: %v", err)
	}
	g := harness.Serve(t, hop.Addr(), fmt.Sprintf("[[listener]]\nname = \"card\"\nkind = \"submissions\"\naddress = [%q]\nclient_ca_file = %q\nclient_crl_file = %q\n",
		address, a.file("ca.pem"), a.file("ca.crl")))
	harness.AddCredential(t, g.Config, account.Certificate, "email:printer@example.org")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string][]string{
		"curl 1.2": {"curl", "--tls-max", "1.2"},
		"curl 1.3": {"curl", "--tlsv1.3"},
		"msmtp":    {"msmtp"},
	}
	submit := func(name, subject string) (string, error) {
		message := "From: <" + harness.Login + ">\r\nSubject: " + subject + "\r\n\r\nx\r\n"
		args := programs[name]
		if args[0] == "curl" {
			a.write("message.eml", message)
			args = append(args[:len(args):len(args)], "--silent", "--show-error", "--cacert", g.CAFile, "--cert", a.file("printer.pem"), "--key", a.file("printer.key"),
				"--login-options", "AUTH=EXTERNAL", "--user", ":", "--mail-from", harness.Login, "--mail-rcpt", "b@example.com",
				"-T", a.file("message.eml"), "smtps://localhost:"+port)
		} else {
			args = append(args[:len(args):len(args)], "--host=localhost", "--port="+port, "--tls=on", "--tls-starttls=off", "--tls-trust-file="+g.CAFile,
				"--tls-cert-file="+a.file("printer.pem"), "--tls-key-file="+a.file("printer.key"), "--auth=external", "--user="+harness.Login, "--from="+harness.Login, "b@example.com")
		}
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Stdin = bytes.NewReader([]byte(message))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for name := range programs {
		if out, err := submit(name, "before, by "+name); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		harness.WaitFor(t, "the message of "+name, func() bool { _, ok := b.find("before, by " + name); return ok })
	}
	if out, err := submit("curl 1.3", "waits"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	harness.WaitFor(t, "a message to wait", func() bool { return strings.Contains(g.Admin("", "queue", "list"), "451 ") })
	a.openssl("ca", "-config", "ca.cnf", "-revoke", "printer.pem")
	a.list()
	harness.WaitFor(t, "the new list", func() bool { return strings.Contains(g.Log(), "authorities of clients reloaded") })
	for name := range programs {
		if out, err := submit(name, "after, by "+name); err == nil {
			t.Errorf("%s: a revoked certificate opens the account\n%s", name, out)
		}
	}
	if _, ok := b.find("Subject: after"); ok {
		t.Error("a message came by a revoked certificate")
	}
	harness.WaitFor(t, "what waits to be held", func() bool {
		return strings.Contains(g.Admin("", "queue", "list", "--why", "certificate-revoked"), "b@example.com")
	})
	var out string
	harness.WaitFor(t, "the record of a revoked certificate", func() bool {
		out = g.Admin("", "audit", "search", "--kind", "session.tls")
		return strings.Contains(out, "certificate_refused=revoked")
	})
	if !strings.Contains(out, "CN=printer") {
		t.Errorf("the record does not say whose:\n%s", out)
	}
}
