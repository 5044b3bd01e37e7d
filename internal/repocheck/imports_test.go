package repocheck

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// nothing is what a row says of a package that imports none of ours.
const nothing = "nothing"

// importTable is the section "Import table" of docs/architecture.md.
type importTable struct {
	// groups are the packages that a word stands for.
	groups map[string][]string
	// allowed are the packages of ours that each may import.
	allowed map[string][]string
	// owners are the packages that may import a library.
	owners map[string][]string
}

// readImportTable reads the page, where every word must mean something.
func readImportTable(t *testing.T) importTable {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Import table\n")
	section, _, ended := strings.Cut(section, "\n## ")
	if !found || !ended {
		t.Fatal("docs/architecture.md has no section on imports")
	}
	table, problems := parseImportTable(section)
	for _, p := range problems {
		t.Errorf("docs/architecture.md, import table: %s", p)
	}
	return table
}

// parseImportTable reads the three tables of the section, known by their heads.
func parseImportTable(section string) (table importTable, problems []string) {
	rows := func(head string) map[string][]string {
		return tableRows(section, head, func(p string) { problems = append(problems, p) })
	}
	table = importTable{groups: rows("| group | packages |"), allowed: map[string][]string{}, owners: rows("| library | imported by |")}
	for left, right := range rows("| packages | may import of ours |") {
		for _, pkg := range words(left) {
			if _, twice := table.allowed[pkg]; twice {
				problems = append(problems, pkg+" has two rows")
			}
			table.allowed[pkg] = []string{}
			if !slices.Equal(right, []string{nothing}) {
				table.allowed[pkg] = table.expand(right)
			}
		}
	}
	for name := range table.groups {
		if _, both := table.allowed[name]; both {
			problems = append(problems, name+" is a group and a package")
		}
	}
	for _, lists := range []map[string][]string{table.groups, table.allowed, table.owners} {
		for name, list := range lists {
			for _, pkg := range list {
				if _, known := table.allowed[pkg]; !known {
					problems = append(problems, "the row of "+name+" names "+pkg+", which has no row of its own")
				}
			}
		}
	}
	return table, problems
}

// expand puts the packages of a group in the place of its name.
func (table importTable) expand(list []string) []string {
	var all []string
	for _, word := range list {
		if group, ok := table.groups[word]; ok {
			all = append(all, group...)
		} else {
			all = append(all, word)
		}
	}
	return all
}

// tableRows returns the rows of the Markdown table with that head: the words of
// the second column by the text of the first.
func tableRows(section, head string, problem func(string)) map[string][]string {
	rows := map[string][]string{}
	_, body, found := strings.Cut(section, "\n"+head+"\n|---|---|\n")
	if !found {
		problem("there is no table with the head " + head)
	}
	for line := range strings.Lines(body) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || cells[0] != "" || cells[3] != "" {
			break // the end of the table
		}
		left, right := strings.TrimSpace(cells[1]), words(cells[2])
		if _, twice := rows[left]; twice || left == "" || len(right) == 0 {
			problem("a row is empty or stands twice: " + strings.TrimSpace(line))
		}
		rows[left] = right
	}
	return rows
}

// words splits a list with commas.
func words(list string) []string {
	var all []string
	for _, word := range strings.Split(list, ",") {
		if word = strings.TrimSpace(word); word != "" {
			all = append(all, word)
		}
	}
	return all
}

// short turns a folder into its name in the table.
func short(pkg string) string { return strings.TrimPrefix(pkg, "internal/") }

func TestImportsFollowTheTable(t *testing.T) {
	table := readImportTable(t)
	for _, s := range sources(t) {
		if strings.HasPrefix(s.pkg, "test/") {
			continue // tests may use anything
		}
		for _, p := range table.check(s) {
			t.Error(p)
		}
	}
}

// check says which imports of a file the table forbids.
func (table importTable) check(s source) []string {
	pkg := short(s.pkg)
	may, known := table.allowed[pkg]
	if !known {
		return []string{s.path + ": package " + pkg + " has no row in the import table of docs/architecture.md"}
	}
	var problems []string
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			problems = append(problems, s.path+": "+err.Error())
			continue
		}
		if ours, ok := strings.CutPrefix(path, module+"/"); ok {
			if name := short(ours); !slices.Contains(may, name) {
				problems = append(problems, s.path+" imports "+name+": the import table of docs/architecture.md allows "+pkg+" only "+strings.Join(may, ", "))
			}
			continue
		}
		if why := table.library(pkg, path); why != "" {
			problems = append(problems, s.path+" imports "+path+": "+why)
		}
	}
	return problems
}

// library says why a package may not import a path that is not ours, "" if it may.
func (table importTable) library(pkg, path string) string {
	for library, owners := range table.owners {
		if (path == library || strings.HasPrefix(path, library+"/")) && !slices.Contains(owners, pkg) {
			return "it belongs to " + strings.Join(owners, ", ") + " alone"
		}
	}
	if pkg == "fault" && strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
		return "fault uses the standard library only"
	}
	return ""
}

func TestTableHasNoDeadRows(t *testing.T) {
	imported, packages := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		packages[short(s.pkg)] = true
		for _, spec := range s.file.Imports {
			imported[short(s.pkg)+" "+spec.Path.Value] = true
		}
	}
	table := readImportTable(t)
	for name := range table.allowed {
		if !packages[name] {
			t.Errorf("the import table has a row for %s, which does not exist", name)
		}
	}
	for library, owners := range table.owners {
		for _, pkg := range owners {
			used := false
			for key := range imported {
				used = used || strings.HasPrefix(key, pkg+` "`+library+`"`) || strings.HasPrefix(key, pkg+` "`+library+"/")
			}
			if !used {
				t.Errorf("the table of libraries says that %s imports %s, which it does not", pkg, library)
			}
		}
	}
}

// TestTableIsRead breaks a small table and a small tree in each way.
func TestTableIsRead(t *testing.T) {
	const good = `
| group | packages |
|---|---|
| low | a, b |

| packages | may import of ours |
|---|---|
| a, b | nothing |
| c | low |

| library | imported by |
|---|---|
| example.org/lib | b |

text
`
	table, problems := parseImportTable(good)
	if len(problems) > 0 || len(table.allowed) != 3 || !slices.Equal(table.allowed["c"], []string{"a", "b"}) || len(table.allowed["a"]) != 0 {
		t.Fatalf("%+v, %q", table, problems)
	}
	for change, want := range map[string]string{
		"| c | low |>| c | low, d |":                           "names d, which has no row",
		"| low | a, b |>| low | a, e |":                        "names e, which has no row",
		"| c | low |>| a | low |":                              "a has two rows",
		"| c | low |>| low | a |":                              "low is a group and a package",
		"| c | low |>| c | |":                                  "a row is empty",
		"| example.org/lib | b |>| example.org/lib | f |":      "names f, which has no row",
		"| library | imported by |>| library | belongs to |":   "no table with the head",
		"| c | low |\n>| c | low |\n| c | a |\n":               "stands twice",
		"| packages | may import of ours |>| package | may |":  "no table with the head",
		"| group | packages |\n|---|---|>| group | packages |": "no table with the head",
	} {
		before, after, _ := strings.Cut(change, ">")
		_, problems := parseImportTable(strings.Replace(good, before, after, 1))
		if !strings.Contains(strings.Join(problems, "\n"), want) {
			t.Errorf("after %q the problems are %q, want %q", change, problems, want)
		}
	}
	for file, want := range map[string]string{
		"c countersign/internal/a": "", "c countersign/internal/c": "allows c only a, b", "a countersign/internal/b": "allows a only",
		"b example.org/lib/v2": "", "b example.org/library": "", "a example.org/lib": "belongs to b alone", "a fmt": "", "g fmt": "has no row",
	} {
		pkg, path, _ := strings.Cut(file, " ")
		got := strings.Join(table.check(parse(t, "internal/"+pkg+"/x.go", "package "+pkg+"\nimport _ "+strconv.Quote(path))), "\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}
