package interop

import (
	"fmt"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/test/harness"
)

// relay is one way in which Postfix hands its mail to the gate: a transport of its own,
// which takes what is for that recipient domain.
type relay struct{ mechanism, domain, secret string }

// relays has two for each mechanism of Cyrus SASL, with the right secret and a wrong one.
func relays() []relay {
	var all []relay
	for _, m := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"} {
		label := strings.ToLower(m)
		all = append(all, relay{m, "right." + label + ".example", harness.Password}, relay{m, "wrong." + label + ".example", "not the password"})
	}
	return all
}

// configuration returns what Postfix must be told.
func (d *doors) configuration(secrets string) (mainCF, masterCF string) {
	var routes, services strings.Builder
	for _, r := range relays() {
		fmt.Fprintf(&routes, " { %[1]s = %[1]s:[%[2]s]:%[3]s }", r.domain, harness.Host, port(d.Submission))
		fmt.Fprintf(&services, "%[1]s unix - - n - - smtp\n  -o smtp_sasl_mechanism_filter=%[2]s\n  -o smtp_sasl_password_maps=texthash:%[3]s/%[1]s\n",
			r.domain, strings.ToLower(r.mechanism), secrets)
	}
	return fmt.Sprintf(`
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
transport_maps = inline:{%s }
smtp_tls_security_level = secure
smtp_tls_CAfile = %s
smtp_tls_secure_cert_match = %s
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_tls_security_options = noanonymous
smtp_host_lookup = native
`, routes.String(), d.CAFile, harness.Host), services.String()
}

// port is that of an address.
func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// TestPostfixLogsIn: a site's own Postfix relays through the gate by each mechanism of
// Cyrus SASL; with a wrong password it is told 535 and keeps the mail.
func TestPostfixLogsIn(t *testing.T) {
	d := newDoors(t)
	secrets := t.TempDir()
	for _, r := range relays() {
		text := fmt.Sprintf("[%s]:%s %s:%s\n", harness.Host, port(d.Submission), harness.Login, r.secret)
		if err := os.WriteFile(filepath.Join(secrets, r.domain), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mainCF, masterCF := d.configuration(secrets)
	p := startPostfix(t, mainCF, masterCF)
	for _, r := range relays() {
		text := "From: <" + harness.Login + ">\r\nTo: <b@" + r.domain + ">\r\nSubject: " + r.domain + "\r\n\r\nHello.\r\n"
		if err := smtp.SendMail(p.address, nil, harness.Login, []string{"b@" + r.domain}, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	wanted := map[string]int{}
	for _, r := range relays() {
		if r.secret == harness.Password {
			wanted[r.mechanism]++
			d.box.waitFor(t, r.domain)
			continue
		}
		harness.WaitFor(t, "Postfix to be refused by "+r.mechanism, func() bool {
			log, err := os.ReadFile(filepath.Join(p.dir, "mail.log"))
			_, line, found := strings.Cut(string(log), "to=<b@"+r.domain+">")
			line, _, _ = strings.Cut(line, "\n")
			return err == nil && found && strings.Contains(line, "status=deferred") && strings.Contains(line, failed)
		})
		if _, ok := d.box.find("Subject: " + r.domain + "\r\n"); ok {
			t.Errorf("%s: its message was delivered", r.domain)
		}
	}
	for kind, cause := range map[string]string{"auth.passed": "", "auth.failed": "wrong-password"} {
		got := map[string]int{}
		for _, e := range d.Recorded(len(wanted), "--kind", kind) {
			got[e.Data["mechanism"]]++
			if e.Data["cause"] != cause {
				t.Errorf("%s by %s: the cause is %q", kind, e.Data["mechanism"], e.Data["cause"])
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(wanted) {
			t.Errorf("%s: got %v, want %v", kind, got, wanted)
		}
	}
}
