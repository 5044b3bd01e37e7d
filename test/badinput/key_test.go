package badinput

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// unsignable is the answer to a message that cannot be signed.
const unsignable = "451 4.7.5 "

// TestSealKeyReplaced: with another key file than the one that sealed the
// DKIM keys, nothing is accepted, and above all nothing leaves unsigned. With
// the right one back, mail flows again.
func TestSealKeyReplaced(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	file := filepath.Join(dataDir(g), "seal.key")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g.Kill(syscall.SIGTERM)

	wrong := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))) + "\n"
	overwrite(t, file, wrong)
	g.Start()
	c := talk.LogIn(t, g)
	for range 2 { // not the first time alone
		if reply := c.Submit("b@example.com", talk.Message("unsigned", "text")); !strings.HasPrefix(reply, unsignable) {
			t.Fatalf("with the wrong key the answer is %q", reply)
		}
	}
	if text := logText(t, g, 0); !strings.Contains(text, "signing-unavailable") {
		t.Error("the log does not say that signing fails")
	}
	showsRecords(t, g)
	if list := queued(t, g); len(list) != 0 {
		t.Errorf("the queue holds %v", list)
	}
	g.Kill(syscall.SIGTERM)

	overwrite(t, file, string(good))
	g.Start()
	talk.MustSubmit(t, g, "b@example.com", "signed again")
	m := next.waitFor(t, "signed again")
	if n := strings.Count(m.Data, "DKIM-Signature:"); n != 2 {
		t.Errorf("%d signatures", n)
	}
	if n := len(next.find("unsigned")); n != 0 {
		t.Errorf("%d messages left unsigned", n)
	}
}

// TestSealKeyDamaged: a key file that is none is named at start, and left as
// it is: somebody may still repair it. What needs no secret works.
func TestSealKeyDamaged(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	file := filepath.Join(dataDir(g), "seal.key")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g.Kill(syscall.SIGTERM)
	for name, text := range map[string]string{"empty": "", "cut": string(good[:len(good)/2]), "not base64": "!!!!\n"} {
		t.Run(name, func(t *testing.T) {
			overwrite(t, file, text)
			refused(t, []string{file}, "serve", "--config", g.Config)
			showsRecords(t, g)
			if now, err := os.ReadFile(file); err != nil || string(now) != text {
				t.Errorf("the key file was changed to %q, %v", now, err)
			}
		})
	}
	overwrite(t, file, string(good))
	g.Start()
	talk.MustSubmit(t, g, "b@example.com", "key repaired")
	next.waitFor(t, "key repaired")
}

// TestSealKeyReadableByAll: a key file that others can read is refused, and
// the error says how to mend it.
func TestSealKeyReadableByAll(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	file := filepath.Join(dataDir(g), "seal.key")
	g.Kill(syscall.SIGTERM)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	refused(t, []string{file, "0600"}, "serve", "--config", g.Config)
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	g.Start()
}

// TestOneDomainKeyBroken: a domain whose key cannot be opened stops sending,
// the others go on.
func TestOneDomainKeyBroken(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	const login2 = "c@example.net"
	g.Admin("", "domain", "add", "example.net", "--customer", "acme")
	g.Admin(harness.Password+"\n", "account", "add", login2)
	g.Kill(syscall.SIGTERM)
	change(t, g, "UPDATE domain_key SET sealed = x'00' WHERE domain = 'example.net' AND position = (SELECT max(position) FROM domain_key WHERE domain = 'example.net')")
	g.Start()

	c := talk.Open(t, g)
	c.Say(talk.Plain(login2, harness.Password), "235 ")
	if reply := c.SubmitAs(login2, "b@example.com", talk.MessageOf(login2, "half signed", "text")); !strings.HasPrefix(reply, unsignable) {
		t.Errorf("half signed: %q", reply)
	}
	talk.MustSubmit(t, g, "b@example.com", "other domain")
	next.waitFor(t, "other domain")
	waitEmpty(t, g)
	if n := len(next.find("half signed")); n != 0 {
		t.Errorf("%d messages left with too few signatures", n)
	}
}

// showsRecords wants the DNS records of the domain, for which no secret is
// needed.
func showsRecords(t *testing.T, g *harness.Gate) {
	t.Helper()
	out := g.Admin("", "domain", "show", "example.org")
	if strings.Count(out, "_domainkey") < 2 || !strings.Contains(out, "v=DKIM1") {
		t.Errorf("domain show prints\n%s", out)
	}
}

// overwrite replaces a file's content and keeps its mode.
func overwrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
