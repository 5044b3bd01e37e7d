package database

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"countersign/internal/fault"
)

func options(url string) Options {
	return Options{Name: "panel", URL: url, Query: "SELECT password FROM t WHERE login = :login", Connections: 1, Timeout: time.Second}
}

// TestURLs: a URL that will do, and why another one will not. Nothing connects.
func TestURLs(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for url, part := range map[string]string{
		"postgres://u@127.0.0.1/d":                                        "",
		"postgres://u@127.0.0.1/d?sslmode=disable":                        "",
		"postgres:///d?host=/run/postgresql&user=u":                       "",
		"postgres://u@db.example/d":                                       "", // verify-full
		"postgresql://u@db.example/d?sslmode=verify-full":                 "",
		"postgres://u@db.example/d?sslmode=disable":                       "sslmode=verify-full",
		"postgres://u@db.example/d?sslmode=prefer":                        "sslmode=verify-full",
		"postgres://u@db.example/d?sslmode=allow":                         "sslmode=verify-full",
		"postgres://u@db.example/d?sslmode=require":                       "sslmode=verify-full",
		"postgres://u@127.0.0.1,db.example/d?sslmode=disable":             "sslmode=verify-full",
		"postgres://u:topsecret@127.0.0.1/d":                              "put that into a file",
		"postgres://u@127.0.0.1/d?password=topsecret":                     "put that into a file",
		"postgres://u@127.0.0.1/d?sslmode=topsecret":                      "not one of PostgreSQL",
		"postgres://u@127.0.0.1:topsecret/d":                              "cannot be read",
		"mysql://u@127.0.0.1/d":                                           "",
		"mysql://u@[::1]:3307/d?sslmode=disable":                          "",
		"mariadb://u@localhost/d":                                         "",
		"mysql://u@db.example/d":                                          "",
		"mysql://u@db.example/d?sslmode=verify-full":                      "",
		"mysql://u@/d?socket=/run/mysqld/mysqld.sock":                     "",
		"mysql://u@db.example/d?sslmode=disable":                          "sslmode=verify-full",
		"mysql://u@db.example/d?sslmode=require":                          "there are disable and verify-full",
		"mysql://u@db.example/d?sslrootcert=" + none:                      "cannot be read",
		"mysql://u@db.example/d?sslmode=verify-full&sslmode=disable":      "twice",
		"mysql://u@db.example/d?allowAllFiles=true":                       "allowAllFiles",
		"mysql://u@db.example/d?socket=/run/mysqld/mysqld.sock":           "besides",
		"mysql://u@/d?socket=/run/mysqld/mysqld.sock&sslmode=verify-full": "besides",
		"mysql://u:topsecret@127.0.0.1/d":                                 "put that into a file",
		"mysql://127.0.0.1/d":                                             "must have the form",
		"mysql://u@127.0.0.1":                                             "must have the form",
		"sqlite:/tmp/x":                                                   "must begin with",
		"":                                                                "must begin with",
	} {
		d, err := Open(options(url))
		if part == "" {
			if err != nil {
				t.Errorf("%s: %v", url, err)
			} else if d.Name() != "panel" || d.Close() != nil {
				t.Errorf("%s: name or end", url)
			}
			continue
		}
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestOptionsHaveBounds(t *testing.T) {
	for name, spoil := range map[string]func(*Options){
		"connections": func(o *Options) { o.Connections = 0 },
		"time-out":    func(o *Options) { o.Timeout = time.Microsecond },
		"query":       func(o *Options) { o.Query = "SELECT 1" },
		"scheme":      func(o *Options) { o.Scheme = "{CRYPT}" },
	} {
		o := options("postgres://u@127.0.0.1/d")
		spoil(&o)
		if _, err := Open(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPasswordFile reads the first line alone.
func TestPasswordFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	for text, want := range map[string]string{"a b \n": "a b ", "a\r\nb": "a", "a": "a"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readPassword(path); err != nil || got != want {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	}
	for _, text := range []string{strings.Repeat("x", maxPasswordFile+1), "", "\nsecond\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readPassword(path); err == nil || got != "" {
			t.Errorf("%.10q is the password %q", text, got)
		}
	}
	if got, err := readPassword(""); got != "" || err != nil {
		t.Errorf("no file: %q, %v", got, err)
	}
}

// TestKinds: what one login brings about says nothing of the database, and must not
// have it left alone.
func TestKinds(t *testing.T) {
	for code, want := range map[string]fault.Kind{
		"22P02": fault.Invalid, "22021": fault.Invalid, "21000": fault.Corrupt,
		"57014": fault.Unavailable, "42P01": fault.Unavailable, "25006": fault.Unavailable, "53300": fault.Unavailable,
	} {
		if got, known := kindOfPostgres(&pgconn.PgError{Code: code}); !known || got != want {
			t.Errorf("%s is %v", code, got)
		}
	}
	for number, want := range map[uint16]fault.Kind{
		1267: fault.Invalid, 1366: fault.Invalid, 1242: fault.Corrupt,
		1146: fault.Unavailable, 1792: fault.Unavailable, 1969: fault.Unavailable, 3024: fault.Unavailable, 1040: fault.Unavailable,
	} {
		if got, known := kindOfMySQL(&mysql.MySQLError{Number: number}); !known || got != want {
			t.Errorf("%d is %v", number, got)
		}
	}
	for _, kind := range []func(error) (fault.Kind, bool){kindOfPostgres, kindOfMySQL} {
		if _, known := kind(errors.New("connection refused")); known {
			t.Error("an error that no server has sent is known")
		}
	}
}
