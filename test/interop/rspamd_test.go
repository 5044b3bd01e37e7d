package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"countersign/internal/sink"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// rspamd is one of its own: configuration, socket and all else in a temporary folder, the
// rules of Debian's package, and no redis.
type rspamd struct {
	t      *testing.T
	dir    string
	socket string
	cmd    *exec.Cmd
	exited chan error
}

// newRspamd writes its configuration. What looks names up asks where nobody answers.
func newRspamd(t *testing.T) *rspamd {
	t.Helper()
	// Not t.TempDir: the path of a socket has at most 107 octets.
	dir, err := os.MkdirTemp("/var/tmp", "countersign-rspamd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &rspamd{t: t, dir: dir, socket: filepath.Join(dir, "milter.sock")}
	for name, text := range map[string]string{
		// The whole list of public suffixes takes it half a minute.
		"suffixes": "com\nnet\norg\n",
		"rspamd.conf": fmt.Sprintf(`
options {
  filters = "chartable,regexp";
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
  pidfile = false;
  tempdir = "%[1]s";
  hs_cache_dir = "%[1]s";
  url_tld = "%[1]s/suffixes";
  disable_hyperscan = true;
  control_socket = "%[1]s/control.sock mode=0600";
  rrd = "";
  history_file = "";
}
logging { type = "file"; filename = "%[1]s/log"; level = "info"; }
worker "rspamd_proxy" {
  bind_socket = "%[2]s mode=0600";
  milter = yes;
  count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
actions { reject = 15; rewrite_subject = 9; subject = "[odd] %%s"; }
milter_headers { use = ["x-spamd-result"]; skip_authenticated = false; skip_local = false; }
modules { path = "/usr/share/rspamd/plugins/"; }
lua = "/usr/share/rspamd/rules/rspamd.lua";
`, dir, r.socket),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// start runs it until stop, and waits for its socket.
func (r *rspamd) start() {
	r.t.Helper()
	args := []string{"-f", "-c", filepath.Join(r.dir, "rspamd.conf")}
	if os.Getuid() == 0 {
		args = append(args, "-i") // it stays who it is
	}
	r.cmd = exec.Command("/usr/bin/rspamd", args...)
	// Its workers and it end together, whatever happens to the test.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(r.cmd, r.exited)
	harness.WaitFor(r.t, "rspamd to listen", func() bool {
		select {
		case err := <-r.exited:
			log, _ := os.ReadFile(filepath.Join(r.dir, "log"))
			r.exited <- err
			r.t.Fatalf("rspamd ended: %v\n%s", err, log)
		default:
		}
		info, err := os.Stat(r.socket)
		return err == nil && info.Mode()&os.ModeSocket != 0
	})
}

// stop ends it with its workers.
func (r *rspamd) stop() {
	if r.cmd == nil {
		return
	}
	_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGTERM) // as Setpgid made the group its own
	<-r.exited
	_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
	r.cmd = nil
	os.Remove(r.socket)
}

// log is what it has written.
func (r *rspamd) log() string {
	text, err := os.ReadFile(filepath.Join(r.dir, "log"))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// gtube is the text that each spam filter refuses.
const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"

// TestRspamd has the gate ask a real rspamd: what is clean passes with its field, and arrives
// signed; what is spam is refused in its words; while it is stopped, each listener does what
// its filter says; and when it is back, all is as before.
func TestRspamd(t *testing.T) {
	r := newRspamd(t)
	r.start()
	arrived := make(chan string, 10)
	hop, err := sink.Listen("127.0.0.1:0", func(m sink.Message) error { arrived <- string(m.Data); return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer hop.Close()
	filter := func(name, listener, away string) string {
		return fmt.Sprintf("[[filter]]\nname = %q\naddress = %q\nlisteners = [%q]\nwhen_away = %q\nfailures = 1\npause = \"1s\"\n", name, "unix:"+r.socket, listener, away)
	}
	g := harness.Serve(t, hop.Addr(), filter("strict", "submissions", "closed")+filter("lax", "submission", "open"))
	harness.WaitFor(t, "rspamd to answer", func() bool {
		status, _ := g.Get("/readyz")
		return status == 200
	})

	c := talk.LogIn(t, g)
	id := talk.Accepted(t, c.Submit("b@example.com", talk.Message("clean", "Hello.\r\n")))
	got := <-arrived
	if !strings.Contains(got, "\r\nX-Spamd-Result: default: False [") || !strings.HasPrefix(got, "DKIM-Signature: ") {
		t.Errorf("arrived\n%s", got)
	}
	if log := r.log(); !strings.Contains(log, "qid: <"+id+">, ip: 127.0.0.1, user: "+harness.Login+", from: <"+harness.Login+">") {
		t.Errorf("rspamd was not told whose message %s is:\n%s", id, log)
	}
	if e := g.Recorded(1, "--kind", "filter.changed"); e[0].Data["filter"] != "strict" {
		t.Errorf("%+v", e)
	}

	if reply := c.Submit("b@example.com", talk.Message("spam", gtube)); !strings.HasPrefix(reply, "554 5.7.1 ") || !strings.Contains(reply, "Gtube pattern") {
		t.Errorf("GTUBE is answered %q", reply)
	}
	if e := g.Recorded(1, "--kind", "filter.refused"); e[0].Code != 554 || e[0].Reason != "filter-refused" {
		t.Errorf("%+v", e)
	}

	r.stop()
	if reply := c.Submit("b@example.com", talk.Message("while it is stopped", "Hello.\r\n")); !strings.HasPrefix(reply, "451 4.7.1 ") {
		t.Errorf("while rspamd is stopped: %q", reply)
	}
	if status, text := g.Get("/readyz"); status != 503 || !strings.Contains(text, `"filter strict": "left alone`) {
		t.Errorf("ready: %d %s", status, text)
	}
	lax := talk.Dial(t, g.Submission)
	lax.Expect("220 ")
	lax.Say(talk.Hello, "250 ")
	lax.Say("STARTTLS", "220 ")
	lax.Secure(talk.Trust(t, g))
	lax.Say(talk.Hello, "250 ")
	lax.Say(talk.Plain(harness.Login, harness.Password), "235 ")
	talk.Accepted(t, lax.Submit("b@example.com", talk.Message("unseen", gtube)))
	if got := <-arrived; strings.Contains(got, "X-Spamd-Result") {
		t.Errorf("arrived\n%s", got)
	}
	done := map[string]string{}
	for _, e := range g.Recorded(2, "--kind", "filter.away") {
		done[e.Data["filter"]] = e.Data["action"]
	}
	if len(done) != 2 || done["strict"] != "closed" || done["lax"] != "open" {
		t.Errorf("%+v", done)
	}

	r.start()
	harness.WaitFor(t, "rspamd to be asked again", func() bool {
		return strings.HasPrefix(c.Submit("b@example.com", talk.Message("back", "Hello.\r\n")), "250 ")
	})
	if got := <-arrived; !strings.Contains(got, "X-Spamd-Result: ") {
		t.Errorf("arrived\n%s", got)
	}
}
