package loading

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPasswordInAURL finds a password in every place and spelling that the driver
// takes, and where a person may have put one that it does not take.
func TestPasswordInAURL(t *testing.T) {
	for url, want := range map[string]bool{
		"postgres://u:geheim@h/db":                               true,
		"postgresql://u:geheim@h/db":                             true,
		"postgres://u:geh?eim@h/db":                              true,
		"postgres://u:ge/heim@h/db":                              true,
		"postgres://u:geh@eim@h/db":                              true,
		"postgres://u@h/db?password=geheim":                      true,
		"postgres://u@h/db?a=b&password=geheim":                  true,
		"postgres://u@h/db?pass%77ord=geheim":                    true,
		"postgres://u@h/db?%70%61%73%73%77%6f%72%64=geheim":      true,
		"postgres://u@h/db?%20=1& password =geheim":              true,
		"postgres://u@h/db?sslpassword=geheim":                   true,
		"postgres://u@h/db?sslmode=require&ssl%70assword=geheim": true,
		"postgres://u@h?password=geheim":                         true,
		"postgres://u@h:5432,h2:5433/db?sslmode=require":         false,
		"postgres://u@[::1]:5432/db":                             false,
		"postgres:///db?host=/run/postgresql&user=u":             false,
		"postgres://u@h/db?passfile=/etc/pg/password":            false,
		"postgres://u@h/db?application_name=password":            false,
	} {
		if got := hasPassword(url); got != want {
			t.Errorf("%s: %v", url, got)
		}
		if _, err := StoreAt(url, ""); errors.Is(err, ErrPassword) != want || err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestWrongURL: what the driver would not take is said before anybody connects.
func TestWrongURL(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"postgres://u@h/db": "",
		"postgres://u@h1,h2:5433/db?sslmode=verify-full&target_session_attrs=read-write": "",
		"postgres://u@[::1]:5432/d%20b?connect_timeout=3&search_path=own":                "",
		"postgres://u@h/db?":                                    "",
		"postgres://u@h/db?sslrootcert=system":                  "",
		"postgres://u@h/db?sslrootcert=" + file:                 "",
		"postgres://u@h/db?sslcert=" + file + "&sslkey=" + file: "",
		"postgres://u@h/db?sslmode=requir":                      `has sslmode=requir, which is none of its values; did you mean "require"?`,
		"postgres://u@h/db?sslmod%65=none":                      "has sslmode=none, which is none of its values; one of disable, allow",
		"postgres://u@h/db?target_session_attrs=readwrite":      `did you mean "read-write"?`,
		"postgres://u@h/db?connect_timeout=5s":                  "has a connect_timeout that is no number of seconds",
		"postgres://u@h/db?sslrootcert=/nowhere.pem":            "names with sslrootcert the file /nowhere.pem, which cannot be read: no such file or directory",
		"postgres://u@h/db?sslcert=" + file:                     "has one of sslcert and sslkey without the other",
		"postgres://u@h/db?sslmode":                             `has something behind the "?" that is not option=value`,
		"postgres://u@h/db?a=b=c":                               `has something behind the "?" that is not option=value`,
		"postgres://u@h/db?a=%zz":                               `has something behind the "?" that is not option=value`,
		"postgres://u@h/%zz":                                    `has a "%" that two hexadecimal digits do not follow`,
		"postgres://u@h:port/db":                                "has a port that is no number from 1 to 65535",
		"postgres://u@h1:5432,h2:0/db":                          "has a port that is no number from 1 to 65535",
	} {
		_, err := StoreAt(url, "")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}
