package repocheck

import (
	"go/ast"
	"go/token"
	"path"
	"strconv"
	"strings"
	"testing"
)

// stateAllowed are package-level variables that may change, as "folder name",
// each with the reason.
var stateAllowed = map[string]string{
	"test/harness built":                   "one build of the binary for a whole test program; package testing has no place for it",
	"internal/testkit/pgcluster installed": "one search for PostgreSQL for a whole test program",
	"internal/testkit/pgcluster template":  "one initdb for a whole test program",
}

// scope is what is needed to know a package-level variable where it is used.
type scope struct {
	// vars are the names of each package's, by its folder.
	vars map[string]map[string]bool
}

func newScope(all []source) scope {
	sc := scope{vars: map[string]map[string]bool{}}
	for _, s := range all {
		if sc.vars[s.pkg] == nil {
			sc.vars[s.pkg] = map[string]bool{}
		}
		for _, v := range packageVars(s) {
			for _, name := range v.spec.Names {
				if name.Name == "_" {
					continue
				}
				sc.vars[s.pkg][name.Name] = true
			}
		}
	}
	return sc
}

// packageVar is one declaration of package-level variables.
type packageVar struct {
	spec *ast.ValueSpec
	// embedded says that the compiler fills it from files.
	embedded bool
}

func packageVars(s source) []packageVar {
	var all []packageVar
	for _, decl := range s.file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.VAR {
			continue
		}
		for _, spec := range d.Specs {
			v := spec.(*ast.ValueSpec)
			all = append(all, packageVar{v, embeds(d.Doc) || embeds(v.Doc)})
		}
	}
	return all
}

func embeds(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, line := range doc.List {
		if strings.HasPrefix(line.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// TestNoPackageLevelState: a package-level variable is an error, a compiled
// pattern or template, a table, or the assertion of an interface, and nothing
// assigns to it or into it after its declaration.
func TestNoPackageLevelState(t *testing.T) {
	allowed := map[string]bool{}
	findState(sources(t), func(s source, at token.Pos, owner, name, what string) {
		if key := owner + " " + name; stateAllowed[key] != "" {
			allowed[key] = true
			return
		}
		t.Errorf("%s: %s %s: package-level state is not used here; make it a field of what needs it", s.fset.Position(at), name, what)
	})
	for key, reason := range stateAllowed {
		if !allowed[key] {
			t.Errorf("the exception for %s (%s) is no longer needed", key, reason)
		}
	}
}

// TestStateIsFound looks for state where there is some: what the line says is
// found in each of these, and nothing in the others.
func TestStateIsFound(t *testing.T) {
	const table = "var Table = map[string]int{\"a\": 1}\n"
	for body, want := range map[string]string{
		"var count int":                                              "count has no value",
		"var lock sync.Mutex":                                        "lock has no value",
		"var once = sync.OnceFunc(f)":                                "once is of package sync",
		"var seen = make(map[string]bool)":                           "seen is made empty",
		"var signal chan int = nil":                                  "signal is a channel",
		"var shared = &T{}":                                          "shared is a pointer",
		table + "func f() { Table = nil }":                           "Table is assigned to",
		table + "func f() { Table[\"b\"]++ }":                        "Table is counted",
		table + "func f() { delete(Table, \"a\") }":                  "Table is changed by delete",
		table + "func f() { g(&Table) }":                             "Table has its address taken",
		table + "func f() { for Table[\"a\"] = range 3 {} }":         "Table is assigned to",
		"var list = []int{2, 1}\nfunc f() { slices.Sort(list[:1]) }": "list is changed by slices.Sort",
		"var errNo = &T{}\nfunc f() { errNo.Text = \"yes\" }":        "errNo is assigned to",
		"func f() { there.Known[1] = 2 }":                            "Known is assigned to",
		"func f() { mine[1] = 2 }":                                   "mine is assigned to",

		table + "func f() int { Table := map[string]int{}; Table[\"b\"] = 1; return Table[\"a\"] }":                          "",
		table + "func f(Table map[string]int) { Table[\"b\"] = 1 }":                                                          "",
		"var errNo = errors.New(\"no\")\nvar word = regexp.MustCompile(\"a\")\nvar _ I = (*T)(nil)\nfunc f() { _, x = g() }": "",
		"//go:embed a.txt\nvar text string":                                                                                  "",
		"func f(there T) { there.Known = 1 }":                                                                                "",
	} {
		all := []source{
			parse(t, "internal/here/a.go", "package here\nimport \"countersign/internal/there\"\n"+body),
			parse(t, "internal/here/b.go", "package here\nvar mine = [3]int{1}"),
			parse(t, "internal/there/c.go", "package there\nvar Known = map[int]int{1: 1}"),
		}
		var found []string
		findState(all, func(_ source, _ token.Pos, _, name, what string) { found = append(found, name+" "+what) })
		if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || !strings.HasPrefix(found[0], want)) {
			t.Errorf("in\n%s\nfound %q, want %q", body, found, want)
		}
	}
}

// findState reports every package-level variable that may change, with the
// folder of its package.
func findState(all []source, report func(s source, at token.Pos, owner, name, what string)) {
	sc := newScope(all)
	for _, s := range all {
		for _, v := range packageVars(s) {
			if what := declaresState(v); what != "" {
				report(s, v.spec.Pos(), s.pkg, v.spec.Names[0].Name, what)
			}
		}
		u := user{source: s, scope: sc, report: report}
		ast.Inspect(s.file, u.visit)
	}
}

// declaresState says what about a declaration is made to change, "" if nothing is.
func declaresState(v packageVar) string {
	if len(v.spec.Values) == 0 && !v.embedded {
		return "has no value of its own, so that something would have to assign one"
	}
	what := ""
	look := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ChanType:
			what = "is a channel"
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && (x.Name == "sync" || x.Name == "atomic") {
				what = "is of package " + x.Name
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "make" || f.Name == "new") {
				what = "is made empty"
			}
		case *ast.FuncLit:
			return false
		}
		return what == ""
	}
	if v.spec.Type != nil {
		ast.Inspect(v.spec.Type, look)
	}
	for _, value := range v.spec.Values {
		pointer, ok := value.(*ast.UnaryExpr)
		if ok && pointer.Op == token.AND && !strings.HasPrefix(strings.ToLower(v.spec.Names[0].Name), "err") {
			return "is a pointer and no error"
		}
		ast.Inspect(value, look)
	}
	return what
}

// user looks for what a file does to package-level variables.
type user struct {
	source source
	scope  scope
	report func(s source, at token.Pos, owner, name, what string)
}

func (u user) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			u.changed(n.Lhs, "is assigned to")
		}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			u.changed([]ast.Expr{n.Key, n.Value}, "is assigned to")
		}
	case *ast.IncDecStmt:
		u.changed([]ast.Expr{n.X}, "is counted")
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			u.changed([]ast.Expr{n.X}, "has its address taken")
		}
	case *ast.SendStmt:
		u.changed([]ast.Expr{n.Chan}, "is sent to")
	case *ast.CallExpr:
		u.call(n)
	}
	return true
}

// changers are functions that change their first argument.
var changers = map[string]bool{
	"delete": true, "clear": true, "copy": true, "close": true, "append": true,
	"slices.Sort": true, "slices.SortFunc": true, "slices.SortStableFunc": true, "slices.Reverse": true, "slices.Delete": true,
	"slices.Insert": true, "slices.Compact": true, "sort.Slice": true, "sort.Strings": true, "maps.Copy": true, "maps.DeleteFunc": true,
}

func (u user) call(c *ast.CallExpr) {
	name := ""
	switch f := c.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			name = x.Name + "." + f.Sel.Name
		}
	}
	if changers[name] && len(c.Args) > 0 {
		u.changed(c.Args[:1], "is changed by "+name)
	}
}

// changed reports those of the expressions that lead to a package-level variable.
func (u user) changed(list []ast.Expr, what string) {
	for _, expr := range list {
		if owner, name := u.variable(expr); name != "" {
			u.report(u.source, expr.Pos(), owner, name, what)
		}
	}
}

// variable finds the package-level variable that an expression is, or is a part
// of: its package's folder and its name, "" where there is none.
func (u user) variable(expr ast.Expr) (owner, name string) {
	for {
		switch e := expr.(type) {
		case *ast.ParenExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.SliceExpr:
			expr = e.X
		case *ast.StarExpr:
			expr = e.X
		case *ast.SelectorExpr:
			if folder := u.imported(e.X); folder != "" && u.scope.vars[folder][e.Sel.Name] {
				return folder, e.Sel.Name
			}
			expr = e.X
		case *ast.Ident:
			if u.scope.vars[u.source.pkg][e.Name] && !u.local(e) {
				return u.source.pkg, e.Name
			}
			return "", ""
		default:
			return "", ""
		}
	}
}

// local reports whether a name is declared within a function. The parser
// resolves names within their file; of another file's it knows nothing.
func (u user) local(id *ast.Ident) bool {
	return id.Obj != nil && u.source.file.Scope.Objects[id.Name] != id.Obj
}

// imported returns the folder of the package of ours that a name stands for.
func (u user) imported(expr ast.Expr) string {
	id, ok := expr.(*ast.Ident)
	if !ok || id.Obj != nil {
		return ""
	}
	for _, spec := range u.source.file.Imports {
		full, err := strconv.Unquote(spec.Path.Value)
		folder, ours := strings.CutPrefix(full, module+"/")
		if err != nil || !ours {
			continue
		}
		name := path.Base(full)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == id.Name {
			return folder
		}
	}
	return ""
}
