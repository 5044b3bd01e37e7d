package directory

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/internal/directory/dovecot"
	"countersign/test/harness"
)

// dovecotServer is a Dovecot with a configuration of its own, of which the part
// about the socket is the page's.
type dovecotServer struct {
	*daemon
	tcp string // its second listener, on loopback
}

// mailboxes are the accounts of that Dovecot. Each password is "pencil".
const mailboxes = `shop@example.org:{PLAIN}pencil::::::plan=basic customer=Acme aliases=info@example.org,sales@example.org
second@example.org:{PLAIN}pencil::::::
far@example.org:{PLAIN}pencil::::::allow_nets=198.51.100.0/24
blocked@example.org:{PLAIN}pencil::::::nologin=y reason=moved
proxied@example.org:{PLAIN}pencil::::::proxy=y host=192.0.2.9
bare:{PLAIN}pencil::::::
`

// startDovecot starts a Dovecot that ends with the test.
func startDovecot(t testing.TB) *dovecotServer {
	t.Helper()
	d := &dovecotServer{newDaemon(t, "Dovecot"), harness.FreePort(t)}
	for _, name := range []string{"run", "state"} {
		if err := os.Mkdir(d.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, d.path("mailboxes"), mailboxes)
	write(t, d.path("masters"), "root:{PLAIN}mastered::::::")
	write(t, d.path("dovecot.conf"), d.config())
	// Asked kindly, the process that authenticates goes on for half a minute with what is
	// under way.
	d.signal = syscall.SIGKILL
	d.run(d.command, func() bool { return greets(d.socket()) })
	return d
}

// greets reports whether the process that authenticates is there behind a socket, which another
// one listens on before.
func greets(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	defer c.Close()
	if c.SetReadDeadline(time.Now().Add(time.Second)) != nil {
		return false
	}
	n, err := c.Read(make([]byte, 1))
	return n == 1 && err == nil
}

// command runs the server.
func (d *dovecotServer) command() *exec.Cmd {
	return exec.Command("/usr/sbin/dovecot", "-F", "-c", d.path("dovecot.conf"))
}

// socket is the page's.
func (d *dovecotServer) socket() string { return d.path("run/auth-countersign") }

func (d *dovecotServer) config() string {
	me, err := user.Current()
	if err != nil {
		d.t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		d.t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(d.tcp)
	if err != nil {
		d.t.Fatal(err)
	}
	own := fmt.Sprintf(`protocols =
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
ssl = no
listen = 127.0.0.1
default_internal_user = %[2]s
default_login_user = %[2]s
default_internal_group = %[3]s
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 anonymous
auth_realms = example.org
auth_failure_delay = 0
auth_master_user_separator = *
disable_plaintext_auth = yes
passdb {
  driver = passwd-file
  master = yes
  args = scheme=PLAIN %[1]s/masters
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%%u %[1]s/mailboxes
}
service auth {
  user = %[2]s
  inet_listener {
    address = 127.0.0.1
    port = %[4]s
  }
}
service anvil {
  chroot =
}
`, d.folder, me.Username, group.Name, port)
	return own + strings.ReplaceAll(block(d.t, "service auth {"), "user = countersign", "user = "+me.Username)
}

// told is what Dovecot says of itself.
func (d *dovecotServer) told() string {
	text, err := os.ReadFile(d.path("log"))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

// asking returns a directory that asks this Dovecot.
func (d *dovecotServer) asking(more func(*dovecot.Options)) *dovecot.Dovecot {
	d.t.Helper()
	opt := dovecot.Options{Name: "dovecot", Address: d.socket(), Plan: "plan", Customer: "customer", Aliases: "aliases", Exchanges: 64}
	if more != nil {
		more(&opt)
	}
	s, err := dovecot.New(opt)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { s.Close() })
	return s
}
