package loading

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStoreAtIsAbsolute: what a command line names relative to where it is given
// means the same in a configuration, which may lie elsewhere.
func TestStoreAtIsAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("pw", []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := StoreAt("postgres://a@127.0.0.1/b", "pw")
	if err != nil || s.PasswordFile != filepath.Join(folder, "pw") {
		t.Errorf("the password file is %q, %v", s.PasswordFile, err)
	}
	password, err := s.Password()
	if err != nil || password.Reveal() != "secret" {
		t.Errorf("it cannot be read: %v", err)
	}
	s, err = StoreAt("sqlite:x.db", "")
	if err != nil || s.Path() != filepath.Join(folder, "x.db") || s.PasswordFile != "" {
		t.Errorf("got %+v, %v", s, err)
	}
}
