package interop

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// toolsWith runs scripts/tools.sh where no program is found but bash and those
// given, by the text of their scripts, and with more in its environment.
func toolsWith(t *testing.T, programs map[string]string, more ...string) (out string, status int) {
	t.Helper()
	script, err := filepath.Abs("../../scripts/tools.sh")
	if err != nil {
		t.Fatal(err)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(path, name), []byte("#!"+bash+"\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), bash, script)
	cmd.Env = append(more, "PATH="+path)
	got, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(got), cmd.ProcessState.ExitCode()
}

// commands are those that are looked for in PATH.
func commands() []string {
	return []string{"gcc", "curl", "swaks", "msmtp", "gsasl", "node", "openssl", "strace"}
}

// TestToolsWithoutRights: who may not install is told the one command to run,
// and the tests do not begin.
func TestToolsWithoutRights(t *testing.T) {
	// Whatever is looked for by its whole path, Postfix, Python, MariaDB and PostgreSQL, is found;
	// what is looked for in PATH is not.
	const command = "sudo apt-get install -y --no-install-recommends gcc curl swaks libnet-ssleay-perl libauthen-sasl-perl libdigest-hmac-perl msmtp gsasl nodejs"
	const installs = `echo "apt-get was run: $*"`
	for name, programs := range map[string]map[string]string{
		"not root":   {"id": "echo 65534", "apt-get": installs},
		"no apt-get": {"id": "echo 0"},
	} {
		t.Run(name, func(t *testing.T) {
			out, status := toolsWith(t, programs)
			if status != 1 || strings.Count(out, "apt-get") != 1 || !strings.Contains(out, command) {
				t.Errorf("status %d, want 1 and once %q in:\n%s", status, command, out)
			}
			if !strings.Contains(out, " openssl strace") {
				t.Errorf("not all that is missing is named:\n%s", out)
			}
		})
	}
}

// TestToolsWhenAllIsThere says nothing and needs no rights.
func TestToolsWhenAllIsThere(t *testing.T) {
	there := map[string]string{"id": "echo 65534"}
	for _, name := range commands() {
		there[name] = "exit 1"
	}
	there["perl"] = "exit 0"
	if out, status := toolsWith(t, there); status != 0 || out != "" {
		t.Errorf("status %d:\n%s", status, out)
	}
}

// TestToolsLooksForModules: a program that is there without the module that
// the tests use in it is not enough.
func TestToolsLooksForModules(t *testing.T) {
	there := map[string]string{"id": "echo 65534"}
	for _, name := range commands() {
		there[name] = "exit 0"
	}
	there["perl"] = `[ "$1" != -MNet::SSLeay ]` // as where the module is missing
	if out, status := toolsWith(t, there); status != 1 || !strings.Contains(out, "recommends libnet-ssleay-perl\n") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

// TestToolsLooksForPostgreSQL: one that is too old, or without a program that the
// tests start, is not enough, wherever it is.
func TestToolsLooksForPostgreSQL(t *testing.T) {
	all := []string{"postgres", "initdb", "pg_basebackup"}
	for name, c := range map[string]struct {
		version  string
		programs []string
		inPath   bool
		want     bool
	}{
		"none":                  {"", nil, false, false},
		"too old":               {"14.9", all, false, false},
		"the oldest that works": {"15.0", all, false, true},
		"a later one":           {"17beta1", all, false, true},
		"no initdb":             {"15.0", []string{"postgres", "pg_basebackup"}, false, false},
		"the server alone":      {"15.0", []string{"postgres"}, false, false},
		"in PATH":               {"16.2", all, true, true},
		"in PATH, too old":      {"9.6.1", all, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			there := map[string]string{"id": "echo 65534", "perl": "exit 0", "readlink": `echo "$2"`}
			for _, name := range commands() {
				there[name] = "exit 0"
			}
			folder := t.TempDir()
			bin := filepath.Join(folder, "any", "bin")
			if err := os.MkdirAll(bin, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, program := range c.programs {
				text := "echo 'postgres (PostgreSQL) " + c.version + " (Debian)'"
				if c.inPath {
					there[program] = text
				} else if err := os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/bash\n"+text+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			out, status := toolsWith(t, there, "POSTGRESQL_FOLDERS="+folder)
			if c.want && (status != 0 || out != "") {
				t.Errorf("status %d:\n%s", status, out)
			}
			if !c.want && (status != 1 || !strings.Contains(out, "recommends postgresql\n")) {
				t.Errorf("it is not missed: status %d\n%s", status, out)
			}
		})
	}
}
