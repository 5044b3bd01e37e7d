package repocheck

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The rules of docs/howto/change-schema.md that let two releases work on one
// database. What a text cannot show, as that a column means what it did, is for
// reviews.

// engines are the folders that hold a schema.
var engines = []string{"internal/store/sqlite", "internal/store/postgres"}

// steps reads the steps of an engine's schema by name.
func steps(t *testing.T, engine string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, engine, "migrations", "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no steps: %v", engine, err)
	}
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = string(text)
	}
	return all
}

// TestStepsAreAdditive: a step that says that older programs may go on does nothing
// that could disturb them, and both engines have the same steps and say the same.
func TestStepsAreAdditive(t *testing.T) {
	said := map[string]map[string]string{}
	for _, engine := range engines {
		said[engine] = map[string]string{}
		for name, text := range steps(t, engine) {
			for _, problem := range additive(name, text) {
				t.Errorf("%s/migrations/%s: %s", engine, name, problem)
			}
			number, _, _ := strings.Cut(name, "_")
			said[engine][number], _, _ = strings.Cut(text, "\n")
		}
	}
	for i, engine := range engines {
		other := engines[1-i]
		for number, line := range said[engine] {
			if said[other][number] != line {
				t.Errorf("step %s of %s says %q, that of %s %q", number, engine, line, other, said[other][number])
			}
		}
	}
}

var (
	firstLine    = regexp.MustCompile(`^-- compatible: (\d+)$`)
	newTable     = regexp.MustCompile(`^CREATE TABLE (\w+) ?\(`)
	newSequence  = regexp.MustCompile(`^CREATE SEQUENCE \w+`)
	newIndex     = regexp.MustCompile(`^CREATE (UNIQUE )?INDEX \w+ ON (\w+)`)
	newRows      = regexp.MustCompile(`^INSERT INTO (\w+) \(`)
	alteredTable = regexp.MustCompile(`^ALTER TABLE (\w+) (.*)$`)
	addedColumn  = regexp.MustCompile(`^ADD (COLUMN )?\w+ \w+`)
	storage      = regexp.MustCompile(`^(SET|RESET) \(|^ALTER COLUMN \w+ SET (STORAGE|STATISTICS) `)
	constraint   = regexp.MustCompile(`\b(UNIQUE|PRIMARY|REFERENCES|CHECK|EXCLUDE|GENERATED)\b`)
	notNull      = regexp.MustCompile(`\bNOT NULL\b`)
	hasDefault   = regexp.MustCompile(`\bDEFAULT\b`)
)

// additive returns what a step does that programs which do not know it may not be
// able to work with, although its first line says that they are.
func additive(name, text string) (problems []string) {
	line, _, _ := strings.Cut(text, "\n")
	number, _, _ := strings.Cut(name, "_")
	version, _ := strconv.Atoi(number)
	match := firstLine.FindStringSubmatch(line)
	if match == nil {
		return []string{"its first line is not \"-- compatible: NUMBER\""}
	}
	if compatible, _ := strconv.Atoi(match[1]); compatible == version {
		return nil
	}
	made := map[string]bool{}
	for _, statement := range statements(text) {
		if problem := disturbs(statement, made); problem != "" {
			problems = append(problems, problem+": "+statement)
		}
	}
	return problems
}

// disturbs says how a statement disturbs an older program, "" for not at all. made
// has the tables that the step has made.
func disturbs(statement string, made map[string]bool) string {
	if m := newTable.FindStringSubmatch(statement); m != nil {
		made[m[1]] = true
		return ""
	}
	if m := newIndex.FindStringSubmatch(statement); m != nil {
		if m[1] != "" && !made[m[2]] {
			return "older programs may store what a unique index on their table refuses"
		}
		return ""
	}
	if m := newRows.FindStringSubmatch(statement); m != nil && made[m[1]] || newSequence.MatchString(statement) {
		return ""
	}
	m := alteredTable.FindStringSubmatch(statement)
	if m == nil {
		return "only new tables, columns, indexes and sequences are compatible"
	}
	for _, action := range actions(m[2]) {
		switch {
		case storage.MatchString(action), made[m[1]]:
		case !addedColumn.MatchString(action):
			return "it changes what older programs know"
		case constraint.MatchString(action):
			return "older programs may store what a constraint on their table refuses"
		case notNull.MatchString(action) && !hasDefault.MatchString(action):
			return "older programs do not fill a column that has no default"
		}
	}
	return ""
}

// statements splits a step into statements of one line each, without comments and
// texts, in capitals.
func statements(text string) (list []string) {
	text = regexp.MustCompile(`--[^\n]*`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`'[^']*'`).ReplaceAllString(text, "''")
	for _, s := range strings.Split(text, ";") {
		s = strings.ToUpper(strings.Join(strings.Fields(s), " "))
		if s != "" {
			list = append(list, s)
		}
	}
	return list
}

// actions splits what ALTER TABLE does at the commas outside of brackets.
func actions(text string) (list []string) {
	depth, from := 0, 0
	for i, r := range text {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			list = append(list, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	return append(list, strings.TrimSpace(text[from:]))
}

func TestAdditiveFindsWhatIsNot(t *testing.T) {
	good := []string{
		"CREATE TABLE hue (name TEXT PRIMARY KEY, at INTEGER NOT NULL UNIQUE) STRICT; INSERT INTO hue (name, at) VALUES ('drop; table', 1); CREATE UNIQUE INDEX hue_at ON hue (at);",
		"ALTER TABLE delivery ADD COLUMN hue TEXT NOT NULL DEFAULT '', ADD COLUMN shade bigint;\n-- DROP TABLE delivery;",
		"CREATE INDEX delivery_hue ON delivery (hue);\nCREATE SEQUENCE hue_number;",
		"ALTER TABLE delivery SET (autovacuum_vacuum_threshold = 5, fillfactor = 90);\nALTER TABLE delivery ALTER COLUMN hue SET STORAGE EXTERNAL;",
		"CREATE TABLE hue (n bigint); ALTER TABLE hue ADD CONSTRAINT positive CHECK (n > 0);",
	}
	for _, text := range good {
		if problems := additive("0002_x.sql", "-- compatible: 1\n"+text); len(problems) > 0 {
			t.Errorf("%s\n%q", text, problems)
		}
	}
	bad := []string{
		"DROP TABLE delivery;", "drop index delivery_due;", "ALTER TABLE delivery DROP COLUMN original;",
		"ALTER TABLE delivery RENAME COLUMN original TO first;", "ALTER TABLE delivery RENAME TO work;",
		"ALTER TABLE delivery ALTER COLUMN n TYPE bigint;", "ALTER TABLE delivery ALTER COLUMN n SET NOT NULL;",
		"ALTER TABLE delivery ADD COLUMN hue TEXT NOT NULL;",
		"ALTER TABLE delivery ADD COLUMN hue TEXT NOT NULL DEFAULT '', ADD COLUMN shade TEXT NOT NULL;",
		"ALTER TABLE delivery ADD COLUMN hue TEXT UNIQUE;", "ALTER TABLE delivery ADD COLUMN hue TEXT DEFAULT 'x' CHECK (hue <> '');",
		"ALTER TABLE delivery ADD CONSTRAINT few CHECK (n < 100);",
		"CREATE UNIQUE INDEX delivery_n ON delivery (n);", "UPDATE delivery SET n = n + 1;", "DELETE FROM delivery;",
		"INSERT INTO meta (name, value) VALUES ('generation', 2);", "INSERT INTO hue VALUES (1);",
		"CREATE TRIGGER x AFTER INSERT ON delivery BEGIN SELECT 1; END;", "TRUNCATE event;",
	}
	for _, text := range bad {
		if len(additive("0002_x.sql", "-- compatible: 1\n"+text)) == 0 {
			t.Errorf("nothing is found in %s", text)
		}
		if problems := additive("0002_x.sql", "-- compatible: 2\n"+text); len(problems) > 0 {
			t.Errorf("%s\nis not for older programs: %q", text, problems)
		}
	}
	if len(additive("0002_x.sql", "CREATE TABLE hue (n bigint);")) == 0 {
		t.Error("a step without the line passes")
	}
}

var (
	insertion   = regexp.MustCompile(`(?i)\bINSERT\s+(?:OR\s+\w+\s+)?INTO\s+(\w+)(\s*\()?`)
	everyColumn = regexp.MustCompile(`(?i)(\w+\.)?\*\s+FROM\s+(\w+)?`)
	returned    = regexp.MustCompile(`(?i)\bRETURNING\s+\*`)
)

// positional returns what in a statement depends on which columns a table has.
func positional(text string) (problems []string) {
	for _, m := range insertion.FindAllStringSubmatch(text, -1) {
		if m[2] == "" {
			problems = append(problems, "INSERT INTO "+m[1]+" does not name its columns")
		}
	}
	for _, m := range everyColumn.FindAllStringSubmatch(text, -1) {
		// Arrays have the columns that we give them.
		if !strings.EqualFold(m[2], "unnest") {
			problems = append(problems, m[0]+" reads columns that a later release adds")
		}
	}
	if returned.MatchString(text) {
		problems = append(problems, "RETURNING * reads columns that a later release adds")
	}
	return problems
}

// TestStatementsNameColumns: no statement of ours depends on how many columns a
// table has, as a later release may have added some.
func TestStatementsNameColumns(t *testing.T) {
	seen := 0
	for _, s := range sources(t) {
		if !strings.HasPrefix(s.pkg, "internal/store") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			seen += len(insertion.FindAllString(text, -1))
			for _, problem := range positional(text) {
				t.Errorf("%s: %s", s.fset.Position(lit.Pos()), problem)
			}
			return true
		})
	}
	for _, engine := range engines {
		for name, text := range steps(t, engine) {
			for _, problem := range positional(text) {
				t.Errorf("%s/migrations/%s: %s", engine, name, problem)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d insertions were found: the search is broken", seen)
	}
	for text, want := range map[string]int{
		"INSERT INTO t (a) SELECT * FROM unnest($1)": 0, "SELECT count(*) FROM t": 0,
		"INSERT INTO t SELECT 1": 1, "insert or replace into t values (1)": 1, "SELECT * FROM t": 1,
		"SELECT t.* FROM t": 1, "UPDATE t SET a = 1 RETURNING *": 1,
	} {
		if got := positional(text); len(got) != want {
			t.Errorf("%s: %q, want %d", text, got, want)
		}
	}
}
