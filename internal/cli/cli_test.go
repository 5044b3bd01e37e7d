package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigurationNamedByTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "named.toml")
	if err := os.WriteFile(path, []byte(smallConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("COUNTERSIGN_CONFIG", path)
	var out, errs bytes.Buffer
	status := Run([]string{"config", "check"}, strings.NewReader(""), &out, &errs, SystemEnv("test"))
	if status != statusDone || out.String() != path+" is valid\n" {
		t.Errorf("status %d, %q, %q", status, out.String(), errs.String())
	}
}
