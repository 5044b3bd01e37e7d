package database

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestCompile: what is a parameter becomes a placeholder, and nothing else does.
func TestCompile(t *testing.T) {
	for _, c := range []struct {
		query, postgres, mysql string
		names, each            string
	}{
		{"SELECT a FROM b WHERE c = :login", "SELECT a FROM b WHERE c = $1", "SELECT a FROM b WHERE c = ?", "login", "login"},
		{" select :local,:domain ,:local ; ", "select $1,$2 ,$1", "select ?,? ,?", "local domain", "local domain local"},
		{"SELECT ':login', 'it''s :login', \":local\" FROM x WHERE y=:login", "SELECT ':login', 'it''s :login', \":local\" FROM x WHERE y=$1",
			"SELECT ':login', 'it''s :login', \":local\" FROM x WHERE y=?", "login", "login"},
		{"WITH x AS (SELECT :login AS l) SELECT l::text, a:=1, x[1:2] FROM x", "WITH x AS (SELECT $1 AS l) SELECT l::text, a:=1, x[1:2] FROM x",
			"WITH x AS (SELECT ? AS l) SELECT l::text, a:=1, x[1:2] FROM x", "login", "login"},
		{"SELECT a-1, a/2 FROM t\nWHERE c=:login", "SELECT a-1, a/2 FROM t\nWHERE c=$1", "SELECT a-1, a/2 FROM t\nWHERE c=?", "login", "login"},
		{"SELECT na\u00efve$1 FROM t WHERE c=:login", "SELECT na\u00efve$1 FROM t WHERE c=$1", "SELECT na\u00efve$1 FROM t WHERE c=?", "login", "login"},
	} {
		p, err := compile(c.query, postgresSQL)
		if err != nil || p.text != c.postgres || strings.Join(p.names, " ") != c.names {
			t.Errorf("PostgreSQL: %q, %v, %v", p.text, p.names, err)
		}
		m, err := compile(c.query, mysqlSQL)
		if err != nil || m.text != c.mysql || strings.Join(m.names, " ") != c.each {
			t.Errorf("MySQL: %q, %v, %v", m.text, m.names, err)
		}
	}
}

// TestOneDialect: what is a sign of its own in one dialect alone.
func TestOneDialect(t *testing.T) {
	for query, d := range map[string]dialect{
		"SELECT a ? 'b', c #> d FROM t WHERE c=:login":   postgresSQL,
		"SELECT `:login`, `a``b` FROM t WHERE c=:login":  mysqlSQL,
		"SELECT $1 FROM t WHERE c=:login":                mysqlSQL,
		"SELECT $$:login$$ FROM t WHERE c=:login":        mysqlSQL,
		"SELECT a FROM t WHERE c=:login AND d = '# ? $'": 2,
	} {
		for _, each := range []dialect{postgresSQL, mysqlSQL} {
			if _, err := compile(query, each); (err == nil) != (d == each || d == 2) && !strings.Contains(query, "`") {
				t.Errorf("%q in dialect %d: %v", query, each, err)
			}
		}
	}
	s, err := compile("SELECT `:login`, `a``:local` FROM t WHERE c=:login", mysqlSQL)
	if err != nil || !slices.Equal(s.names, []string{"login"}) {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestQueriesThatAreNone are refused, with what is wrong.
func TestQueriesThatAreNone(t *testing.T) {
	for query, part := range map[string]string{
		"":                                 "must be a SELECT",
		";":                                "must be a SELECT",
		"DELETE FROM t WHERE a=:login":     "must be a SELECT",
		"SELECTED :login":                  "must be a SELECT",
		"SELECT a FROM t":                  "must ask about :login",
		"SELECT a FROM t WHERE b=':login'": "must ask about :login",
		"SELECT a FROM t WHERE b=:domain":  "must ask about :login",
		"SELECT a FROM t WHERE b=:user":    ":user",
		"SELECT a FROM t WHERE b=:Login":   ":Login",
		"SELECT a FROM t WHERE b=:login1":  ":login1",
		"SELECT a FROM t WHERE b=:login; DROP TABLE t": "semicolon",
		"SELECT a -- b\n FROM t WHERE b=:login":        "comment",
		"SELECT a /* b */ FROM t WHERE b=:login":       "comment",
		"SELECT 'a FROM t WHERE b=:login":              "not closed",
		"SELECT 'a\\'' FROM t WHERE b=:login":          "backslash",
		"SELECT a\x00 FROM t WHERE b=:login":           "NUL",
		"SELECT 'a\x00' FROM t WHERE b=:login":         "NUL",
		"SELECT " + strings.Repeat(" ", MaxQuery):      "more than",
	} {
		for _, d := range []dialect{postgresSQL, mysqlSQL} {
			if s, err := compile(query, d); err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%.60q in dialect %d: %+v, %v", query, d, s, err)
			}
		}
	}
}

func TestSplitLogin(t *testing.T) {
	for text, want := range map[string]login{
		"A.User@Example.ORG":    {"a.user@example.org", "a.user", "example.org"},
		"u@b\u00fccher.example": {"u@xn--bcher-kva.example", "u", "xn--bcher-kva.example"},
		`"A b"@example.org`:     {`"a b"@example.org`, "a b", "example.org"},
		"Somebody":              {"somebody", "somebody", ""},
		"\u212aelvin":           {"\u212aelvin", "\u212aelvin", ""}, // the sign of the unit, which other rules make a k
		"' OR 1=1 --@":          {"' or 1=1 --@", "' or 1=1 --@", ""},
	} {
		if got := splitLogin(text); got != want {
			t.Errorf("%q is %+v", text, got)
		}
	}
	s := statement{names: []string{"domain", "login", "local", "login"}}
	if got := s.arguments(login{"l", "o", "d"}); !reflect.DeepEqual(got, []any{"d", "l", "o", "l"}) {
		t.Errorf("arguments %v", got)
	}
}

// FuzzCompile: no query panics, and no name of a parameter is left outside of
// quotes.
func FuzzCompile(f *testing.F) {
	f.Add("SELECT ':login' FROM \"x\" WHERE y=:login AND z::text=:local")
	f.Add("SELECT `a``b`, 'c''d' FROM t WHERE :login=$1 -- x")
	f.Fuzz(func(t *testing.T, query string) {
		for _, d := range []dialect{postgresSQL, mysqlSQL} {
			s, err := compile(query, d)
			if err != nil {
				continue
			}
			bare := s.text
			for _, quote := range []string{"'", "\"", "`"} {
				if strings.Contains(bare, quote) {
					bare = "" // what is in quotes stays
				}
			}
			if strings.Contains(bare, ":login") && !strings.Contains(bare, "::login") {
				t.Errorf("dialect %d: %q becomes %q", d, query, s.text)
			}
			if d == mysqlSQL && bare != "" && strings.Count(bare, "?") != len(s.names) {
				t.Errorf("%q has %d arguments", s.text, len(s.names))
			}
		}
	})
}
