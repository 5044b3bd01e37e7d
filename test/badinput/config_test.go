package badinput

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/test/harness"
)

// configFile writes a configuration with a data directory of its own, which
// nothing has made yet, and returns both and the port of its listener.
func configFile(t *testing.T, before, after string) (file, data, port string) {
	t.Helper()
	dir := t.TempDir()
	file, data, port = filepath.Join(dir, "countersign.toml"), filepath.Join(dir, "data"), harness.FreePort(t)
	text := fmt.Sprintf(`%s
data_dir = %q
[metrics]
listen = ""
[[listener]]
name = "submissions"
kind = "submissions"
address = [%q]
[dns]
servers = ["127.0.0.1:53"]
%s`, before, data, port, after)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, data, port
}

const (
	goodName        = `hostname = "gate.example.org"`
	selfCertificate = "[[certificate]]\nname = \"self\"\nsource = \"self-signed\"\nhosts = [\"localhost\"]\n"
)

// untouched wants a start that failed to have made nothing.
func untouched(t *testing.T, data string) {
	t.Helper()
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the data directory was made: %v", err)
	}
}

// TestAllConfigErrorsAtOnce: four mistakes are told together, each with its
// line, by serve and by config check alike, and nothing is started.
func TestAllConfigErrorsAtOnce(t *testing.T) {
	file, data, _ := configFile(t, `hostname = 17`, selfCertificate+`[session]
max_recipient = 5
command_timeout = "soon"
[[route]]
domain = "example.net"
next_hop = "ftp://relay.example.net"
`)
	for _, args := range [][]string{{"serve"}, {"config", "check"}} {
		refused(t, []string{
			"countersign.toml:1: hostname",
			"countersign.toml:16: session.max_recipient", "max_recipients",
			"countersign.toml:17: session.command_timeout",
			"countersign.toml:20: route.next_hop",
		}, append(args, "--config", file)...)
	}
	untouched(t, data)
}

// TestNoConfig: a file that is not there is named.
func TestNoConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nowhere.toml")
	refused(t, []string{file}, "serve", "--config", file)
	refused(t, []string{file}, "account", "list", "--config", file)
}

// TestGoodConfigPasses keeps the tests above honest: what they change is what
// is refused.
func TestGoodConfigPasses(t *testing.T) {
	file, data, _ := configFile(t, goodName, selfCertificate)
	if status, out := run(t, "config", "check", "--config", file); status != 0 {
		t.Errorf("config check ended with status %d:\n%s", status, out)
	}
	untouched(t, data)
}

// TestWrongUsage: what the command line cannot mean is status 2 and says how
// it is meant.
func TestWrongUsage(t *testing.T) {
	file, data, _ := configFile(t, goodName, selfCertificate)
	for _, args := range [][]string{
		{"serve", "--no-such-flag"},
		{"serve", "superfluous"},
		{"no-such-command"},
		{"account", "add"},
		{"queue", "no-such-act"},
		{"account", "add", harness.Login, "--password", "on the command line"},
	} {
		status, out := run(t, append(args, "--config", file)...)
		if status != 2 {
			t.Errorf("countersign %s ended with status %d, want 2:\n%s", strings.Join(args, " "), status, out)
		}
		if strings.TrimSpace(out) == "" {
			t.Errorf("countersign %s says nothing", strings.Join(args, " "))
		}
	}
	untouched(t, data)
}

// TestMismatchedCertificate: a certificate with the key of another names both
// files.
func TestMismatchedCertificate(t *testing.T) {
	dir := t.TempDir()
	one, other := filepath.Join(dir, "one"), filepath.Join(dir, "other")
	writePair(t, one, "gate.example.org", 1)
	writePair(t, other, "gate.example.org", 2)
	file, data, _ := configFile(t, goodName, fmt.Sprintf(
		"[[certificate]]\nname = \"main\"\nsource = \"files\"\ncert_file = %q\nkey_file = %q\n", one+".crt", other+".key"))
	refused(t, []string{one + ".crt", other + ".key", "match"}, "serve", "--config", file)
	refused(t, []string{one + ".crt", other + ".key", "match"}, "config", "check", "--config", file)
	untouched(t, data)
}

// TestPortTaken: a port that another program has is named, and the gate does
// not run with the rest.
func TestPortTaken(t *testing.T) {
	file, _, port := configFile(t, goodName, selfCertificate)
	listen(t, port, nil)
	refused(t, []string{port, "taken"}, "serve", "--config", file)
}
