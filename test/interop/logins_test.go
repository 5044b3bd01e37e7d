package interop

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"countersign/test/harness"
)

// doors is a gate with every mechanism, in front of a box.
type doors struct {
	*harness.Doors
	box *box
	// password is the account's.
	password string
	// passed are the mechanisms of the attempts that went through, in their order.
	passed []string
	// refused counts the others.
	refused int
}

func newDoors(t *testing.T, mechanisms ...string) *doors {
	t.Helper()
	b, address := newBox(t)
	return &doors{Doors: harness.ServeDoors(t, address, "", mechanisms...), box: b, password: harness.Password}
}

// secret returns what opens the account by a mechanism, and what does not.
func (d *doors) secret(o *attempt) (right, wrong string) {
	if !o.bearer() {
		return d.password, "not the password"
	}
	claims := d.Issuer.Claims(harness.Login)
	right = d.Issuer.Token(claims)
	claims["aud"] = "another.example.net"
	return right, d.Issuer.Token(claims)
}

// program is a client with the mechanisms that it knows.
type program struct {
	client
	mechanisms []string
	// refusal is what it makes of a 535, odd where a mechanism has it otherwise.
	refusal refusal
	odd     map[string]refusal
	// tls has the values for a TLS version, as o.tls; nil where none can be chosen.
	tls []string
	// authOnly says that it ends after AUTH.
	authOnly bool
	// starttlsOnly says that it cannot speak to the port for TLS.
	starttlsOnly bool
}

const failed = "535 5.7.8 "

// programs are those that others wrote and that run as a process of their own.
func programs() []program {
	var all []program
	for _, c := range clients() {
		p := program{client: c, refusal: map[string]refusal{
			"swaks": {28, failed}, "curl": {67, "Login denied"}, "msmtp": {77, failed},
		}[c.name]}
		p.mechanisms = map[string][]string{
			"swaks": {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"},
			"curl":  {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "OAUTHBEARER"},
			"msmtp": {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"},
		}[c.name]
		all = append(all, p)
	}
	return append(all,
		program{client: client{name: "smtplib", stdin: true, args: script("/usr/bin/python3", "submit.py")},
			mechanisms: []string{"PLAIN", "LOGIN", "CRAM-MD5"}, refusal: refusal{1, failed[4:]}},
		program{client: client{name: "nodemailer", stdin: true, args: script("node", "submit.js")},
			mechanisms: []string{"PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"}, refusal: refusal{1, failed},
			odd: map[string]refusal{"XOAUTH2": {1, "Can't create new access token"}}}, // what it tries then
		program{client: client{name: "gsasl", args: gsasl}, authOnly: true, starttlsOnly: true,
			mechanisms: []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"},
			refusal:    refusal{1, failed}, tls: []string{"1.2", "1.3"}},
	)
}

// script runs a file of testdata.
func script(interpreter, file string) func(*harness.Gate, attempt) []string {
	return func(g *harness.Gate, o attempt) []string {
		host, port := o.address(g)
		mode := "starttls"
		if o.implicit {
			mode = "tls"
		}
		return []string{interpreter, filepath.Join("testdata", file), host, port, mode, g.CAFile,
			o.mechanism, o.login, o.secretFile(), o.from, "b@example.com"}
	}
}

// gsasl logs in and ends. It binds to the channel where it can, and then takes SCRAM
// without -PLUS only where it is told not to.
func gsasl(g *harness.Gate, o attempt) []string {
	_, port := o.address(g)
	args := []string{"gsasl", "--smtp", "--verbose", "--starttls", "--x509-ca-file=" + g.CAFile, "--mechanism=" + o.mechanism,
		"--authentication-id=" + o.login, "--password=" + o.password, "--realm=" + harness.Host, "--quality-of-protection=qop-auth"}
	if o.tls != "" {
		args = append(args, "--priority=NORMAL:-VERS-ALL:+VERS-TLS"+o.tls)
	}
	if o.cert != "" {
		args = append(args, "--x509-cert-file="+o.cert, "--x509-key-file="+o.key, "--authorization-id="+o.login)
	}
	if !strings.HasSuffix(o.mechanism, "-PLUS") {
		args = append(args, "--no-cb")
	}
	return append(args, harness.Host, port)
}

// TestProgramsLogIn: with the right secret each program gets in by each mechanism that
// both know, and its message is delivered; with a wrong one it is told 535. That it was
// the mechanism asked for is what the record says.
func TestProgramsLogIn(t *testing.T) {
	d := newDoors(t)
	for _, p := range programs() {
		for _, mechanism := range p.mechanisms {
			versions := p.tls
			if versions == nil {
				versions = []string{""}
			}
			for i, version := range versions {
				// Both ports have been tried by PLAIN and LOGIN; here they take turns.
				o := rightly(!p.starttlsOnly && (i+len(mechanism))%2 == 0, mechanism, fmt.Sprintf("%s by %s %s", p.name, mechanism, version))
				o.tls = version
				t.Run(o.subject, func(t *testing.T) { d.try(t, p, o) })
			}
		}
	}
	d.wantRecord(t)
}

// TestProgramsPrepareAPassword: GNU SASL, which msmtp has too, makes "´", "²" and "ª" other
// characters before it makes keys of SCRAM or CRAM-MD5 (RFC 4013), and turns what it can into ISO 8859-1 for
// DIGEST-MD5; the others take what was typed, in UTF-8. All get in, as by PLAIN, and so do those on whose keyboards
// accents stand apart from their letters.
func TestProgramsPrepareAPassword(t *testing.T) {
	d := newDoors(t)
	const password = "wie geht´s, 20 m² für 1ª"
	d.Admin(password+"\n", "account", "passwd", harness.Login)
	forms := map[string]string{"other forms": password, "accents apart": norm.NFD.String(password)}
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5", "DIGEST-MD5"} {
		for form, typed := range forms {
			d.password = typed
			legacy := strings.HasSuffix(mechanism, "-MD5")
			if typed != password && !legacy {
				continue
			}
			for _, p := range programs() {
				// Python's smtplib knows passwords in ASCII alone.
				if p.name == "smtplib" || !slices.Contains(p.mechanisms, mechanism) {
					continue
				}
				o := rightly(false, mechanism, fmt.Sprintf("%s by %s with a password of %s", p.name, mechanism, form))
				t.Run(o.subject, func(t *testing.T) { d.try(t, p, o) })
			}
			if mechanism != "DIGEST-MD5" {
				o := rightly(false, mechanism, fmt.Sprintf("go-mail by %s with a password of %s", mechanism, form))
				t.Run(o.subject, func(t *testing.T) { d.tryGoMail(t, o, tls.VersionTLS13) })
			}
		}
	}
	d.wantRecord(t)
}

// TestCurlByXOAUTH2: where both are offered, curl takes OAUTHBEARER, whatever it is told.
func TestCurlByXOAUTH2(t *testing.T) {
	d := newDoors(t, "XOAUTH2", "PLAIN")
	i := slices.IndexFunc(programs(), func(p program) bool { return p.name == "curl" })
	d.try(t, programs()[i], rightly(false, "XOAUTH2", "curl by XOAUTH2"))
	d.wantRecord(t)
}

// try makes both attempts.
func (d *doors) try(t *testing.T, p program, o attempt) {
	right, wrong := d.secret(&o)
	o.password = wrong
	want, odd := p.odd[o.mechanism]
	if !odd {
		want = p.refusal
	}
	refused(t, d.Gate, p.client, o, want)
	d.refused++
	if _, ok := d.box.find("Subject: " + o.subject + "\r\n"); ok {
		t.Error("its message was delivered")
	}
	o.password = right
	out, err := run(t, d.Gate, p.client, o)
	if err != nil || p.authOnly && !strings.Contains(out, "\n235 2.7.0 ") {
		t.Fatalf("%v\n%s", err, out)
	}
	d.passed = append(d.passed, o.mechanism)
	if !p.authOnly {
		d.box.waitFor(t, o.subject)
	}
}

// wantRecord compares the logins in the record with the attempts.
func (d *doors) wantRecord(t *testing.T) {
	t.Helper()
	var got []string
	for _, e := range d.Recorded(len(d.passed), "--kind", "auth.passed") {
		got = append(got, e.Data["mechanism"])
	}
	if !slices.Equal(got, d.passed) {
		t.Errorf("the record has logins by\n%v\nwant\n%v", got, d.passed)
	}
	if n := len(d.Recorded(d.refused, "--kind", "auth.failed")); n != d.refused {
		t.Errorf("the record has %d failed logins, want %d", n, d.refused)
	}
}
