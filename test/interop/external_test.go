package interop

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"countersign/internal/testkit"
	"countersign/test/harness"
)

// writePair writes a client certificate with its key, in PEM, for a program.
func writePair(t *testing.T, dir, name string, c tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestProgramsLogInByCertificate: EXTERNAL with the certificate that is the account's; one
// of the same authority that is nobody's, and one that is another account's, get 535.
func TestProgramsLogInByCertificate(t *testing.T) {
	dir, authority := t.TempDir(), testkit.NewAuthority(t)
	ca := filepath.Join(dir, "authority.pem")
	testkit.WriteCertificates(t, ca, authority)
	b, next := newBox(t)
	starttls, implicit := harness.FreePort(t), harness.FreePort(t)
	extra := ""
	for kind, address := range map[string]string{"submission": starttls, "submissions": implicit} {
		extra += fmt.Sprintf("[[listener]]\nname = \"certified-%[1]s\"\nkind = %[1]q\naddress = [%[2]q]\nclient_ca_file = %[3]q\n", kind, address, ca)
	}
	d := &doors{Doors: harness.ServeDoors(t, next, extra), box: b}
	certified := *d.Gate
	certified.Submission, certified.Submissions = starttls, implicit

	const other = "other@example.org"
	d.Admin("one more long password\n", "account", "add", other)
	certs, keys := map[string]string{}, map[string]string{}
	for _, name := range []string{"own", "nobody", "other"} {
		certs[name], keys[name] = writePair(t, dir, name, authority.Client(name, nil))
	}
	d.Admin("", "credential", "add", harness.Login, "laptop", "--certificate", certs["own"])
	d.Admin("", "credential", "add", other, "laptop", "--certificate", certs["other"])

	for _, p := range programs() {
		if !slices.Contains([]string{"curl", "msmtp", "gsasl"}, p.name) {
			continue // the others have no EXTERNAL
		}
		for _, port := range []bool{false, true} {
			if port && p.starttlsOnly {
				continue
			}
			for _, name := range []string{"nobody", "other", "own"} {
				o := rightly(port, "EXTERNAL", fmt.Sprintf("%s with the certificate %s, implicit=%v", p.name, name, port))
				o.cert, o.key, o.password = certs[name], keys[name], ""
				t.Run(o.subject, func(t *testing.T) {
					if name != "own" {
						refused(t, &certified, p.client, o, p.refusal)
						d.refused++
						return
					}
					out, err := run(t, &certified, p.client, o)
					if err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
					d.passed = append(d.passed, "EXTERNAL")
					if !p.authOnly {
						d.box.waitFor(t, o.subject)
					}
				})
			}
		}
	}
	d.wantRecord(t)
}
