package interop

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"countersign/test/harness"
)

// postfix is a receiving Postfix of its own: own configuration, queue and
// mailbox in a temporary folder, one listener on loopback.
type postfix struct {
	address string
	maildir string
	dir     string
}

// startPostfix needs root: Postfix changes to users of its own. The texts are appended to
// its configuration, where the last setting counts.
func startPostfix(t *testing.T, mainCF, masterCF string) *postfix {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test starts Postfix, which needs root: run make test as root")
	}
	dir, err := os.MkdirTemp("/var/tmp", "countersign-postfix-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := &postfix{address: harness.FreePort(t), maildir: filepath.Join(dir, "mail", "box"), dir: dir}
	for _, d := range []string{"etc", "spool", "data", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(dir, "data"), uid, -1); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	if err := os.Chown(filepath.Join(dir, "mail"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("main.cf", fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.com
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
smtputf8_enable = yes
maillog_file_prefixes = %[1]s
maillog_file = %[1]s/mail.log
virtual_mailbox_domains = example.com
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:%[2]d
virtual_gid_maps = static:%[2]d
virtual_mailbox_limit = 0
smtpd_relay_restrictions = reject_unauth_destination
smtpd_forbid_bare_newline = yes
alias_maps =
alias_database =
local_recipient_maps =
`, dir, nobody)+mainCF)
	write("master.cf", fmt.Sprintf(`%s inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
`, p.address)+masterCF)
	control := func(verb string) {
		out, err := exec.Command("/usr/sbin/postfix", "-c", filepath.Join(dir, "etc"), verb).CombinedOutput()
		if err != nil {
			log, _ := os.ReadFile(filepath.Join(dir, "mail.log"))
			t.Fatalf("postfix %s: %v\n%s\n%s", verb, err, out, log)
		}
	}
	control("start")
	t.Cleanup(func() { control("stop") })
	harness.WaitFor(t, "Postfix to answer", func() bool {
		c, err := net.Dial("tcp", p.address)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
	return p
}

// find returns the messages in the mailbox that hold text, by file.
func (p *postfix) find(text string) map[string]string {
	found := map[string]string{}
	files, err := filepath.Glob(filepath.Join(p.maildir, "new", "*"))
	if err != nil {
		return nil
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(content), text) {
			found[f] = string(content)
		}
	}
	return found
}

// wait waits until n messages with this subject are in the mailbox.
func (p *postfix) wait(t *testing.T, subject string, n int) (found map[string]string) {
	t.Helper()
	harness.WaitFor(t, "the message in Postfix's mailbox", func() bool {
		found = p.find("\nSubject: " + subject + "\n")
		return len(found) >= n
	})
	if len(found) > n {
		t.Errorf("%q arrived %d times, want %d", subject, len(found), n)
	}
	return found
}

// verifyScript checks every signature of a message with dkimpy, by records
// given as arguments: NAME=VALUE.
const verifyScript = `
import sys, dkim
records = dict(a.split("=", 1) for a in sys.argv[2:])
message = open(sys.argv[1], "rb").read()
def lookup(name, timeout=5):
    return records[name.decode().rstrip(".")].encode()
d = dkim.DKIM(message)
count = sum(1 for name, _ in d.headers if name.lower() == b"dkim-signature")
print("signatures", count)
for i in range(count):
    ok = dkim.DKIM(message).verify(idx=i, dnsfunc=lookup)
    print("signature", i, "valid" if ok else "INVALID")
    if not ok:
        sys.exit(1)
`

// verify lets dkimpy check both signatures of a message in a file.
func verify(t *testing.T, g *harness.Gate, file string) {
	t.Helper()
	args := append([]string{"-c", verifyScript, file}, records(t, g)...)
	result, err := exec.Command("/usr/bin/python3", args...).CombinedOutput()
	if err != nil || !strings.Contains(string(result), "signatures 2") {
		content, _ := os.ReadFile(file)
		t.Errorf("%v\n%s\n%.4000s", err, result, content)
	}
}

// TestPostfixReceivesAndDkimpyVerifies is the main job from end to end with a
// client, a server and a verifier that are not ours.
func TestPostfixReceivesAndDkimpyVerifies(t *testing.T) {
	p := startPostfix(t, "", "")
	g := harness.Serve(t, p.address, "")
	subject := "to postfix"
	out, err := run(t, g, clients()[0], rightly(true, "PLAIN", subject))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for file := range p.wait(t, subject, 1) {
		verify(t, g, file)
	}
}

// TestPostfixGetsEveryByte sends what is easily spoiled on the way. Apart from
// fields added on top, it must arrive as it was sent, with valid signatures;
// Postfix keeps LF for CR LF.
func TestPostfixGetsEveryByte(t *testing.T) {
	p := startPostfix(t, "", "")
	g := harness.Serve(t, p.address, "")
	one := []string{"b@example.com"}
	const mime = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
	const dots = ".one\r\n..two\r\n...\r\n.\t\r\n. \r\ntrailing space \r\n\r\n\r\nend\r\n\r\n"
	long := strings.Repeat("a line of a body that is too large for the database itself\r\n.and one with a dot\r\n", 4000)
	for _, l := range []letter{
		{name: "8-bit without BODY", to: one, head: mime, body: "Grüße, \xc3\xa9t\xc3\xa9\r\n"},
		{name: "8-bit with BODY", params: " BODY=8BITMIME", to: one, head: mime, body: "Grüße\r\n"},
		{name: "8-bit that is not UTF-8", to: one, body: "Gr\xfc\xdfe \x80\xff\r\n"},
		{name: "smtputf8 Grüße", params: " BODY=8BITMIME SMTPUTF8", to: []string{"пользователь@example.com"}, head: mime + "X-Name: 例え\r\n", body: "Привет\r\n"},
		{name: "dots", to: one, body: dots},
		{name: "no body", to: one},
		{name: "large", to: one, body: long},
		{name: "two recipients", to: []string{"b@example.com", "c@example.com"}, body: "for both\r\n"},
		{name: "by BDAT", to: one, head: mime, body: dots + "Grüße\r\n", chunked: 50},
		{name: "large by BDAT", to: one, body: long, chunked: 30_000},
	} {
		t.Run(l.name, func(t *testing.T) {
			submit(t, g, l)
			want := strings.ReplaceAll(l.text(), "\r\n", "\n")
			all := ""
			for file, got := range p.wait(t, l.name, len(l.to)) {
				all += got
				if !strings.HasSuffix(got, "\n"+want) {
					t.Errorf("sent:\n%.2000q\narrived:\n%.4000q", want, got)
				}
				verify(t, g, file)
			}
			for _, to := range l.to {
				if strings.Count(all, "Delivered-To: "+to+"\n") != 1 {
					t.Errorf("not one copy arrived for %s", to)
				}
			}
		})
	}
}

// records returns the DKIM records that "domain show" prints, as NAME=VALUE.
func records(t *testing.T, g *harness.Gate) []string {
	t.Helper()
	var found []string
	for _, line := range strings.Split(g.Admin("", "domain", "show", "example.org"), "\n") {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !strings.Contains(name, "._domainkey.") {
			continue
		}
		value := ""
		for i, part := range strings.Split(rest, `"`) {
			if i%2 == 1 {
				value += part
			}
		}
		found = append(found, strings.TrimSuffix(name, ".")+"="+value)
	}
	if len(found) != 2 {
		t.Fatalf("domain show prints %d DKIM records, want 2", len(found))
	}
	return found
}
