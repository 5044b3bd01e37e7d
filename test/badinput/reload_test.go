package badinput

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// reloadRefused is what the log says of a reload that is not taken.
var reloadRefused = regexp.MustCompile(`configuration is not taken`)

// filesHost is the name whose certificate comes from files.
const filesHost = "gate.example.org"

// serial is the serial number of the certificate that the gate presents for
// filesHost; pool must trust it.
func serial(t *testing.T, g *harness.Gate, pool *x509.CertPool) int64 {
	t.Helper()
	c := talk.Dial(t, g.Submissions)
	c.Secure(&tls.Config{RootCAs: pool, ServerName: filesHost})
	c.Expect("220 ")
	c.Say("QUIT", "221 ")
	return c.State().PeerCertificates[0].SerialNumber.Int64()
}

// recipientsLimit is what EHLO promises (RFC 9422), on a connection of its own.
func recipientsLimit(t *testing.T, g *harness.Gate) string {
	t.Helper()
	c := talk.Dial(t, g.Submissions)
	c.Secure(talk.Trust(t, g))
	c.Expect("220 ")
	text := c.Say(talk.Hello, "250 ")
	c.Say("QUIT", "221 ")
	match := regexp.MustCompile(`RCPTMAX=(\d+)`).FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("no RCPTMAX in %q", text)
	}
	return match[1]
}

// TestReload: a broken configuration, or a broken pair of files, changes
// nothing; a good one changes certificate, limits, route and log level. One
// session is open all the while.
func TestReload(t *testing.T) {
	first, second := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", nil)
	dir := t.TempDir()
	base := filepath.Join(dir, "pair")
	pool := writePair(t, base, filesHost, 1001)
	g := harness.Serve(t, first.addr(), fmt.Sprintf(`
[[certificate]]
name = "files"
source = "files"
cert_file = %q
key_file = %q
[session]
max_recipients = 50
`, base+".crt", base+".key"))
	session := talk.LogIn(t, g)

	unchanged := func(after string) {
		t.Helper()
		if n := serial(t, g, pool); n != 1001 {
			t.Errorf("%s: certificate %d is presented", after, n)
		}
		if n := recipientsLimit(t, g); n != "50" {
			t.Errorf("%s: at most %s recipients", after, n)
		}
		session.Say("NOOP", "250 ")
		subject := "after " + after
		talk.Accepted(t, session.Submit("b@example.com", talk.Message(subject, "text")))
		first.waitFor(t, subject)
	}
	unchanged("the start")

	// Wrong configuration, with good changes beside the mistake.
	edit(t, g, "max_recipients = 50", "max_recipients = 60\nmax_mistakes = 1", first.addr(), second.addr())
	reload(t, g, reloadRefused)
	unchanged("a broken configuration")

	// Right configuration, but the certificate now has another's key.
	edit(t, g, "\nmax_mistakes = 1", "")
	other := filepath.Join(dir, "other")
	newPool := writePair(t, other, filesHost, 1002)
	move(t, other+".crt", base+".crt")
	reload(t, g, reloadRefused)
	unchanged("a mismatched pair")

	// Everything right.
	move(t, other+".key", base+".key")
	edit(t, g, `level = "info"`, `level = "warn"`)
	signal(t, pid(t, g), syscall.SIGHUP)
	harness.WaitFor(t, "the new limit", func() bool { return recipientsLimit(t, g) == "60" })
	if n := serial(t, g, newPool); n != 1002 {
		t.Errorf("certificate %d is presented", n)
	}
	harness.WaitFor(t, "the new log level", func() bool {
		before := len(logText(t, g, 0))
		recipientsLimit(t, g)
		return logText(t, g, before) == ""
	})
	quiet := len(logText(t, g, 0))
	session.Say("NOOP", "250 ")
	talk.Accepted(t, session.Submit("b@example.com", talk.Message("after the reload", "text")))
	second.waitFor(t, "after the reload")
	session.Say("QUIT", "221 ")
	waitEmpty(t, g)
	if text := logText(t, g, quiet); strings.Contains(text, "level=INFO") {
		t.Errorf("level warn, but the log goes on with\n%s", text)
	}
}

// move replaces a file.
func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestReloadNeedsRestart: what only a restart can change is named, and stays.
func TestReloadNeedsRestart(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	edit(t, g, `hostname = "gate.example.org"`, `hostname = "new.example.org"`)
	for range 2 { // as long as it is so, not the first time alone
		reload(t, g, regexp.MustCompile(`(?s)this change needs a restart[^\n]*hostname.*configuration taken, except [^\n]*hostname`))
	}
	c := talk.Dial(t, g.Submission)
	c.Expect("220 gate.example.org ")
	c.Say("QUIT", "221 ")
}
